package txncoordinator

import "slices"

// State is a transaction's state, numbered as in __transaction_state.
// Source: TransactionState.
type State int8

// The states of a transaction.
const (
	Empty          State = 0 // no transaction since the producer was initialized
	Ongoing        State = 1
	PrepareCommit  State = 2 // decided; markers are being written
	PrepareAbort   State = 3 // decided; markers are being written
	CompleteCommit State = 4
	CompleteAbort  State = 5
	Dead           State = 6 // expired; about to be forgotten
	// PrepareEpochFence is on the way from Ongoing to PrepareAbort, when another
	// producer takes over or time is up. It is never stored.
	PrepareEpochFence State = 7
)

var stateNames = [...]string{"Empty", "Ongoing", "PrepareCommit", "PrepareAbort",
	"CompleteCommit", "CompleteAbort", "Dead", "PrepareEpochFence"}

// String is Kafka's name of the state.
func (s State) String() string {
	if s < 0 || int(s) >= len(stateNames) {
		return "unknown"
	}
	return stateNames[s]
}

// StateNamed is the state of that name, and whether there is one.
func StateNamed(name string) (State, bool) {
	i := slices.Index(stateNames[:], name)
	return State(i), i >= 0
}

// before lists the states that each may follow.
var before = map[State][]State{
	Empty:             {Empty, CompleteCommit, CompleteAbort},
	Ongoing:           {Ongoing, Empty, CompleteCommit, CompleteAbort},
	PrepareCommit:     {Ongoing},
	PrepareAbort:      {Ongoing, PrepareEpochFence, Empty, CompleteCommit, CompleteAbort},
	CompleteCommit:    {PrepareCommit},
	CompleteAbort:     {PrepareAbort},
	Dead:              {Empty, CompleteCommit, CompleteAbort},
	PrepareEpochFence: {Ongoing},
}

// mayBecome reports whether next may follow s.
func (s State) mayBecome(next State) bool { return slices.Contains(before[next], s) }

// ended reports whether no transaction is open or being ended.
func (s State) ended() bool { return s == Empty || s == CompleteCommit || s == CompleteAbort }

// prepared reports whether the end is decided and not complete.
func (s State) prepared() bool { return s == PrepareCommit || s == PrepareAbort }
