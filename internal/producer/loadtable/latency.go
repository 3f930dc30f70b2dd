package loadtable

import "time"

// Latency tells how long a node could not be sent to although data was ready
// for it. The zero value is ready for use. It is not safe for concurrent use.
type Latency struct {
	ready, drained time.Time
}

// Update notes that data is ready for the node at now, and whether the node can
// take it: it is connected, not throttled and has room in its window. While
// nothing is ready for the node, there is nothing to note.
func (l *Latency) Update(now time.Time, sendable bool) {
	l.ready = now
	if sendable || l.drained.IsZero() {
		l.drained = now
	}
}

// Slow reports whether ready data has waited for longer than timeout, which is
// partitioner.availability.timeout.ms; 0 means that no node is ever slow.
func (l *Latency) Slow(timeout time.Duration) bool {
	return timeout > 0 && l.ready.Sub(l.drained) > timeout
}
