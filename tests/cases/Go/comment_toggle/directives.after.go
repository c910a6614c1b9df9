//go:build linux && !cgo
// +build linux,!cgo

package p

import (
	"fmt"
	_ "embed"
)

//go:generate stringer -type=Kind
//go:embed data.txt
var data string

// Kind is documented.
//
// Deprecated: use Other.
type Kind int

func f(x int) int {
	//nolint:errcheck
	g()
	switch x {
	case 1:
		fallthrough
	default:
	}
	y := x
	return y + 1
}

//line other.go:10
func ExampleF() {
	fmt.Println(f(1))
	// Output:
	// 2
	// 3
}

//export Callback
func Callback() {}
