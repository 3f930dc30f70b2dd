package sender

import "github.com/posthaste-go/posthaste/internal/producer/batch"

// A request costs both sides about as much as a batch of 16 KiB does, and whoever
// fills batches one after the other would make a request of each. So with Pause a
// node that was just sent one gets the next a little later, with what is ready by
// then, unless enough waits already.
const (
	company = 6 // partitions that are ready for a node
	backlog = 4 // batches that wait for one partition: a request takes one of each
)

// paces reports whether what is ready for n waits for more to share its request,
// until Pause after the last one. Flush, the end of a transaction and short memory
// end the wait.
func (c *Core) paces(n *node) bool {
	if c.settings.Pause <= 0 {
		return false
	}
	until := n.sentAt.Add(c.settings.Pause)
	if !c.now.Before(until) || len(n.ready) >= company || c.source.Starving() {
		return false
	}
	for _, p := range n.ready {
		if p.flushTo > p.resolved || c.waiting(p) >= backlog {
			return false
		}
	}
	if !n.pacedTo.Equal(until) {
		n.pacedTo = until
		c.alarms.set(alarm{at: until, kind: wake, n: n})
	}
	return true
}

// waiting counts p's batches that are not open any more and wait to be sent. The
// source gives notice when they become more.
func (c *Core) waiting(p *partition) int {
	count := c.source.Closed(p.id)
	for _, b := range p.batches {
		if !b.Settled && b.State() == batch.Ready {
			count++
		}
	}
	return count
}
