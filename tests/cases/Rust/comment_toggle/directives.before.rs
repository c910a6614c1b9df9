// Copyright 2024 Somebody
// SPDX-License-Identifier: MIT

//! Documentation of the crate.

// A plain note.
use std::fmt; // trailing

/// Documentation is an attribute.
// A note between the two.
#[derive(Debug)]
struct S {
    /// A field.
    a: u8, // the first
    // the second
    b: u8,
}

/** Also documentation. */
fn f(x: u8 /* the argument */, y: u8) -> u8 {
    // SAFETY: read by reviewers
    unsafe { g() };
    // rustfmt::skip
    let url = "http://example.com"; // not the URL
    let raw = r#"// not a comment "#;
    /* a block
       of lines */
    let z = x/**/+/* tight */y;
    /* /* nested */ still a comment */
    println!("{} // {}", x, /* inside a macro */ y); // done
    /*! inner documentation? kept */
    z // the value
}
//// four slashes are no documentation
/***/
