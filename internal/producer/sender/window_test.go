package sender

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

const us = time.Microsecond

// A broker in virtual time, some way away, that is given all that the window lets
// through, must end up with as many requests as keep it at work.
func TestWindowIsWhatKeepsABrokerAtWork(t *testing.T) {
	tests := []struct {
		name        string
		broker      testBroker
		least, most int // of 5
	}{
		{"near and serial, as Kafka is", testBroker{network: 100 * us, work: 400 * us}, 1, 1},
		{"the same, unsteady", testBroker{network: 100 * us, work: 400 * us, jitter: true}, 1, 2},
		{"as far as it takes for one", testBroker{network: 500 * us, work: 500 * us}, 2, 3},
		{"four times as far", testBroker{network: 2000 * us, work: 500 * us}, 5, 5},
		{"far away", testBroker{network: 80_000 * us, work: 1000 * us}, 5, 5},
		{"far away, unsteady", testBroker{network: 80_000 * us, work: 1000 * us, jitter: true}, 5, 5},
		{"far away, replicating", testBroker{network: 80_000 * us, work: 5000 * us}, 5, 5},
		{"side by side", testBroker{network: 100 * us, work: 2000 * us, atOnce: true}, 5, 5},
		{"side by side, unsteady",
			testBroker{network: 100 * us, work: 2000 * us, atOnce: true, jitter: true}, 3, 5},
		{"too quick to matter", testBroker{network: 20 * us, work: 50 * us}, 5, 5},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var w window
			tt.broker.saturate(&w, 4000)
			if got := w.fits(5); got < tt.least || got > tt.most {
				t.Errorf("%d requests, want %d to %d: %+v", got, tt.least, tt.most, w)
			}
		})
	}
}

// What was measured must not outlive the way to the broker that it was measured on.
func TestWindowNoticesThatABrokerIsFurtherAwayNow(t *testing.T) {
	near := testBroker{network: 100 * us, work: 400 * us}
	far := testBroker{network: 30_000 * us, work: 400 * us}
	var w window
	near.saturate(&w, 1000)
	if w.fits(5) != 1 {
		t.Fatalf("%d requests near by: %+v", w.fits(5), w)
	}
	far.saturate(&w, 1000)
	if w.fits(5) != 5 {
		t.Errorf("%d requests far away, want 5: %+v", w.fits(5), w)
	}
}

// Even if none finds the broker at rest any more, since answers take longer than
// little batches are held.
func TestWindowNoticesThatABrokerIsFurtherAwayUnderLoad(t *testing.T) {
	near := testBroker{network: 100 * us, work: 400 * us}
	var w window
	near.saturate(&w, 1000)
	w.observeAlike(2000, 20*time.Millisecond, 30*time.Millisecond, Request{found: 1, little: true})
	if w.fits(5) != 5 {
		t.Errorf("%d requests far away, want 5: %+v", w.fits(5), w)
	}
	if w.drains == 0 && w.requests%probeFirst == 0 {
		t.Errorf("none waits to be alone: %+v", w)
	}
}

// A request that is to be alone cannot wait for ever where full batches follow each other.
func TestWindowGivesUpToFindABrokerAtRest(t *testing.T) {
	w := window{least: 1}
	draining := 0
	for range 10*probeFirst + probeTries {
		w.sent(3, 5)
		if w.room(5) == 1 {
			draining++
		}
	}
	if want := 10 * probeTries; draining != want {
		t.Errorf("%d of %d requests would wait for an empty pipe, want %d",
			draining, 10*probeFirst+probeTries, want)
	}
}

// Full batches of a megabyte say nothing of little ones.
func TestWindowIsMeasuredByLittleBatches(t *testing.T) {
	b := testBroker{network: 80_000 * us, work: 1000 * us}
	var w window
	b.saturate(&w, 1000)
	w.observeAlike(1000, 84*time.Millisecond, 300*time.Millisecond, Request{found: 4})
	if w.fits(5) != 5 {
		t.Errorf("%d requests after a thousand full ones, want 5: %+v", w.fits(5), w)
	}
}

// observeAlike takes count answers to requests of one batch like r, each so long after
// its request and the answer before.
func (w *window) observeAlike(count int, spacing, took time.Duration, r Request) {
	now := time.Unix(1000, 0)
	r.Entries = make([]Entry, 1)
	for range count {
		before := now
		now = now.Add(spacing)
		r.sentAt = now.Add(-took)
		w.sent(r.found, 5)
		w.observe(&r, before, now)
	}
}

// testBroker takes work for each request, one after the other unless atOnce, and
// answers in the order of the requests.
type testBroker struct {
	network, work  time.Duration // network is there and back
	atOnce, jitter bool          // jitter: work is exponentially distributed
}

// saturate sends requests of one batch whenever w has room for one of 5, at most
// twice as many as the broker can deal with.
func (b *testBroker) saturate(w *window, requests int) {
	type flight struct {
		r    Request
		back time.Time
	}
	rng := rand.New(rand.NewPCG(3, 4))
	var out []flight
	var now, free, answered, before time.Time
	now = time.Unix(0, 0)
	answer := func() {
		f := out[0]
		out = slices.Delete(out, 0, 1)
		now = f.back
		w.observe(&f.r, before, now)
		before = now
	}
	for range requests {
		due := now.Add(b.work / 2)
		for len(out) > 0 && (len(out) >= w.room(5) || !out[0].back.After(due)) {
			answer()
		}
		if now.Before(due) {
			now = due
		}
		work := b.work
		if b.jitter {
			work = time.Duration(rng.ExpFloat64() * float64(work))
		}
		begins := now.Add(b.network / 2)
		if !b.atOnce && begins.Before(free) {
			begins = free
		}
		free = begins.Add(work)
		back := free.Add(b.network / 2)
		if back.Before(answered) {
			back = answered
		}
		answered = back
		r := Request{sentAt: now, found: len(out), little: true, Entries: make([]Entry, 1)}
		out = append(out, flight{r, back})
		w.sent(r.found, 5)
	}
	for len(out) > 0 {
		answer()
	}
}
