// Package mutation is bugs put in on purpose, to see that the simulation finds
// them: whoever checks a promise has to be able to say that it is broken.
//
//	if mutation.On(mutation.LeakedBuffer) {
//		return // the bug
//	}
//
// On is false, and the compiler leaves the bug out, unless the build tag mutate
// is set; then Set chooses one:
//
//	go test -tags mutate ./internal/sim -run TestMutations
package mutation

// Bug is one bug.
type Bug uint8

// The bugs.
const (
	None               Bug = iota
	RenumberedRetry        // a batch gets a new sequence each time it is sent
	WrongRequest           // the answers to two requests change places
	DroppedAtClose         // a flush ends while a batch is still out
	OvertakingRetry        // the next batch is sent while one waits for its retry
	ForgottenProducers     // the broker loses its producers when it restarts
	TimeoutNotWritten      // a batch that was sent and timed out counts as not written
	LeakedBuffer           // the buffer of a batch that expired in flight is not given back
	CallbackTwice          // callbacks run twice
	MarkerLost             // a partition of a transaction gets no marker
	MarkerBeforeData       // a transaction is ended while batches of it are out
	EpochNotBumped         // a producer that starts does not fence the one before
	StableAhead            // readers of committed records see what is open, too
	bugs
)

// All lists the bugs.
func All() []Bug {
	list := make([]Bug, 0, bugs-1)
	for b := None + 1; b < bugs; b++ {
		list = append(list, b)
	}
	return list
}

// Transactional reports whether only transactions show the bug.
func (b Bug) Transactional() bool { return b >= MarkerLost }

// String says what is wrong.
func (b Bug) String() string {
	return [...]string{
		None:               "no bug",
		RenumberedRetry:    "a sequence renumbered on retry",
		WrongRequest:       "a response matched to the wrong request",
		DroppedAtClose:     "a batch dropped at Close",
		OvertakingRetry:    "a retry that is overtaken",
		ForgottenProducers: "dedupe state lost at restart",
		TimeoutNotWritten:  "a timeout reported as NotWritten after a send",
		LeakedBuffer:       "a leaked buffer",
		CallbackTwice:      "a callback twice",
		MarkerLost:         "a transaction marker lost",
		MarkerBeforeData:   "a transaction marker before the data",
		EpochNotBumped:     "a producer epoch not bumped",
		StableAhead:        "a last stable offset that is ahead",
	}[b]
}
