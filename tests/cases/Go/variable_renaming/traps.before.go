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

func plain(movesParameter int, movesMore ...string) (movesResult int, movesErr error) {
	movesTotal := movesParameter
	for movesIndex, movesItem := range movesMore {
		movesTotal += movesIndex + len(movesItem)
	}
	var movesA, movesB int = 1, 2
	movesA, movesC := movesB, movesA
	if movesD := movesC; movesD > 1 {
		movesResult = movesD
	} else {
		movesResult = -movesD
	}
	switch movesE := movesTotal; {
	case movesE > 1:
		movesF := movesE
		return movesF, nil
	}
	movesErr = fmt.Errorf("%d", movesTotal)
	return
}

func (movesReceiver *stayType) method(movesValue interface{}) int {
	switch movesKind := movesValue.(type) {
	case int:
		return movesKind
	case string:
		return len(movesKind) + movesReceiver.fieldName
	}
	return stayGlobal
}

func keysOfLiterals(stayKey string, fieldName int) stayType {
	movesSame := fieldName
	return stayType{fieldName: movesSame, stayOther: map[string]int{stayKey: movesSame}}
}

func aTypeOfTheSameName() interface{} {
	type stayLocal struct{}
	movesValue := stayLocal{}
	movesPointer := &movesValue
	return movesPointer
}

func hidesAPackage() string {
	movesBefore := staypkg.ToUpper("a")
	{
		staypkg := 1
		_ = staypkg
	}
	return movesBefore + staypkg.ToUpper("b")
}

func usedOutsideOfItsScope() int {
	{
		stayGlobal := 2
		_ = stayGlobal
	}
	return stayGlobal
}

func closures() func() int {
	movesCount := 0
	return func() int {
		movesCount++
		movesInner := movesCount
		return movesInner
	}
}

func channels(movesIn, movesOut chan int) {
	select {
	case movesGot := <-movesIn:
		movesOut <- movesGot
	case movesValue, movesOk := <-movesIn:
		_, _ = movesValue, movesOk
	default:
	}
stayLabel:
	for movesI := 0; movesI < 3; movesI++ {
		continue stayLabel
	}
}

func generic[StayT any](movesValues []StayT) (movesLast StayT) {
	for _, movesLast = range movesValues {
	}
	return movesLast
}

func named() string {
	stayMentioned := 1
	return fmt.Sprint("stayMentioned", stayMentioned)
}
