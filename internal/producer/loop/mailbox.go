package loop

import (
	"sync"
	"sync/atomic"

	"github.com/posthaste-go/posthaste/internal/producer/batch"
	"github.com/posthaste-go/posthaste/internal/producer/sender"
)

// mailbox is how everybody reaches the loop. Posting never blocks.
//
// Locks: mu is a leaf and guards everything below it.
type mailbox struct {
	wake  chan struct{} // holds one token while run is called
	serve func()        // sees to the mail; ring, or something quicker
	mail  atomic.Bool   // there is some
	busy  atomic.Bool   // requests are on their way: notices have time

	mu      sync.Mutex
	notices []batch.PartitionID
	events  []sender.Event
	starved bool
	stopped bool
}

// mail is what one Take found. Its slices are valid until the next.
type mail struct {
	events  []sender.Event
	noticed sender.Noticed
}

func newMailbox() *mailbox {
	m := &mailbox{wake: make(chan struct{}, 1)}
	m.serve = m.ring
	return m
}

func (m *mailbox) post(ev sender.Event) {
	m.mu.Lock()
	m.events = append(m.events, ev)
	m.mail.Store(true)
	m.mu.Unlock()
	m.serve()
}

// Partition implements accumulator.Notices.
func (m *mailbox) Partition(id batch.PartitionID) {
	m.mu.Lock()
	m.notices = append(m.notices, id)
	first := len(m.notices) == 1
	m.mail.Store(true)
	m.mu.Unlock()
	switch {
	case !first:
	case m.busy.Load():
		m.ring()
	default:
		m.serve()
	}
}

// Starved implements accumulator.Notices.
func (m *mailbox) Starved() {
	m.mu.Lock()
	was := m.starved
	m.starved = true
	m.mail.Store(true)
	m.mu.Unlock()
	if !was {
		m.serve()
	}
}

func (m *mailbox) stop() {
	m.mu.Lock()
	m.stopped = true
	m.mu.Unlock()
	m.ring()
}

// pending reports whether there is mail.
func (m *mailbox) pending() bool { return m.mail.Load() }

// ring calls run.
func (m *mailbox) ring() {
	select {
	case m.wake <- struct{}{}:
	default:
	}
}

// take empties the mailbox into into. Notices come first: whoever flushes has
// posted the notices of the records before.
func (m *mailbox) take(into *mail) (events []sender.Event, stopped bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.mail.Store(false)
	events = into.events[:0]
	if len(m.notices) > 0 {
		m.notices, into.noticed = into.noticed[:0], m.notices
		events = append(events, &into.noticed)
	}
	events = append(events, m.events...)
	clear(m.events)
	m.events = m.events[:0]
	if m.starved {
		events = append(events, sender.Starved{})
		m.starved = false
	}
	into.events = events
	return events, m.stopped
}
