// Package txn is the state of a transactional producer, with the names of
// KIP-98, as a machine of its own: it knows which call and which answer is
// legal when, and nothing else. Package sender does what follows from them.
//
// A transaction's course, from left to right:
//
//	Uninitialized ─Init─▶ Initializing ─Initialize─▶ Ready ─Begin─▶ InTransaction
//	InTransaction ─Commit─▶ Committing ─End─▶ Ready
//	InTransaction ─Abort──▶ Aborting ───End─▶ Ready
//	InTransaction, Preparing, Committing, Initializing ─Fail─▶ AbortableError
//	AbortableError ─Abort─▶ Aborting
//	InTransaction ─Prepare─▶ Preparing ─Flushed─▶ Prepared ─Commit, Abort─▶ as above
//	Initializing ─Keep─▶ Prepared                   (an earlier producer prepared it)
//	Committing, Aborting ─Raise─▶ Initializing      (a new epoch is needed first)
//	Initializing ─Refuse─▶ Uninitialized            (no right to: may be called again)
//	any ─Condemn─▶ Fatal
//
// Source: TransactionManager.State, KIP-939.
package txn

import (
	"cmp"
	"fmt"
)

// State is where a transactional producer stands.
type State uint8

// The states of a transactional producer.
const (
	Uninitialized  State = iota // InitTransactions comes first
	Initializing                // a producer id, or a new epoch, is being asked for
	Ready                       // no transaction is open
	InTransaction               // records and offsets are taken
	Preparing                   // everything is sent, and nothing more is taken (KIP-939)
	Prepared                    // an outside coordinator decides; commit or abort follow
	Committing                  // everything is sent, then the coordinator commits
	Aborting                    // nothing more is sent, then the coordinator aborts
	AbortableError              // the transaction has failed; only an abort leads on
	Fatal                       // nothing leads on
)

func (s State) String() string {
	names := [...]string{"Uninitialized", "Initializing", "Ready", "InTransaction",
		"Preparing", "Prepared", "Committing", "Aborting", "AbortableError", "Fatal"}
	if int(s) < len(names) {
		return names[s]
	}
	return fmt.Sprintf("State(%d)", uint8(s))
}

// Open reports whether a transaction is under way, so that records may be part
// of it and its end is still to come.
func (s State) Open() bool { return s >= InTransaction && s <= AbortableError }

// Sends reports whether batches of the transaction go out.
func (s State) Sends() bool { return s == InTransaction || s == Preparing || s == Committing }

// Event is a named cause of a change of state: a call of the user, or something
// that happened.
type Event uint8

// The events of a transactional producer. Those up to SendOffsets are calls.
const (
	Init Event = iota
	Begin
	Commit
	Abort
	Prepare
	Complete    // commits or aborts what is prepared
	SendOffsets // changes nothing, but has its states
	Initialize  // the coordinator gave an id
	Refuse      // the coordinator refuses to give one, for now
	Keep        // ... and has kept what an earlier producer prepared
	Flushed     // everything is acknowledged, or there was nothing
	End         // the coordinator has ended the transaction, or had nothing to end
	Raise       // ... but before the next one the epoch has to be raised
	Fail        // the transaction cannot be committed any more
	Condemn     // the producer is of no use any more
)

func (e Event) String() string {
	names := [...]string{"InitTransactions", "BeginTransaction", "CommitTransaction",
		"AbortTransaction", "PrepareTransaction", "CompleteTransaction", "SendOffsetsToTransaction",
		"Initialize", "Refuse", "Keep", "Flushed", "End", "Raise", "Fail", "Condemn"}
	if int(e) < len(names) {
		return names[e]
	}
	return fmt.Sprintf("Event(%d)", uint8(e))
}

// Call reports whether the event is a call of the user.
func (e Event) Call() bool { return e <= SendOffsets }

// next holds every legal transition; what is absent is illegal.
var next = map[State]map[Event]State{
	Uninitialized: {Init: Initializing, Condemn: Fatal},
	Initializing: {
		Initialize: Ready, Keep: Prepared, Refuse: Uninitialized, Fail: AbortableError,
		Condemn: Fatal,
	},
	Ready: {Begin: InTransaction, Condemn: Fatal},
	InTransaction: {
		Commit: Committing, Abort: Aborting, Prepare: Preparing, SendOffsets: InTransaction,
		Fail: AbortableError, Condemn: Fatal,
	},
	Preparing: {Flushed: Prepared, Fail: AbortableError, Condemn: Fatal},
	Prepared:  {Commit: Committing, Abort: Aborting, Complete: Committing, Condemn: Fatal},
	Committing: {
		End: Ready, Raise: Initializing, Fail: AbortableError, Condemn: Fatal,
	},
	Aborting:       {End: Ready, Raise: Initializing, Condemn: Fatal},
	AbortableError: {Abort: Aborting, Fail: AbortableError, Condemn: Fatal},
	Fatal:          {Condemn: Fatal},
}

// leads is the state that a call leads to where it is legal.
var leads = map[Event]State{
	Init: Initializing, Begin: InTransaction, Commit: Committing, Abort: Aborting,
	Prepare: Preparing, Complete: Committing, SendOffsets: InTransaction,
}

// Next reports the state that e leads to from s, and whether e is legal in s.
func (s State) Next(e Event) (State, bool) {
	to, ok := next[s][e]
	return to, ok
}

// StateError is a call that the present state does not allow. Nothing has
// changed.
type StateError struct {
	Call Event
	Name string // of the call as whoever made it knows it; empty for Call's own
	From State  // the present state
	To   State  // the state that the call leads to where it is legal
}

func (e *StateError) Error() string {
	return fmt.Sprintf("%v leads to state %v, which cannot follow state %v: %s",
		cmp.Or(e.Name, e.Call.String()), e.To, e.From, e.remedy())
}

// remedy says what to do instead.
func (e *StateError) remedy() string {
	switch {
	case e.Call == Complete && e.From == InTransaction:
		return "call PrepareTransaction first"
	case e.Call == Complete && e.From == Ready:
		return "no transaction is prepared"
	}
	return remedies[e.From]
}

// remedies says what to do in a state whose end a call must wait for.
var remedies = map[State]string{
	Uninitialized:  "call InitTransactions first",
	Initializing:   "wait for InitTransactions, or call it again if it timed out",
	Ready:          "no transaction is open, and InitTransactions was called",
	InTransaction:  "commit or abort the open transaction first",
	Preparing:      "call PrepareTransaction again to wait for its end",
	Prepared:       "call CommitTransaction, AbortTransaction or CompleteTransaction",
	Committing:     "call CommitTransaction again to wait for its end",
	Aborting:       "call AbortTransaction again to wait for its end",
	AbortableError: "call AbortTransaction",
	Fatal:          "close the producer and start a new one",
}

// Machine is a transactional producer's state. The zero Machine is
// Uninitialized.
type Machine struct{ state State }

// State is the present state.
func (m *Machine) State() State { return m.state }

// Call makes the transition of a user's call, or returns a *StateError.
func (m *Machine) Call(e Event) error {
	to, ok := m.state.Next(e)
	if !ok {
		return &StateError{Call: e, From: m.state, To: leads[e]}
	}
	m.state = to
	return nil
}

// Move makes the transition of something that happened, and panics if there is
// none: an illegal one is a bug in this module.
func (m *Machine) Move(e Event) {
	to, ok := m.state.Next(e)
	if !ok || e.Call() {
		panic(fmt.Sprintf("transaction: event %v is illegal in state %v", e, m.state))
	}
	m.state = to
}
