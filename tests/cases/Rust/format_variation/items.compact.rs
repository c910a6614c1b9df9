//! Crate.

use std::{collections::HashMap,fmt::Display,io::Read,sync::Arc};
#[derive(Clone, Debug)]
#[cfg(feature = "a   b")]
pub struct S<'a,T: 'a + Display> {
  /// Field.
  pub a: &'a T,
  b: Vec<Vec<u8>>,
}
macro_rules! m {
    ($a:expr,   $b:expr) => {
        $a   +   $b
    };
}
impl<'a,T: Display> S<'a,T> {
  pub fn new(a: &'a T,second: HashMap<String,Vec<u8>>,third: Option<Box<dyn Read>>) -> Self {
    let x: Vec<u8> = vec![1,   2,
                              3];
    let y=a==b&&c!=d||e<=f;
    let z = *p*2 - -1 + !0 & 0xe+1;
    let t: Vec<Vec<u8>> = Vec::new();
    if y { return Self { a,b: t } }
    match x {
      Some(1..=2) => {}
      // last
      _ => call(
        first,
        second,
      ),
    }
    assert!(a   ==   b, "text,  with spaces");
    let closure = |a: u8,b: u8| a+b;
    let s="a string
            over lines";
    let r=r#"raw
   lines"#;
    'outer: loop { break 'outer }
    object.method(argument_one,argument_two, |closure| closure.other(1,2,3),"text")
  }
}
