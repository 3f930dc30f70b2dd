// Package loop drives sender.Core: it feeds Core what happens and does what Core
// decides.
//
//	accumulator, conns, callers ─▶ mailbox ─▶ Core.Step ─▶ conns, completion, metadata
//
// Core belongs to whoever has the turn, one goroutine at a time. Whoever posts
// something takes the turn if nobody has it, and so sends his own record, or
// publishes the answer that he has read, without waking anybody. A goroutine of
// the loop's own does what time asks for, and what is left over.
package loop

import (
	"errors"
	"log/slog"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/posthaste-go/posthaste/internal/producer/accumulator"
	"github.com/posthaste-go/posthaste/internal/producer/batch"
	"github.com/posthaste-go/posthaste/internal/producer/completion"
	"github.com/posthaste-go/posthaste/internal/producer/conn"
	"github.com/posthaste-go/posthaste/internal/producer/metadata"
	"github.com/posthaste-go/posthaste/internal/producer/sender"
	"github.com/posthaste-go/posthaste/internal/producer/txn"
)

// Settings are what a Loop is made of.
type Settings struct {
	Sender      sender.Settings
	Conn        conn.Settings // Events is set by the loop
	Accumulator func(accumulator.Notices) *accumulator.Accumulator
	Complete    func(*batch.Batch)   // runs callbacks and interceptors
	Fatal       func(*batch.Failure) // makes later sends fail
	// Transaction makes sends legal, or not, as a transaction's state says; err
	// is the reason of AbortableError.
	Transaction func(state txn.State, err error)
	Rack        string // client.rack if partitioner.rack.aware, else ""
	Logger      *slog.Logger
}

// Loop drives one producer. Its exported methods may be called by anybody.
type Loop struct {
	Accumulator *accumulator.Accumulator
	Metadata    *metadata.Store

	mailbox    *mailbox
	completion *completion.Queue
	settings   Settings
	ended      chan struct{}
	fatal      atomic.Pointer[batch.Failure]
	trouble    atomic.Pointer[trouble]
	workers    workers

	statsMu sync.Mutex
	stats   sender.Counters

	turn sync.Mutex // guards what follows; nothing is waited for under it

	core           *sender.Core
	conns          map[sender.ConnID]*conn.Conn
	topics         map[string]*metadata.Topic // as the accumulator knows them
	blocked        map[int32]bool
	extra          []sender.Event // made while doing effects
	in             mail
	out            []sender.Effect
	stopping, done bool
	alarm          time.Time // when run wakes up; zero for never

	undeliveredMu sync.Mutex
	collecting    bool
	undelivered   []*batch.Batch
}

var errStopping = errors.New("producer is closing")

// trouble is the newest failure of a connection.
type trouble struct {
	err   error
	fatal bool
}

// New starts a loop.
func New(s Settings) *Loop {
	l := &Loop{
		mailbox: newMailbox(), settings: s, ended: make(chan struct{}),
		Metadata: metadata.NewStore(),
		conns:    map[sender.ConnID]*conn.Conn{},
		topics:   map[string]*metadata.Topic{},
		blocked:  map[int32]bool{},
	}
	l.mailbox.serve = l.serve
	l.settings.Conn.Events = l.mailbox.post
	l.Accumulator = s.Accumulator(l.mailbox)
	l.completion = completion.New(s.Complete, l.Accumulator.Release)
	l.core = sender.New(s.Sender, l.Accumulator, l.Accumulator)
	l.workers.limit = runtime.GOMAXPROCS(0)
	go l.run()
	return l
}

// WantTopic makes metadata be asked for a topic; missing says that what is
// known of it is not enough.
func (l *Loop) WantTopic(topic string, missing bool) {
	l.mailbox.post(sender.WantTopic{Topic: topic, Missing: missing})
}

// Flush sends everything that was accepted. The result's Done is closed when
// all of it is resolved and its callbacks have run.
func (l *Loop) Flush() *batch.Flush {
	f := &batch.Flush{Done: make(chan struct{})}
	l.mailbox.post(sender.FlushAll{Flush: f})
	return f
}

// Transact passes a user's transactional call on. Its Finished.Done is closed
// when it has an Err and the callbacks of all records before have run.
func (l *Loop) Transact(call *sender.Transact) {
	call.Finished.Done = make(chan struct{})
	l.mailbox.post(call)
}

// Spoil keeps the open transaction from being committed: a record of it for
// topic was refused because of err.
func (l *Loop) Spoil(topic string, err error) {
	l.mailbox.post(sender.Spoil{Topic: topic, Err: err})
}

// Abandon fails everything that is not resolved.
func (l *Loop) Abandon(f *batch.Failure) {
	l.undeliveredMu.Lock()
	l.collecting = true
	l.undeliveredMu.Unlock()
	l.mailbox.post(sender.Abandon{Failure: f})
}

// Undelivered is copies of the batches that Abandon failed.
func (l *Loop) Undelivered() []*batch.Batch {
	l.undeliveredMu.Lock()
	defer l.undeliveredMu.Unlock()
	return l.undelivered
}

// Fatal is why the producer can send nothing any more, or nil.
func (l *Loop) Fatal() *batch.Failure { return l.fatal.Load() }

// Trouble is the newest failure of a connection since a broker last answered,
// or nil, and whether trying again is of no use.
func (l *Loop) Trouble() (err error, fatal bool) {
	if t := l.trouble.Load(); t != nil {
		return t.err, t.fatal
	}
	return nil, false
}

// Counters reports the totals.
func (l *Loop) Counters() sender.Counters {
	l.statsMu.Lock()
	defer l.statsMu.Unlock()
	return l.stats
}

// Stop closes all connections and ends all goroutines. Everything must be
// resolved. With wait it returns when the last callback has run.
func (l *Loop) Stop(wait bool) {
	l.mailbox.stop()
	<-l.ended
	if wait {
		l.completion.Close()
	} else {
		l.completion.CloseLater()
	}
}
