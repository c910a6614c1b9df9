// Names that may move are called moves_*, all others stay_*.
use std::collections::HashMap;
pub struct StayPoint { pub field_x: i32, pub stay_y: i32 }
pub enum StayShape { Circle(i32), Square { stay_side: i32 }, Empty }
const STAY_LIMIT: usize = 3;

pub fn patterns(moves_shape: StayShape, moves_pair: (i32, Option<i32>)) -> i32 {
    let (moves_a, Some(moves_b)) = moves_pair else { return 0 };
    let moves_area = match moves_shape {
        StayShape::Circle(moves_r @ 1..=9) => moves_r,
        StayShape::Circle(ref moves_other) if *moves_other > moves_a => *moves_other,
        StayShape::Square { stay_side: moves_side } => moves_side * moves_side,
        StayShape::Circle(_) | StayShape::Empty => 0,
    };
    moves_area + moves_b
}

pub fn slices(moves_list: &[i32; STAY_LIMIT]) -> i32 {
    if let [moves_first, .., moves_last] = moves_list { moves_first + moves_last } else { 0 }
}

pub fn shorthand(field_x: i32, moves_more: i32) -> StayPoint {
    let moves_base = StayPoint { field_x, stay_y: moves_more };
    StayPoint { stay_y: 1, ..moves_base }
}

pub fn unpacked(moves_point: &StayPoint) -> i32 {
    let StayPoint { field_x, stay_y: moves_y } = moves_point;
    field_x + moves_y
}

pub fn shadowed(moves_x: i32) -> i32 {
    let moves_x = moves_x + 1;
    let moves_x = { let moves_x = moves_x * 2; moves_x };
    moves_x
}

pub fn captured(moves_start: i32) -> impl FnMut(i32) -> i32 {
    let mut moves_total = moves_start;
    move |moves_step| { moves_total += moves_step; moves_total }
}

pub fn printed(stay_shown: i32, moves_given: i32) -> String {
    format!("{stay_shown} {}", moves_given)
}

pub fn labelled(moves_limit: i32) -> i32 {
    let mut moves_n = 0;
    'stay_outer: loop {
        while moves_n < moves_limit { moves_n += 1; if moves_n > 2 { break 'stay_outer moves_n } }
    }
}

pub fn maps(moves_words: &[&str]) -> HashMap<usize, usize> {
    let mut moves_counts = HashMap::new();
    for (moves_i, moves_word) in moves_words.iter().enumerate() {
        *moves_counts.entry(moves_word.len()).or_insert(0) += moves_i;
    }
    moves_counts
}

pub fn local_macro(stay_a: i32) -> i32 {
    macro_rules! stay_twice { ($stay_e:expr) => { $stay_e + stay_a } }
    stay_twice!(stay_a)
}

pub fn inner_items(moves_outside: i32) -> i32 {
    fn stay_helper(stay_inside: i32) -> i32 { stay_inside + 1 }
    const STAY_INNER: i32 = 2;
    stay_helper(moves_outside) + STAY_INNER
}
