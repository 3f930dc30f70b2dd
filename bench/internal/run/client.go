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

// Record is one record to send. Key is nil when records have no key. The bytes
// are shared by all threads and must not be changed.
type Record struct {
	Key   []byte
	Value []byte
	// SentAt is when the send call began (see Now) for a record whose latency
	// is measured, else 0. An adapter passes it to Outcomes.Done.
	SentAt int64
}

// Client is a producer under test. All methods but Close are called by many
// goroutines at once if Options.Threads is above 1.
type Client interface {
	// Send hands r over and does not wait for its acknowledgement, which the
	// adapter reports to Outcomes once. An error means that r has no outcome to
	// come; it counts as failed.
	Send(r Record) error

	// SendWait sends r and returns when it is acknowledged. It reports nothing
	// to Outcomes.
	SendWait(r Record) error

	// Flush sends what is buffered without waiting for linger. It may return
	// before the outcomes are reported.
	Flush(ctx context.Context) error

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
