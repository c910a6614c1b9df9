// Names that may move are called moves..., all others stay...
package stays

import (
	"fmt"
	staypkg "strings"
)

var stayGlobal = 1

type stayType struct {
	fieldName int
	stayOther map[string]int
}

func plain(finger int, dragon ...string) (border int, pillow error) {
	spring := finger
	for amount, anchor := range dragon {
		spring += amount + len(anchor)
	}
	var cradle, pepper int = 1, 2
	cradle, lagoon := pepper, cradle
	if orchid := lagoon; orchid > 1 {
		border = orchid
	} else {
		border = -orchid
	}
	switch circle := spring; {
	case circle > 1:
		answer := circle
		return answer, nil
	}
	pillow = fmt.Errorf("%d", spring)
	return
}

func (tunnel *stayType) method(banner interface{}) int {
	switch yellow := banner.(type) {
	case int:
		return yellow
	case string:
		return len(yellow) + tunnel.fieldName
	}
	return stayGlobal
}

func keysOfLiterals(stayKey string, fieldName int) stayType {
	packet := fieldName
	return stayType{fieldName: packet, stayOther: map[string]int{stayKey: packet}}
}

func aTypeOfTheSameName() interface{} {
	type stayLocal struct{}
	banner := stayLocal{}
	basket := &banner
	return basket
}

func hidesAPackage() string {
	bottle := staypkg.ToUpper("a")
	{
		staypkg := 1
		_ = staypkg
	}
	return bottle + staypkg.ToUpper("b")
}

func usedOutsideOfItsScope() int {
	{
		stayGlobal := 2
		_ = stayGlobal
	}
	return stayGlobal
}

func closures() func() int {
	oyster := 0
	return func() int {
		oyster++
		famous := oyster
		return famous
	}
}

func channels(winter, kitten chan int) {
	select {
	case dinner := <-winter:
		kitten <- dinner
	case banner, needle := <-winter:
		_, _ = banner, needle
	default:
	}
stayLabel:
	for bridge := 0; bridge < 3; bridge++ {
		continue stayLabel
	}
}

func generic[StayT any](orange []StayT) (forest StayT) {
	for _, forest = range orange {
	}
	return forest
}

func named() string {
	stayMentioned := 1
	return fmt.Sprint("stayMentioned", stayMentioned)
}
