package sender

import (
	"testing"
	"time"
)

// A broker in virtual time, some way away, that is given all that the window lets
// through, must end up with as many requests as keep it at work.
func TestWindowIsWhatKeepsABrokerAtWork(t *testing.T) {
	const us = time.Microsecond
	tests := []struct {
		name          string
		network, work time.Duration // there and back; for each request
		atOnce        bool          // it deals with requests side by side
		want          int           // of 5
	}{
		{"near and serial, as Kafka is", 100 * us, 400 * us, false, 1},
		{"as far as it takes for one", 500 * us, 500 * us, false, 2},
		{"four times as far", 2000 * us, 500 * us, false, 5},
		{"far away", 80_000 * us, 1000 * us, false, 5},
		{"far away, replicating", 80_000 * us, 5000 * us, false, 5},
		{"side by side", 100 * us, 2000 * us, true, 5},
		{"too quick to matter", 20 * us, 50 * us, false, 5},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := saturate(tt.network, tt.work, tt.atOnce, 5, 4000)
			if got := w.size(5); got != tt.want {
				t.Errorf("%d requests, want %d: %+v", got, tt.want, w)
			}
		})
	}
}

// saturate sends requests of one batch whenever w has room, twice as fast as the
// broker can deal with them.
func saturate(network, work time.Duration, atOnce bool, limit, requests int) window {
	type flight struct {
		r    Request
		back time.Time
	}
	var w window
	var out []flight
	start := time.Unix(0, 0)
	now, free, before := start, start, start
	answer := func() {
		f := out[0]
		out = out[1:]
		now = f.back
		w.observe(&f.r, before, now)
		before = now
	}
	for range requests {
		now = now.Add(work / 2)
		for len(out) > 0 && !out[0].back.After(now) {
			sent := now
			answer()
			now = sent
		}
		for len(out) >= w.room(limit) {
			answer()
		}
		begins := now.Add(network / 2)
		if !atOnce && begins.Before(free) {
			begins = free
		}
		free = begins.Add(work)
		out = append(out, flight{
			Request{sentAt: now, found: len(out), Entries: make([]Entry, 1)}, free.Add(network / 2),
		})
		w.requests++
	}
	return w
}
