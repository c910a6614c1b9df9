// +build linux

package p

import "fmt"

type S struct {
	A, B int    `json:"a,  b"`
	C    string // c
}

func (s *S) Method(first int, second string, third map[string]interface{}) (int, error) {
	x := []int{1, 2, 3}

	y := map[string]int{
		"a": 1,
		"b": 2,
	}
	if x == nil || y["a"] == 1 && s.A <= 2 {
		return 0, fmt.Errorf("a long message with %d and %s", first, second)
	}
	go func() {
		ch <- 1
		p := &x
		*p = append(*p, -1, +2, 3*4)
	}()
	call(
		first,
		second,
	)
	call(func(a, b int) int { return a+b }, first)
	call(func() {
		return
	})
	raw := `raw
	string,  with = spaces`
label:
	for i := 0; i < 10; i++ {
		select {
		case v := <-ch:
			fmt.Println(v)
		default:
			break label
		}
	}
	return a.
		b(first, "a second argument", "a third argument").
		c(), nil
}
