// Names that may move are called moves_*, all others stay_*.
pub struct Point { pub field_x: u32, pub stay_y: u32 }
#[allow(non_upper_case_globals)]
pub const stay_constant: u32 = 7;
macro_rules! stay_macro { ($e:expr) => { $e + 1 }; }
macro_rules! makes { ($name:ident) => { let $name = 1u32; }; }

pub fn plain(moves_parameter: u32, moves_slice: &[u8]) -> u32 {
    let mut moves_total = moves_parameter;
    for moves_item in moves_slice {
        moves_total += u32::from(*moves_item);
    }
    let moves_closure = |moves_inner: u32| moves_inner + moves_total;
    moves_closure(1)
}

pub fn shorthand(field_x: u32) -> Point {
    Point { field_x, stay_y: field_x }
}

pub fn takes_apart(moves_point: Point) -> u32 {
    let Point { field_x, stay_y: moves_renamed } = moves_point;
    field_x + moves_renamed
}

pub fn by_reference(moves_point: &Point) -> u32 {
    let Point { ref field_x, .. } = *moves_point;
    *field_x
}

pub fn patterns(moves_option: Option<(u32, u32)>) -> u32 {
    if let Some((moves_a, moves_b)) = moves_option {
        return moves_a + moves_b;
    }
    match moves_option {
        Some((moves_c, _)) if moves_c > 3 => moves_c,
        Some((moves_d @ 1..=2, _)) => moves_d,
        _ => 0,
    }
}

pub fn a_constant_in_a_pattern(moves_value: u32) -> bool {
    match moves_value {
        stay_constant => true,
        _ => false,
    }
}

pub fn shadows(moves_value: u32) -> u32 {
    let moves_value = moves_value + 1;
    let moves_value = moves_value * 2;
    moves_value
}

pub fn macros(stay_argument: u32, moves_other: u32, moves_shown: u32) -> u32 {
    println!("{}", moves_shown);
    assert_eq!(moves_other, 1, "shown {}", moves_shown);
    stay_macro!(stay_argument) + moves_other
}

pub fn captured(stay_inline: u32, moves_value: u32) -> String {
    format!("{stay_inline} {stay_named}", stay_named = moves_value)
}

pub fn made_by_a_macro() -> u32 {
    makes!(stay_made);
    stay_made
}

pub fn items_see_no_locals(moves_outside: u32) -> u32 {
    fn nested(stay_inside: u32) -> u32 {
        stay_inside + stay_constant
    }
    nested(moves_outside)
}

pub fn methods_and_paths(moves_text: &str) -> usize {
    let moves_len = moves_text.len();
    moves_len + std::mem::size_of_val(&moves_len)
}

pub fn labels(moves_limit: u32) -> u32 {
    let mut moves_count = 0;
    'outer: loop {
        moves_count += 1;
        if moves_count > moves_limit {
            break 'outer;
        }
    }
    moves_count
}

pub fn with_else(moves_text: &str) -> u32 {
    let Ok(moves_number) = moves_text.parse::<u32>() else {
        return 0;
    };
    moves_number
}
