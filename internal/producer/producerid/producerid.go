// Package producerid is the identity under which an idempotent producer writes:
// a producer id and an epoch from the cluster, and for each partition the next
// sequence (KIP-98, KIP-360).
//
//	        need              granted
//	None ─────────▶ Requesting ─────────▶ Assigned ──epoch exhausted──▶ None
//	                    │                    │
//	                    └───── refused ──────┴──▶ Fatal
//
// The epoch is raised here, without asking anybody, when a partition has lost
// count: when a batch that may have been written is given up, the numbers
// behind it cannot be trusted. Raising it makes every partition start at 0
// again, each as soon as nothing of it is in flight under the old epoch.
//
// Source: TransactionManager, ProducerIdAndEpoch.
package producerid

import (
	"fmt"
	"math"

	"github.com/posthaste-go/posthaste/internal/wire"
)

// State is where the identity stands.
type State uint8

// The states of an identity.
const (
	None State = iota
	Requesting
	Assigned
	Fatal
)

func (s State) String() string {
	names := [...]string{"None", "Requesting", "Assigned", "Fatal"}
	if int(s) < len(names) {
		return names[s]
	}
	return fmt.Sprintf("State(%d)", uint8(s))
}

// ID is a producer id with an epoch.
type ID struct {
	ID    int64
	Epoch int16
}

// NoID is the identity of a producer without idempotence.
var NoID = ID{wire.NoProducerID, wire.NoProducerEpoch}

// Identity is the producer's current identity. The zero value is None.
type Identity struct {
	state   State
	current ID
}

// State is where the identity stands.
func (i *Identity) State() State { return i.state }

// Current is the id in force; NoID unless Assigned.
func (i *Identity) Current() ID {
	if i.state != Assigned {
		return NoID
	}
	return i.current
}

// Request says that the cluster has been asked for an id.
func (i *Identity) Request() { i.move(Requesting, None) }

// Refuse says that the request failed and may be made again.
func (i *Identity) Refuse() { i.move(None, Requesting) }

// Grant says which id the cluster gave.
func (i *Identity) Grant(id ID) {
	i.move(Assigned, Requesting)
	i.current = id
}

// Adopt takes the id that a transaction coordinator gave (KIP-98, KIP-890): it
// was asked for, or raised, elsewhere.
func (i *Identity) Adopt(id ID) { i.state, i.current = Assigned, id }

// Condemn says that no id can be had or used any more.
func (i *Identity) Condemn() { i.state = Fatal }

// Raise moves on to the next epoch. When epochs are used up a new id has to be
// asked for.
func (i *Identity) Raise() {
	if i.current.Epoch == math.MaxInt16 {
		i.move(None, Assigned)
		return
	}
	i.move(Assigned, Assigned)
	i.current.Epoch++
}

func (i *Identity) move(to State, from State) {
	if i.state != from {
		panic(fmt.Sprintf("producer id: move to %v is illegal in state %v", to, i.state))
	}
	i.state = to
}

// Sequences numbers the batches of one partition.
type Sequences struct {
	ID   ID    // under which Next counts; NoID before the first batch
	Next int32 // the next batch's first sequence
	// Known: a broker has acknowledged a batch under ID. One that has not holds
	// nothing to compare with and takes any sequence as the first, so a second
	// batch sent before that could come to stand before the first.
	// Source: ProducerAppendInfo.checkSequence.
	Known bool
}

// Restart counts from 0 under id.
func (s *Sequences) Restart(id ID) { *s = Sequences{ID: id} }

// Take numbers a batch of count records.
func (s *Sequences) Take(count int32) (first int32) {
	first = s.Next
	s.Next = wire.AddSequence(first, count)
	return first
}
