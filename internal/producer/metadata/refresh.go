package metadata

import (
	"slices"
	"time"

	"github.com/posthaste-go/posthaste/internal/backoff"
)

// Refresh decides when to ask for metadata, and for which topics. It is pure:
// the core tells it what happens and when.
//
//	one request is under way at a time; whatever is wanted meanwhile comes after it
//	a topic not met before is asked for at once, alone
//	stale leaders make a request for all topics, after a backoff that grows
//	while answers bring nothing new
type Refresh struct {
	MaxAge  time.Duration // metadata.max.age.ms
	MaxIdle time.Duration // metadata.max.idle.ms
	Backoff backoff.Policy
	Hurry   time.Duration // bounds the backoff while somebody waits; 0 for not

	topics   map[string]*use
	full     bool // all topics are wanted
	partial  bool // new topics are wanted
	asked    bool // a request is under way
	askedAll bool
	pending  map[string]bool // new topics in the request under way
	lastOK   time.Time
	lastTry  time.Time
	attempts int     // tries in a row without news
	luck     float64 // in [0, 1), drawn for each try
	failed   bool    // the last try
}

// use is what is known of a topic's usefulness.
type use struct {
	last time.Time // when a record was last sent to it
	new  bool      // no answer about it yet
}

// Want adds a topic, or notes that it is in use.
func (r *Refresh) Want(topic string, now time.Time) {
	if r.topics == nil {
		r.topics = map[string]*use{}
	}
	u := r.topics[topic]
	if u == nil {
		u = &use{new: true}
		r.topics[topic] = u
		r.partial = true
	}
	u.last = now
}

// Again asks for topic once more although it is known: it was not there. A topic
// about which no answer has come is being asked for anyway.
func (r *Refresh) Again(topic string, now time.Time) {
	r.Want(topic, now)
	if !r.topics[topic].new {
		r.full = true
	}
}

// Stale says that what we know turned out wrong.
func (r *Refresh) Stale() { r.full = true }

// IsStale reports whether what we know is known to be wrong.
func (r *Refresh) IsStale() bool { return r.full }

// Wanted reports whether a topic is in use.
func (r *Refresh) Wanted(topic string) bool { return r.topics[topic] != nil }

// Due is when the next request should be made; zero while one is under way.
func (r *Refresh) Due(now time.Time) time.Time {
	switch {
	case r.asked:
		return time.Time{}
	case r.lastTry.IsZero():
		return now
	case r.partial && !r.failed:
		return now
	case r.partial || r.full:
		wait := r.Backoff.Delay(max(r.attempts-1, 0))
		if r.Hurry > 0 {
			wait = min(wait, r.moved(r.Hurry))
		}
		return r.lastTry.Add(wait)
	}
	return r.lastOK.Add(r.moved(r.MaxAge))
}

// moved is d less up to Backoff.Jitter of it, so that many clients that began
// together do not ask together for ever.
func (r *Refresh) moved(d time.Duration) time.Duration {
	return d - time.Duration(float64(d)*r.Backoff.Jitter*r.luck)
}

// Ask is the request to make now: the topics to ask for, none for brokers only.
func (r *Refresh) Ask(now time.Time) (topics []string) {
	all := r.full || !r.partial
	r.pending = map[string]bool{}
	for name, u := range r.topics {
		if all && !u.new && now.Sub(u.last) > r.MaxIdle {
			delete(r.topics, name)
			continue
		}
		if all || u.new {
			topics = append(topics, name)
			r.pending[name] = true
		}
	}
	slices.Sort(topics)
	r.asked, r.askedAll = true, all
	r.partial = false
	if all {
		r.full = false
	}
	r.lastTry = now
	r.luck = r.Backoff.Random()
	return topics
}

// Answered says that the request under way was answered, and whether that
// changed anything.
func (r *Refresh) Answered(now time.Time, news bool) {
	r.asked = false
	for name := range r.pending {
		if u := r.topics[name]; u != nil {
			u.new = false
		}
	}
	r.lastOK, r.failed = now, false
	if news {
		r.attempts = 0
	} else {
		r.attempts++
	}
}

// Failed says that the request under way failed.
func (r *Refresh) Failed() {
	r.asked, r.failed = false, true
	r.attempts++
	if r.askedAll {
		r.full = true
	} else {
		r.partial = true
	}
}

// LastTry is when the last request was made.
func (r *Refresh) LastTry() time.Time { return r.lastTry }

// Attempts is how many requests in a row brought nothing new.
func (r *Refresh) Attempts() int { return r.attempts }

// Pending reports whether a request is under way.
func (r *Refresh) Pending() bool { return r.asked }
