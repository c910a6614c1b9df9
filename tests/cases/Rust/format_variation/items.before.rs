//! Crate.

use std::{collections::HashMap, fmt::Display, io::Read, sync::Arc};

#[derive(Clone, Debug)]
#[cfg(not(feature = "a   b"))]
pub struct S<'a, T: 'a + Display> {
    /// Field.
    pub a: &'a T,

    b: Vec<Vec<u8>>,
    c: Option<Arc<u8>>,
}

macro_rules! m {
    ($a:expr,   $b:expr) => {
        $a   +   $b
    };
}

impl<'a, T: Display> S<'a, T> {
    pub fn new(a: &'a T, second: HashMap<String, Vec<u8>>, third: Option<Box<dyn Read>>) -> Self {
        let x: Vec<u8> = vec![1,   2,
                              3];

        let (d, e, f) = (1, 2, 0xe);
        let y = d == e && e != f || e <= f;
        let z = d * 2 - -1 + !0 & 0xe+1;
        let t: Vec<Vec<u8>> = Vec::new();
        if y { return Self { a, b: t, c: None } }
        match x.first() {
            Some(1..=2) => {}
            // last
            _ => drop(std::cmp::max(
                d,
                e
            )),
        }
        assert!(d   !=   e, "text,  with spaces {}", m!(d,   z));
        let closure = |a: u8, b: u8| a+b;
        let s = "a string
            over lines";
        let r = r#"raw
   lines"#;
        'outer: loop { break 'outer }
        let joined = [s, r, "a third element", "and a fourth"].concat().replace("one text", "another text");
        println!("{}  {joined}", closure(1, 2));
        drop((second, third));
        Self { a, b: t, c: None }
    }
}
