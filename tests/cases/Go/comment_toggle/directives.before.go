//go:build linux && !cgo
// +build linux,!cgo

// Package p does something.
package p

import (
	"fmt" // printing
	// a blank import
	_ "embed"
)

//go:generate stringer -type=Kind
//go:embed data.txt
var data string // embedded

// Kind is documented.
//
// Deprecated: use Other.
type Kind int

// Plain documentation goes.
func f(x int /* argument */) int { // opens
	//nolint:errcheck
	g()
	switch x {
	case 1: // one
		fallthrough // explicit
	/* a block
	   of lines */
	default:
	}
	y := x /* ends
	the statement */
	return y /* one line */ + 1
}

//line other.go:10
func ExampleF() {
	// Printing comes first.
	fmt.Println(f(1))
	// Output:
	// 2
	// 3
}

//export Callback
func Callback() {}
