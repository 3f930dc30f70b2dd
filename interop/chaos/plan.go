//go:build unix

package chaos

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/posthaste-go/posthaste/interop/chaos/proxy"
)

// A Kind is what an event does.
type Kind int

// The kinds of events. "Leader" is the node that leads the event's partition;
// all partitions that it leads are affected.
const (
	KillLeader      Kind = iota // kill -9, restarted when others lead
	KillController              // kill -9 of the active controller
	RestartLeader               // shut down in order, and started again
	FreezeLeader                // SIGSTOP for 1 to 20 s
	Cut                         // connections of clients closed at some byte
	CutOff                      // a leader and the clients do not reach each other
	Isolate                     // a leader and the other nodes do not reach each other
	Elect                       // preferred leaders elected everywhere
	Reassign                    // a partition's leader loses its replica, and gets it back
	Grow                        // one partition more
	TooFewReplicas              // min.insync.replicas=3 while a node is dead
	KillCoordinator             // kill -9 of the transaction coordinator of the load
	kinds
)

var kindNames = [kinds]string{"kill leader", "kill controller", "restart leader", "freeze leader",
	"cut connections", "cut off leader", "isolate leader", "elect preferred", "reassign", "grow",
	"too few replicas", "kill coordinator"}

func (k Kind) String() string { return kindNames[k] }

// deck is how many events of each kind there are among 50, or, with transactions,
// among 60.
var deck = [kinds]int{KillLeader: 14, KillController: 3, RestartLeader: 4, FreezeLeader: 8,
	Cut: 8, CutOff: 3, Isolate: 3, Elect: 3, Reassign: 2, Grow: 1, TooFewReplicas: 1,
	KillCoordinator: 10}

// mostPartitions is where growth ends.
const mostPartitions = 12

// An Event is what happens, with all that was drawn for it. Which node it hits is
// decided when it comes, by who leads Partition then.
type Event struct {
	Kind      Kind
	Partition int             // modulo the number of partitions
	Hold      time.Duration   // how long it lasts, or goes on once others lead
	Gap       time.Duration   // quiet time before it
	Cuts      []ConnectionCut // one after the other; of a killed node: while it starts again
	Drop      bool            // silent connections are reset in the end, instead of healing
}

// A ConnectionCut closes a connection to a node.
type ConnectionCut struct {
	Node      int // from 1
	Direction proxy.Direction
	After     int // bytes
	Reset     bool
}

func (e Event) String() string {
	return fmt.Sprintf("%v, partition %d, %v", e.Kind, e.Partition, e.Hold.Round(time.Millisecond))
}

// KindsOf is the kinds of events of a run. Coordinators are killed only if there
// are transactions.
func KindsOf(transactions bool) []Kind {
	var all []Kind
	for k := range kinds {
		if k != KillCoordinator || transactions {
			all = append(all, k)
		}
	}
	return all
}

// ParseKinds reads names of kinds, separated by commas.
func ParseKinds(names string) ([]Kind, error) {
	var out []Kind
	for name := range strings.SplitSeq(names, ",") {
		i := slices.Index(kindNames[:], name)
		if i < 0 {
			return nil, fmt.Errorf("no kind of event is called %q; there are %q", name, kindNames)
		}
		out = append(out, Kind(i))
	}
	return out, nil
}

// Plan draws n events of some kinds. The first of them are one of each; the rest
// comes from shuffled decks.
func Plan(seed uint64, n int, of []Kind) []Event {
	r := rand.New(rand.NewPCG(seed, 0x9e3779b9))
	var events []Event
	add := func(cards []Kind) {
		r.Shuffle(len(cards), func(i, j int) { cards[i], cards[j] = cards[j], cards[i] })
		for _, k := range cards {
			events = append(events, draw(r, k))
		}
	}
	var all []Kind
	for _, k := range of {
		for range deck[k] {
			all = append(all, k)
		}
	}
	add(slices.Clone(of))
	for len(events) < n {
		add(all)
	}
	return events[:n]
}

func draw(r *rand.Rand, k Kind) Event {
	between := func(from, to time.Duration) time.Duration {
		return from + time.Duration(r.Int64N(int64(to-from)+1))
	}
	e := Event{Kind: k, Partition: r.IntN(1 << 16), Drop: r.IntN(2) == 0,
		Gap: between(300*time.Millisecond, 1200*time.Millisecond)}
	switch k {
	case FreezeLeader: // most are short of 6 s
		u := r.Float64()
		e.Hold = time.Second + time.Duration(19*u*u*float64(time.Second))
	case CutOff:
		e.Hold = between(time.Second, 8*time.Second)
	case Isolate, TooFewReplicas:
		e.Hold = between(500*time.Millisecond, 4*time.Second)
	case KillLeader, KillController, KillCoordinator, RestartLeader: // cuts come after recovery
		e.Hold = between(1000*time.Millisecond, 2500*time.Millisecond)
		if r.IntN(2) == 0 {
			e.Cuts = drawCuts(r)
		}
	case Cut:
		e.Cuts = drawCuts(r)
	default:
		e.Hold = between(200*time.Millisecond, 800*time.Millisecond)
	}
	return e
}

func drawCuts(r *rand.Rand) []ConnectionCut {
	cuts := make([]ConnectionCut, 1+r.IntN(6))
	for i := range cuts {
		cuts[i] = ConnectionCut{Node: 1 + r.IntN(nodes), Direction: proxy.Direction(r.IntN(2)),
			After: r.IntN(4000), Reset: r.IntN(2) == 0}
	}
	return cuts
}
