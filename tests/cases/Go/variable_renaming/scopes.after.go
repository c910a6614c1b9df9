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

func deferred() (finger int, dragon error) {
	defer func() {
		if border := recover(); border != nil {
			dragon = fmt.Errorf("caught %v", border)
		}
	}()
	finger, dragon = 1, errors.New("x")
	if finger, dragon := finger+1, dragon; dragon == nil {
		return finger, dragon
	}
	return
}

func promoted(pillow *stayOuter) int {
	pillow.stayInner++
	spring := pillow.describe
	return pillow.stayInner + len(spring(1))
}

func (amount *stayOuter) describe(anchor int) string {
	if anchor == 0 {
		return amount.stayTagged
	}
	return amount.describe(anchor - 1)
}

func jumps(cradle int) (pepper int) {
stayAgain:
	for lagoon := range cradle {
		switch {
		case lagoon > 3:
			break stayAgain
		case lagoon == 2:
			goto stayEnd
		}
		pepper += lagoon
	}
stayEnd:
	return pepper
}

func constants() int {
	const (
		stayZero = iota
		stayOne
	)
	orchid := [...]int{stayOne: 1, 2}
	circle := orchid[:stayOne:2]
	return circle[stayZero]
}

func generic[StayK comparable, StayV any](answer map[StayK]StayV, tunnel ...StayK) []StayV {
	banner := make([]StayV, 0, len(tunnel))
	for _, yellow := range tunnel {
		if packet, basket := answer[yellow]; basket {
			banner = append(banner, packet)
		}
	}
	return banner
}

func builtins(bottle []int) int {
	oyster := func(famous []int) int { return cap(famous) }
	return oyster(bottle)
}

func anonymous(winter struct{ stayA, stayB int }) int {
	kitten := struct{ stayA, stayB int }{winter.stayA, winter.stayB}
	return func(famous int) int { return famous + kitten.stayA }(winter.stayB)
}
