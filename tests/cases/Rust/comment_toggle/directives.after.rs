// Copyright 2024 Somebody
// SPDX-License-Identifier: MIT

//! Documentation of the crate.

// A plain note.
use std::fmt;

/// Documentation is an attribute.
#[derive(Debug)]
struct S {
    /// A field.
    a: u8,
    b: u8,
}

/** Also documentation. */
fn f(x: u8, y: u8) -> u8 {
    // SAFETY: read by reviewers
    unsafe { g() };
    // rustfmt::skip
    let url = "http://example.com";
    let raw = r#"// not a comment "#;
    let z = x + y;
    println!("{} // {}", x, y);
    /*! inner documentation? kept */
    z
}
