// Names that may move are called moves..., all others stay...
package stays

import (
	"errors"
	"fmt"
)

type stayShape interface {
	stayArea(stayScale float64) float64
}

type stayEmbedded struct{ stayInner int }

type stayOuter struct {
	stayEmbedded
	stayTagged string `json:"stayTagged"`
}

func deferred() (movesResult int, movesErr error) {
	defer func() {
		if movesCaught := recover(); movesCaught != nil {
			movesErr = fmt.Errorf("caught %v", movesCaught)
		}
	}()
	movesResult, movesErr = 1, errors.New("x")
	if movesResult, movesErr := movesResult+1, movesErr; movesErr == nil {
		return movesResult, movesErr
	}
	return
}

func promoted(movesOuter *stayOuter) int {
	movesOuter.stayInner++
	movesMethod := movesOuter.describe
	return movesOuter.stayInner + len(movesMethod(1))
}

func (movesReceiver *stayOuter) describe(movesDepth int) string {
	if movesDepth == 0 {
		return movesReceiver.stayTagged
	}
	return movesReceiver.describe(movesDepth - 1)
}

func jumps(movesLimit int) (movesSum int) {
stayAgain:
	for movesI := range movesLimit {
		switch {
		case movesI > 3:
			break stayAgain
		case movesI == 2:
			goto stayEnd
		}
		movesSum += movesI
	}
stayEnd:
	return movesSum
}

func constants() int {
	const (
		stayZero = iota
		stayOne
	)
	movesArray := [...]int{stayOne: 1, 2}
	movesSlice := movesArray[:stayOne:2]
	return movesSlice[stayZero]
}

func generic[StayK comparable, StayV any](movesMap map[StayK]StayV, movesKeys ...StayK) []StayV {
	movesFound := make([]StayV, 0, len(movesKeys))
	for _, movesKey := range movesKeys {
		if movesValue, movesOk := movesMap[movesKey]; movesOk {
			movesFound = append(movesFound, movesValue)
		}
	}
	return movesFound
}

func builtins(movesList []int) int {
	len := func(movesX []int) int { return cap(movesX) }
	return len(movesList)
}

func anonymous(movesPair struct{ stayA, stayB int }) int {
	movesCopy := struct{ stayA, stayB int }{movesPair.stayA, movesPair.stayB}
	return func(movesX int) int { return movesX + movesCopy.stayA }(movesPair.stayB)
}
