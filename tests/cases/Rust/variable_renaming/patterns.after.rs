// Names that may move are called moves_*, all others stay_*.
use std::collections::HashMap;
pub struct StayPoint { pub field_x: i32, pub stay_y: i32 }
pub enum StayShape { Circle(i32), Square { stay_side: i32 }, Empty }
const STAY_LIMIT: usize = 3;

pub fn patterns(finger: StayShape, dragon: (i32, Option<i32>)) -> i32 {
    let (border, Some(pillow)) = dragon else { return 0 };
    let spring = match finger {
        StayShape::Circle(amount @ 1..=9) => amount,
        StayShape::Circle(ref anchor) if *anchor > border => *anchor,
        StayShape::Square { stay_side: cradle } => cradle * cradle,
        StayShape::Circle(_) | StayShape::Empty => 0,
    };
    spring + pillow
}

pub fn slices(pepper: &[i32; STAY_LIMIT]) -> i32 {
    if let [lagoon, .., orchid] = pepper { lagoon + orchid } else { 0 }
}

pub fn shorthand(circle: i32, answer: i32) -> StayPoint {
    let tunnel = StayPoint { field_x: circle, stay_y: answer };
    StayPoint { stay_y: 1, ..tunnel }
}

pub fn unpacked(banner: &StayPoint) -> i32 {
    let StayPoint { field_x: circle, stay_y: yellow } = banner;
    circle + yellow
}

pub fn shadowed(packet: i32) -> i32 {
    let packet = packet + 1;
    let packet = { let packet = packet * 2; packet };
    packet
}

pub fn captured(basket: i32) -> impl FnMut(i32) -> i32 {
    let mut bottle = basket;
    move |oyster| { bottle += oyster; bottle }
}

pub fn printed(stay_shown: i32, famous: i32) -> String {
    format!("{stay_shown} {}", famous)
}

pub fn labelled(winter: i32) -> i32 {
    let mut kitten = 0;
    'stay_outer: loop {
        while kitten < winter { kitten += 1; if kitten > 2 { break 'stay_outer kitten } }
    }
}

pub fn maps(dinner: &[&str]) -> HashMap<usize, usize> {
    let mut needle = HashMap::new();
    for (bridge, orange) in dinner.iter().enumerate() {
        *needle.entry(orange.len()).or_insert(0) += bridge;
    }
    needle
}

pub fn local_macro(stay_a: i32) -> i32 {
    macro_rules! stay_twice { ($stay_e:expr) => { $stay_e + stay_a } }
    stay_twice!(stay_a)
}

pub fn inner_items(forest: i32) -> i32 {
    fn stay_helper(stay_inside: i32) -> i32 { stay_inside + 1 }
    const STAY_INNER: i32 = 2;
    stay_helper(forest) + STAY_INNER
}
