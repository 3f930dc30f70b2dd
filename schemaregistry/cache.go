package schemaregistry

import (
	"context"
	"errors"
	"sync"
	"time"
)

// cache keeps what the registry answered, up to a number of entries, and lets
// one caller ask for all that want the same.
//
// Locks: mu is a leaf; nothing waits under it.
type cache[K comparable, V any] struct {
	client *Client

	mu      sync.Mutex
	entries map[K]V
	order   []K // oldest first; the first is dropped when there are too many
	flights map[K]*flight[V]
	missing map[K]absence
}

// flight is a question that is under way. It goes on while anybody waits for it:
// who gives up does not take the answer from the others.
type flight[V any] struct {
	done    chan struct{} // closed when v and err are set
	v       V
	err     error
	waiters int // under cache.mu
	cancel  context.CancelFunc
}

type absence struct {
	err   error
	until time.Time
}

func newCache[K comparable, V any](c *Client) *cache[K, V] {
	return &cache[K, V]{
		client: c, entries: map[K]V{}, flights: map[K]*flight[V]{}, missing: map[K]absence{},
	}
}

// peek is what is known of key.
func (c *cache[K, V]) peek(key K) (V, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	v, ok := c.entries[key]
	return v, ok
}

// put remembers v.
func (c *cache[K, V]) put(key K, v V) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.putLocked(key, v)
}

func (c *cache[K, V]) putLocked(key K, v V) {
	if _, known := c.entries[key]; !known {
		if len(c.order) >= c.client.cfg.CacheSize {
			delete(c.entries, c.order[0])
			c.order = c.order[1:]
		}
		c.order = append(c.order, key)
	}
	c.entries[key] = v
	delete(c.missing, key)
}

// forget drops the entries whose key matches.
func (c *cache[K, V]) forget(match func(K) bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	kept := c.order[:0]
	for _, key := range c.order {
		if match(key) {
			delete(c.entries, key)
		} else {
			kept = append(kept, key)
		}
	}
	c.order = kept
	for key := range c.missing {
		if match(key) {
			delete(c.missing, key)
		}
	}
}

// get is what is known of key, or what ask finds.
func (c *cache[K, V]) get(
	ctx context.Context, key K, ask func(context.Context) (V, error),
) (V, error) {
	c.mu.Lock()
	if v, ok := c.entries[key]; ok {
		c.mu.Unlock()
		return v, nil
	}
	if a, ok := c.missing[key]; ok {
		if c.client.cfg.clock.Now().Before(a.until) {
			c.mu.Unlock()
			var zero V
			return zero, a.err
		}
		delete(c.missing, key)
	}
	return c.joinLocked(ctx, key, ask)
}

// refresh is what ask finds, whatever is known.
func (c *cache[K, V]) refresh(
	ctx context.Context, key K, ask func(context.Context) (V, error),
) (V, error) {
	c.mu.Lock()
	return c.joinLocked(ctx, key, ask)
}

// joinLocked waits for the answer to key, asking if nobody does yet. It unlocks.
func (c *cache[K, V]) joinLocked(
	ctx context.Context, key K, ask func(context.Context) (V, error),
) (V, error) {
	f, flying := c.flights[key]
	if !flying {
		asking, cancel := context.WithCancel(c.client.ctx)
		f = &flight[V]{done: make(chan struct{}), cancel: cancel}
		c.flights[key] = f
		go c.fly(asking, key, f, ask)
	}
	f.waiters++
	c.mu.Unlock()

	select {
	case <-f.done:
		return f.v, f.err
	case <-ctx.Done():
		c.mu.Lock()
		f.waiters--
		if f.waiters == 0 {
			f.cancel() // nobody wants the answer
			if c.flights[key] == f {
				delete(c.flights, key)
			}
		}
		c.mu.Unlock()
		var zero V
		return zero, context.Cause(ctx)
	}
}

// fly asks and tells all waiters.
//
// Started by: the first caller. Ends: with the answer, when nobody waits any
// more, or at Close.
func (c *cache[K, V]) fly(
	ctx context.Context, key K, f *flight[V], ask func(context.Context) (V, error),
) {
	defer f.cancel()
	f.v, f.err = ask(ctx)
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.flights[key] == f {
		delete(c.flights, key)
	}
	switch {
	case f.err == nil:
		c.putLocked(key, f.v)
	case errors.Is(f.err, ErrNotFound) && c.client.cfg.MissingTTL > 0:
		if len(c.missing) >= c.client.cfg.CacheSize {
			clear(c.missing)
		}
		until := c.client.cfg.clock.Now().Add(c.client.cfg.MissingTTL)
		c.missing[key] = absence{f.err, until}
	}
	close(f.done)
}
