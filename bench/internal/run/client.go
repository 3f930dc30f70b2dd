// Package run is what every bench client shares: flags, the workload, warmup,
// pacing, and taking the figures. A client under test is adapted by the four
// methods of Client, so that all clients are measured by the same code.
//
//	Main ─▶ ParseOptions ─▶ Factory ─▶ warmup ─▶ measured part ─▶ one JSON line
//
// Only what a record needs runs in the loop: its bytes are made before, clocks
// are read for sampled records alone, and figures are taken outside.
package run

import "context"

// Client is a producer under test. All methods but Close are called by many
// goroutines at once if Options.Threads is above 1.
//
// A record's key is nil when records have no key. The bytes are shared by all
// threads and must not be changed.
type Client interface {
	// Send hands a record over and does not wait for its acknowledgement, which
	// the adapter reports to Outcomes once. An error means that the record has
	// no outcome to come; it counts as failed. sentAt is when the call began
	// (see Now) if the record's latency is measured, else 0; the adapter passes
	// it to Outcomes.Done.
	Send(key, value []byte, sentAt int64) error

	// SendWait sends a record and returns when it is acknowledged. It reports
	// nothing to Outcomes.
	SendWait(key, value []byte) error

	// Flush sends what is buffered without waiting for linger. It may return
	// before the outcomes are reported. total is how many outcomes are to be
	// reported since the start, for a client that counts them in bulk.
	Flush(ctx context.Context, total int64) error

	// Close ends the client. Every record has its outcome by then.
	Close() error
}

// Factory makes a client that reports to outcomes. Its connections may be made
// lazily: warmup comes first.
type Factory func(o *Options, outcomes *Outcomes) (Client, error)

// Identity says whose figures a result holds.
type Identity struct {
	Client  string // short name, as in --client
	Version string
	Note    string // where the client cannot follow a flag
}
