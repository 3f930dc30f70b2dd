package sender

import "time"

// A broker may take several requests of a connection and yet deal with one after the
// other: Kafka's does, and waits for the followers before it looks at the next. What
// is sent meanwhile waits there, where no record can join it any more. So a node that
// has enough to do gets little batches only with the next answer, with more records
// in them by then. Full ones go at once, as far as
// max.in.flight.requests.per.connection allows.
const (
	leastAlone  = 2      // measurements of requests alone, and
	leastBehind = 8      // of requests behind others, before a window is measured
	smooth      = 16     // a new measurement's share of a mean is one in so many
	quick       = 150e-6 // seconds: who can answer so soon makes nobody wait
	spare       = 1.5    // times as fast behind others as alone is no faster

	probeMore  = 32  // one request in so many may be one too many
	probeAlone = 128 // ... waits until none is under way
	fewReady   = 64  // more partitions than that make a request worth its while

	longestHold = 20 * time.Millisecond // or four times as long as an answer takes alone
)

// window measures how many requests keep a node at work. Times are seconds.
type window struct {
	alone  float64 // for each batch of a request that found no other, until its answer
	behind float64 // ... that queued behind others, since the answer before; 0 if it did not queue
	took   float64 // until the answer of a request alone
	least  float64 // about the shortest time until an answer

	requests int // sent
	alones   int // measured alone
	behinds  int
	alarmAt  time.Time // ends a hold
}

// observe takes the measurement of a request whose answer came now, and the one
// before it at before.
func (w *window) observe(r *Request, before, now time.Time) {
	took, batches := now.Sub(r.sentAt).Seconds(), float64(max(1, len(r.Entries)))
	if w.least == 0 {
		w.least = took
	}
	w.least = min(took, w.least+w.least/256)
	if r.found == 0 {
		w.alones++
		if w.alones > smooth { // a broker that collects garbage is not its usual self
			took = min(took, 4*w.took)
		}
		w.took = mix(w.took, took, w.alones)
		w.alone = mix(w.alone, took/batches, w.alones)
		return
	}
	spacing := now.Sub(before).Seconds()
	if w.alones == 0 || took-spacing < w.took/2 {
		return // it was hardly on its way when the one before was answered
	}
	// A request of fewer batches than usual takes less alone.
	alone := w.least + (w.took-w.least)*min(1, batches*w.alone/w.took)
	if took <= alone+alone/4 {
		spacing = 0 // the others did not hold it up
	}
	w.behinds++
	w.behind = mix(w.behind, min(spacing, 4*w.took)/batches, w.behinds)
}

// mix is the mean of the first values; then the n-th has a constant share in it.
func mix(mean, value float64, n int) float64 {
	return mean + (value-mean)/float64(min(n, smooth))
}

// size is how many requests the node works off in the time that one takes alone: its
// own and the network's. It is between 1 and limit, and limit while too little is
// known.
func (w *window) size(limit int) int {
	if w.alones < leastAlone || w.behinds < leastBehind || w.least < quick ||
		w.alone >= spare*float64(limit)*w.behind {
		return limit
	}
	return max(1, int(w.alone/(spare*w.behind)))
}

// room is size, but for the requests that measure what would go unnoticed with it.
func (w *window) room(limit int) int {
	size := w.size(limit)
	settled := size == limit && w.alones >= leastAlone
	switch {
	case w.least < quick:
		return limit
	case w.requests%probeAlone == 0 && !settled, w.requests%(8*probeAlone) == 0:
		return 1
	case w.requests%probeMore == 0:
		return min(limit, size+1)
	}
	return size
}

// crowds reports whether what is ready for n is little and waits for an answer. That
// comes, or the hold ends, for it is no longer than longestHold or four answers' time.
func (c *Core) crowds(n *node) bool {
	w := &n.window
	if c.settings.Acks == 0 || len(n.inFlight) < w.room(c.settings.MaxInFlight) ||
		len(n.ready) > fewReady {
		return false
	}
	until := n.sentAt.Add(max(longestHold, time.Duration(4*w.took*float64(time.Second))))
	if !c.now.Before(until) {
		return false
	}
	for _, p := range n.ready {
		if c.waiting(p) > 0 {
			return false
		}
	}
	if !w.alarmAt.After(c.now) {
		w.alarmAt = until
		c.alarms.set(alarm{at: until, kind: wake, n: n})
	}
	return true
}
