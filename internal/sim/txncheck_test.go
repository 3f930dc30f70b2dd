package sim

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/posthaste-go/posthaste"
	"github.com/posthaste-go/posthaste/broker"
)

// txnVerdict is what is wrong after a schedule with transactions.
type txnVerdict struct {
	plan  *txnPlan
	book  *txnBook
	wrong []string
}

func (v *txnVerdict) say(format string, args ...any) {
	if len(v.wrong) < 10 {
		v.wrong = append(v.wrong, fmt.Sprintf(format, args...))
	}
}

// ending is what is found at the end of a schedule.
type ending struct {
	raw     []partitionLog // all that is in the logs
	final   *reader        // what is committed of it
	live    *reader        // what was read meanwhile; nil if nobody did
	offsets map[string]int64
	deleted map[string]bool // topics that were; what was in them is gone by right
}

func (v *txnVerdict) check(e *ending) {
	for _, text := range v.book.wrong {
		v.say("%s", text)
	}
	logged := map[string]int{}
	for _, l := range e.raw {
		v.epochs(l)
		for _, r := range l.records {
			if !r.Batch.Control {
				logged[idOf(r)]++
			}
		}
	}
	visible := map[string]bool{}
	for tp, view := range e.final.views {
		v.order(tp, view)
		if view.stable != view.end {
			v.say("open: the last stable offset of %v is %d, its end %d", tp, view.stable, view.end)
		}
		for _, s := range view.seen {
			visible[s.id] = true
		}
	}
	for _, t := range v.book.all {
		for _, s := range t.sent { // a topic that was made anew may have it once more
			if n := logged[s.id]; n > 1 && !e.deleted[s.topic] {
				v.say("twice: %v is %d times in the log", s, n)
			}
		}
		v.transaction(t, e.deleted, visible, logged)
	}
	v.fenced(visible, logged)
	v.lived(e)
	v.offsets(e, visible)
}

// transaction checks that all or nothing of one is visible, as was said.
func (v *txnVerdict) transaction(
	t *transaction, deleted, visible map[string]bool, logged map[string]int,
) {
	seen, accepted := 0, 0
	var missing *txnSent
	for _, s := range t.sent {
		if s.outcomes != 1 {
			v.say("outcome: %v of %v has %d", s, t, s.outcomes)
		}
		failed, _ := errors.AsType[*posthaste.DeliveryError](s.err)
		if logged[s.id] > 0 && (s.refused || failed != nil &&
			failed.Certainty == posthaste.NotWritten) {
			v.say("NotWritten or refused, yet in the log: %v of %v", s, t)
		}
		if s.refused || deleted[s.topic] {
			continue
		}
		accepted++
		if visible[s.id] {
			seen++
		} else if missing == nil {
			missing = s
		}
	}
	switch {
	case t.result == committed && seen < accepted:
		v.say("lost: %d of %d records are visible of %v, but not %v", seen, accepted, t, missing)
	case t.result == unknown && seen > 0 && seen < accepted:
		v.say("half: %d of %d records are visible of %v, but not %v", seen, accepted, t, missing)
	case t.result != committed && t.result != unknown && seen > 0:
		v.say("visible: %d of %d records of %v", seen, accepted, t)
	}
}

// place is a record's place among those of a transactional id.
type place struct{ actor, life, transaction, seq int }

func placeOf(id string) (p place, err error) {
	n := strings.Split(id, ".")
	if len(n) != 4 {
		return p, fmt.Errorf("%q is no record's id", id)
	}
	var errs [4]error
	for i, to := range []*int{&p.actor, &p.life, &p.transaction, &p.seq} {
		*to, errs[i] = strconv.Atoi(n[i])
	}
	return p, errors.Join(errs[:]...)
}

// behind reports whether a record must stand behind another of its id.
func (v *txnVerdict) behind(p, q place) bool {
	if p.life != q.life {
		return v.book.before(v.life(q), v.life(p))
	}
	return cmp.Or(cmp.Compare(p.transaction, q.transaction), cmp.Compare(p.seq, q.seq)) > 0
}

func (v *txnVerdict) life(p place) *life {
	for _, l := range v.plan.lives {
		if l.actor == p.actor && l.number == p.life {
			return l
		}
	}
	return nil
}

