package producerid

import (
	"math"
	"testing"
)

// The life of an identity, and that each move is legal in one state only.
func TestIdentity(t *testing.T) {
	var i Identity
	if i.State() != None || i.Current() != NoID {
		t.Errorf("zero: %v %v", i.State(), i.Current())
	}
	i.Request()
	i.Refuse()
	i.Request()
	i.Grant(ID{ID: 7, Epoch: math.MaxInt16 - 1})
	if i.State() != Assigned || i.Current() != (ID{ID: 7, Epoch: math.MaxInt16 - 1}) {
		t.Errorf("granted: %v %v", i.State(), i.Current())
	}
	i.Raise()
	if i.Current() != (ID{ID: 7, Epoch: math.MaxInt16}) {
		t.Errorf("raised: %v", i.Current())
	}
	i.Raise() // 230: epochs are used up, so another id has to be asked for
	if i.State() != None || i.Current() != NoID {
		t.Errorf("exhausted: %v %v", i.State(), i.Current())
	}
	i.Condemn()
	if i.State() != Fatal || i.Current() != NoID {
		t.Errorf("condemned: %v %v", i.State(), i.Current())
	}
}

func TestIdentityRefusesIllegalMoves(t *testing.T) {
	moves := map[string]func(*Identity){
		"Request": (*Identity).Request, "Refuse": (*Identity).Refuse, "Raise": (*Identity).Raise,
		"Grant": func(i *Identity) { i.Grant(ID{}) },
	}
	legal := map[State]string{None: "Request", Requesting: "Refuse Grant", Assigned: "Raise"}
	for state := None; state <= Fatal; state++ {
		for name, move := range moves {
			i := Identity{state: state}
			if got, want := !panics(func() { move(&i) }), contains(legal[state], name); got != want {
				t.Errorf("%s is legal in %v: %v, want %v", name, state, got, want)
			}
		}
	}
}

func panics(f func()) (did bool) {
	defer func() { did = recover() != nil }()
	f()
	return false
}

func contains(list, word string) bool {
	for i := 0; i+len(word) <= len(list); i++ {
		if list[i:i+len(word)] == word {
			return true
		}
	}
	return false
}

// 205, 206: numbers count records, and wrap from the largest int32 to 0, inside a
// batch as well.
func TestSequences(t *testing.T) {
	var s Sequences
	s.Restart(ID{ID: 7, Epoch: 1})
	for _, want := range []int32{0, 5, 10} {
		if got := s.Take(5); got != want {
			t.Errorf("Take = %d, want %d", got, want)
		}
	}
	s.Next = math.MaxInt32 - 1
	if got := s.Take(4); got != math.MaxInt32-1 || s.Next != 2 {
		t.Errorf("Take = %d, then %d is next; want %d and 2", got, s.Next, math.MaxInt32-1)
	}
	s.Next = math.MaxInt32
	if got := s.Take(1); got != math.MaxInt32 || s.Next != 0 {
		t.Errorf("Take = %d, then %d is next; want %d and 0", got, s.Next, math.MaxInt32)
	}
	s.Restart(ID{ID: 7, Epoch: 2})
	if s.Next != 0 || s.Known {
		t.Errorf("after Restart: %+v", s)
	}
}
