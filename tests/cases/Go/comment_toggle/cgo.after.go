// Package c wraps something.
package c

// #include <stdio.h>
// static void hello() { puts("hi"); } // for C
/*
#cgo LDFLAGS: -lm
*/
import "C"

func Hello() { C.hello() }