// order checks that a partition shows records as they were sent.
func (v *txnVerdict) order(tp posthaste.TopicPartition, view *view) {
	last := map[int]place{}
	for _, s := range view.seen {
		p, err := placeOf(s.id)
		if err != nil {
			v.say("log: %v offset %d: %v", tp, s.offset, err)
			continue
		}
		if before, ok := last[p.actor]; ok && v.behind(before, p) {
			v.say("order: %v has record %s at offset %d behind %v", tp, s.id, s.offset, before)
		}
		last[p.actor] = p
	}
}

// epochs checks that nothing of an epoch follows what has a later one.
func (v *txnVerdict) epochs(l partitionLog) {
	last := map[int64]broker.Record{}
	for _, r := range l.records {
		if before := last[r.Batch.ProducerID]; before.Batch.ProducerEpoch > r.Batch.ProducerEpoch {
			v.say("fenced: %s-%d has epoch %d at offset %d behind epoch %d of producer %d", l.topic,
				l.partition, r.Batch.ProducerEpoch, r.Offset, before.Batch.ProducerEpoch,
				r.Batch.ProducerID)
		}
		last[r.Batch.ProducerID] = r
	}
}

// fenced checks that producers write nothing once another was ready.
func (v *txnVerdict) fenced(visible map[string]bool, logged map[string]int) {
	for _, t := range v.book.all {
		var since time.Time
		for l, r := range v.book.ready {
			if v.book.before(t.life, l) && (since.IsZero() || r.ready.Before(since)) {
				since = r.ready
			}
		}
		if since.IsZero() {
			continue
		}
		for _, s := range t.sent {
			if s.at.After(since) && logged[s.id] > 0 {
				v.say("fenced: %v of %v is in the log, another was ready at %s", s, t, clockTime(since))
			}
			if t.ending.After(since) && visible[s.id] {
				v.say("fenced: %v of %v is visible, another was ready at %s", s, t, clockTime(since))
			}
		}
	}
}

// lived checks that who read meanwhile has seen what is there at the end.
func (v *txnVerdict) lived(e *ending) {
	if e.live == nil {
		return
	}
	for tp, view := range e.live.views {
		if e.deleted[tp.Topic] {
			continue
		}
		want := e.final.views[tp].seen
		n := len(view.seen)
		beyond := n < len(want) && want[n].offset < view.position
		if n > len(want) || beyond || !slices.Equal(view.seen, want[:n]) {
			i := 0
			for i < min(n, len(want)) && view.seen[i] == want[i] {
				i++
			}
			v.say("read meanwhile: %v, up to offset %d: record %d was %v, at the end it is %v", tp,
				view.position, i, at(view.seen, i), at(want, i))
		}
	}
}

func at(list []shown, i int) string {
	if i >= len(list) {
		return "none"
	}
	return fmt.Sprintf("%s@%d", list[i].id, list[i].offset)
}

// offsets checks that a group has the offset of its last transaction that was
// committed.
func (v *txnVerdict) offsets(e *ending, visible map[string]bool) {
	if e.deleted[v.plan.topics[0].name] {
		return // and the offsets with it
	}
	for group, got := range e.offsets {
		may := map[int64]bool{-1: true}
		for _, t := range v.book.all {
			if t.life.group() != group || t.offset == 0 || v.fate(t, e, visible) == no {
				continue
			}
			if !v.replaced(t, e, visible) {
				may[t.offset] = true
			}
			if t.sure && v.fate(t, e, visible) == yes {
				delete(may, -1)
			}
		}
		if !may[got] {
			v.say("offsets: %s has committed %d, want one of %v", group, got,
				slices.Sorted(maps.Keys(may)))
		}
	}
}

// replaced reports whether another transaction has surely committed an offset
// later than t.
func (v *txnVerdict) replaced(t *transaction, e *ending, visible map[string]bool) bool {
	return slices.ContainsFunc(v.book.all, func(u *transaction) bool {
		later := v.book.before(t.life, u.life) || t.life == u.life && t.number < u.number
		return later && u.sure && v.fate(u, e, visible) == yes
	})
}

// answer is what can be known of something.
type answer int

const (
	no answer = iota
	maybe
	yes
)

// fate is whether a transaction was committed.
func (v *txnVerdict) fate(t *transaction, e *ending, visible map[string]bool) answer {
	switch {
	case t.result == committed:
		return yes
	case t.result != unknown:
		return no
	}
	fate := maybe
	for _, s := range t.sent {
		if visible[s.id] {
			return yes
		}
		if !s.refused && !e.deleted[s.topic] {
			fate = no
		}
	}
	return fate
}
