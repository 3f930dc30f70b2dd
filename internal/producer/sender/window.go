package sender

import (
	"slices"
	"time"
)

// A broker may take several requests of a connection and yet deal with one after the
// other: Kafka's does, and waits for the followers before it looks at the next. What
// is sent meanwhile waits there, where no record can join it any more. So a node that
// has enough to do gets little batches only with the next answer, with more records
// in them by then. Full ones go at once, as far as
// max.in.flight.requests.per.connection allows.
const (
	leastAlone  = 4      // measurements of requests alone, and
	leastBehind = 8      // of requests behind others, before a window is used
	lastAlone   = 16     // measurements of requests alone that count
	smooth      = 16     // a new measurement's share of a mean is one in so many
	quick       = 150e-6 // seconds: who can answer so soon makes nobody wait
	spare       = 1.5    // only what is so much faster than one at a time is worth more requests
	asBatches   = 2      // so many batches are about as much work as a request itself

	probeMore   = 32   // one request in so many may be one too many
	probeFirst  = 32   // one in so many waits until none is under way: until leastAlone did,
	probeAlone  = 128  // ... from then on,
	probeSeldom = 1024 // ... and where that costs much and would change nothing
	probeTries  = 8    // requests after which one that never found none is given up
	dear        = 5e-3 // seconds without another request under way are

	fewReady = 64 // more partitions than that make a request worth its while

	usualHold   = 20 * time.Millisecond // or four times as long as an answer takes, if that is
	longestHold = time.Second           // longer, up to this
)

// window measures how many requests of little batches keep a node at work. Times are
// seconds; sizes are batches, asBatches for the request among them.
type window struct {
	least float64            // about the shortest time until an answer
	alone [lastAlone]float64 // until the answers of the last requests that found no other
	size  float64            // of such requests, mean

	took, deviation float64 // median of alone, and how far above it the upper quartile is

	spacing   float64 // mean time from the answer before, 0 for a request that did not queue
	sizeAfter float64 // mean size of requests that found others

	requests int // sent
	alones   int // measured alone
	behinds  int // ... behind others
	drains   int // requests in which one may still find no other under way
	alarmAt  time.Time
}

// observe takes the measurement of a request whose answer came now, and the one
// before it at before. Full batches take their time and say nothing of little ones.
func (w *window) observe(r *Request, before, now time.Time) {
	if !r.little {
		return
	}
	took, size := seconds(now.Sub(r.sentAt)), float64(asBatches+len(r.Entries))
	if w.least == 0 {
		w.least = took
	}
	w.least = min(took, w.least+w.least/256)
	if w.alones > 0 && w.least > 2*float64(1+r.found)*w.took { // the way is another now
		*w = window{least: w.least, requests: w.requests, alarmAt: w.alarmAt}
	}
	switch {
	case w.least < quick: // nobody asks
	case r.found == 0:
		w.observeAlone(took, size)
	case w.alones > 0:
		w.observeBehind(took, size, seconds(now.Sub(before)))
	}
}

func seconds(d time.Duration) float64 { return float64(d) / float64(time.Second) }

// observeAlone keeps to medians: a broker's first answers, and those that wait for
// its garbage collector, are not what it usually takes.
func (w *window) observeAlone(took, size float64) {
	w.alone[w.alones%lastAlone] = took
	w.alones++
	w.size = mix(w.size, size, w.alones)
	n := min(w.alones, lastAlone)
	sorted := w.alone
	slices.Sort(sorted[:n])
	w.took = sorted[n/2]
	w.deviation = sorted[n*3/4] - w.took
}

func (w *window) observeBehind(took, size, spacing float64) {
	if took-spacing < w.took/2 {
		return // it was hardly on its way when the one before was answered
	}
	// A request of fewer batches than usual takes less alone.
	expected := w.least + (w.took-w.least)*min(1, size/w.size)
	if took <= expected+max(w.took/4, w.deviation) {
		spacing = 0 // the others did not hold it up
	}
	w.behinds++
	w.spacing = mix(w.spacing, min(spacing, 4*w.took), w.behinds)
	w.sizeAfter = mix(w.sizeAfter, size, w.behinds)
}

// mix is the mean of the first values; then the n-th has a constant share in it.
func mix(mean, value float64, n int) float64 {
	return mean + (value-mean)/float64(min(n, smooth))
}

// fits is how many requests are worth while: one, if the node deals with one after
// the other, more if others behind the first are answered so much sooner than alone.
// It is between 1 and limit, and limit while too little is known.
func (w *window) fits(limit int) int {
	if w.alones < leastAlone || w.behinds < leastBehind || w.least < quick {
		return limit
	}
	apart, together := w.took/w.size, spare*w.spacing/w.sizeAfter
	if apart >= float64(limit)*together {
		return limit
	}
	return max(1, int(apart/together))
}

// sent counts a request that found so many others under way.
func (w *window) sent(found, limit int) {
	every := probeAlone
	switch {
	case w.alones < leastAlone:
		every = probeFirst
	case w.took > dear && w.fits(limit) == limit:
		every = probeSeldom
	}
	w.requests++
	switch {
	case found == 0:
		w.drains = 0
	case w.drains > 0:
		w.drains--
	case w.requests%every == 0:
		w.drains = probeTries
	}
}

// room is fits, but for the requests that measure what would go unnoticed with it.
func (w *window) room(limit int) int {
	fits := w.fits(limit)
	switch {
	case w.least < quick:
		return limit
	case w.drains > 0:
		return 1
	case w.requests%probeMore == 0:
		return min(limit, fits+1)
	}
	return fits
}

// crowds reports whether what is ready for n is little, nobody has asked for it, and
// it waits for an answer. That comes, or the hold ends.
func (c *Core) crowds(n *node) bool {
	w := &n.window
	if len(n.inFlight) == 0 || n.urgent || c.settings.Acks == 0 ||
		len(n.inFlight) < w.room(c.settings.MaxInFlight) ||
		len(n.ready) > fewReady || c.source.Starving() {
		return false
	}
	hold := max(usualHold, time.Duration(4*max(w.took, w.least)*float64(time.Second)))
	hold = min(hold, longestHold)
	if patience := c.settings.AvailabilityTimeout; patience > 0 {
		hold = min(hold, patience/2) // or the node would seem stuck
	}
	until := n.sentAt.Add(hold)
	if !c.now.Before(until) {
		return false
	}
	if !w.alarmAt.After(c.now) || until.Before(w.alarmAt) {
		w.alarmAt = until
		c.alarms.set(alarm{at: until, kind: wake, n: n})
	}
	return true
}
