// Names that may move are called moves_*, all others stay_*.
pub struct Point { pub field_x: u32, pub stay_y: u32 }
#[allow(non_upper_case_globals)]
pub const stay_constant: u32 = 7;
macro_rules! stay_macro { ($e:expr) => { $e + 1 }; }
macro_rules! makes { ($name:ident) => { let $name = 1u32; }; }

pub fn plain(finger: u32, dragon: &[u8]) -> u32 {
    let mut border = finger;
    for pillow in dragon {
        border += u32::from(*pillow);
    }
    let spring = |amount: u32| amount + border;
    spring(1)
}

pub fn shorthand(anchor: u32) -> Point {
    Point { field_x: anchor, stay_y: anchor }
}

pub fn takes_apart(cradle: Point) -> u32 {
    let Point { field_x: anchor, stay_y: pepper } = cradle;
    anchor + pepper
}

pub fn by_reference(cradle: &Point) -> u32 {
    let Point { ref field_x, .. } = *cradle;
    *field_x
}

pub fn patterns(lagoon: Option<(u32, u32)>) -> u32 {
    if let Some((orchid, circle)) = lagoon {
        return orchid + circle;
    }
    match lagoon {
        Some((answer, _)) if answer > 3 => answer,
        Some((tunnel @ 1..=2, _)) => tunnel,
        _ => 0,
    }
}

pub fn a_constant_in_a_pattern(banner: u32) -> bool {
    match banner {
        stay_constant => true,
        _ => false,
    }
}

pub fn shadows(banner: u32) -> u32 {
    let banner = banner + 1;
    let banner = banner * 2;
    banner
}

pub fn macros(stay_argument: u32, yellow: u32, packet: u32) -> u32 {
    println!("{}", packet);
    assert_eq!(yellow, 1, "shown {}", packet);
    stay_macro!(stay_argument) + yellow
}

pub fn captured(stay_inline: u32, banner: u32) -> String {
    format!("{stay_inline} {stay_named}", stay_named = banner)
}

pub fn made_by_a_macro() -> u32 {
    makes!(stay_made);
    stay_made
}

pub fn items_see_no_locals(basket: u32) -> u32 {
    fn nested(stay_inside: u32) -> u32 {
        stay_inside + stay_constant
    }
    nested(basket)
}

pub fn methods_and_paths(bottle: &str) -> usize {
    let oyster = bottle.len();
    oyster + std::mem::size_of_val(&oyster)
}

pub fn labels(famous: u32) -> u32 {
    let mut winter = 0;
    'outer: loop {
        winter += 1;
        if winter > famous {
            break 'outer;
        }
    }
    winter
}

pub fn with_else(bottle: &str) -> u32 {
    let Ok(kitten) = bottle.parse::<u32>() else {
        return 0;
    };
    kitten
}
