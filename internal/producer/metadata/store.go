package metadata

import (
	"context"
	"sync"
	"sync/atomic"
)

// Store holds the newest snapshot for everybody to read, and wakes those who
// wait for a newer one.
type Store struct {
	current atomic.Pointer[Snapshot]

	mu      sync.Mutex
	changed chan struct{} // closed and replaced at each Publish
}

// NewStore starts with an empty snapshot.
func NewStore() *Store {
	s := &Store{changed: make(chan struct{})}
	s.current.Store(&Snapshot{})
	return s
}

// Load is the newest snapshot.
func (s *Store) Load() *Snapshot { return s.current.Load() }

// Publish replaces the snapshot.
func (s *Store) Publish(next *Snapshot) {
	s.current.Store(next)
	s.Wake()
}

// Wake makes everybody in Await look again, at the same snapshot: what they
// wait for may have become pointless.
func (s *Store) Wake() {
	s.mu.Lock()
	defer s.mu.Unlock()
	close(s.changed)
	s.changed = make(chan struct{})
}

// Changed is closed at the next Publish or Wake. Take it before Load, lest a Publish
// between the two go unseen.
func (s *Store) Changed() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.changed
}

// Await loads snapshots until done is content with one, or ctx ends.
func (s *Store) Await(ctx context.Context, done func(*Snapshot) bool) error {
	for {
		changed := s.Changed()
		if done(s.Load()) {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}
