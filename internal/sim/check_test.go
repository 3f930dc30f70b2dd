package sim

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/posthaste-go/posthaste"
	"github.com/posthaste-go/posthaste/broker"
)

// slack is how much later than delivery.timeout.ms an outcome may be heard of.
const slack = time.Millisecond

// where is one copy of a record in the log.
type where struct {
	topic     string
	life      int // of the topic
	partition int32
	offset    int64
}

// verdict is what is wrong after a schedule.
type verdict struct {
	plan   *plan
	book   *book
	places map[string][]where
	wrong  []string
}

func (v *verdict) say(format string, args ...any) {
	if len(v.wrong) < 10 {
		v.wrong = append(v.wrong, fmt.Sprintf(format, args...))
	}
}

// afterClose looks at the producer once Close has returned.
func (v *verdict) afterClose(m posthaste.Metrics) {
	for _, text := range v.book.wrong {
		v.say("%s", text)
	}
	if m.BufferAvailable != m.BufferTotal {
		v.say("memory: %d of %d bytes are free after Close", m.BufferAvailable, m.BufferTotal)
	}
	if m.BufferWaiting != 0 {
		v.say("memory: %d senders wait after Close", m.BufferWaiting)
	}
	for _, s := range v.each() {
		if s.refused != nil {
			if s.outcomes > 1 {
				v.say("outcome: %v was heard of %d times", s, s.outcomes)
			}
			continue
		}
		if s.outcomes != 1 {
			v.say("outcome: %v has %d outcomes after Close, want 1", s, s.outcomes)
			continue
		}
		if took := s.resolved.Sub(s.accepted); took > v.plan.config.DeliveryTimeout+slack {
			v.say("in time: %v took %v, delivery.timeout.ms is %v", s, took,
				v.plan.config.DeliveryTimeout)
		}
	}
	v.callbacks()
}

// callbacks of a partition come in the order of sending.
func (v *verdict) callbacks() {
	for i, list := range v.book.callers {
		if v.plan.callers[i].mode != modeCallback {
			continue
		}
		last := map[posthaste.TopicPartition]*sent{}
		for _, s := range list {
			if s.refused != nil || s.outcomes != 1 {
				continue
			}
			if before := last[s.partition()]; before != nil && before.turn > s.turn {
				v.say("callbacks: %v came before %v", s, before)
			}
			last[s.partition()] = s
		}
	}
}

func (v *verdict) each() []*sent { return slices.Concat(v.book.callers...) }

// log compares the broker's log with the outcomes.
func (v *verdict) log(logs []partitionLog) {
	v.places = map[string][]where{}
	deleted := false
	for _, l := range logs {
		deleted = deleted || l.life > 0
		for _, r := range l.records {
			id := idOf(r)
			v.places[id] = append(v.places[id], where{l.topic, l.life, l.partition, r.Offset})
		}
	}
	for _, s := range v.each() {
		v.record(s)
	}
	if v.plan.idempotent() {
		v.order(logs)
	}
	if v.plan.ordered() && !deleted {
		v.offsets()
	}
}

// twice reports whether two copies are in one and the same partition. What was
// written to a topic that was deleted before the producer knew may well be
// written once more to the one that was made in its place.
func twice(copies []where) bool {
	for i, a := range copies {
		for _, b := range copies[i+1:] {
			if a.topic != b.topic || a.life == b.life {
				return true
			}
		}
	}
	return false
}

// idOf is sent.id of a record in the log.
func idOf(r broker.Record) string {
	id, _, _ := bytes.Cut(r.Value, []byte("|"))
	return string(id)
}

// record checks one record against its copies.
func (v *verdict) record(s *sent) {
	copies := v.places[s.id()]
	failed, _ := errors.AsType[*posthaste.DeliveryError](s.err)
	switch {
	case s.refused != nil:
		if len(copies) > 0 {
			v.say("refused, yet in the log: %v at %v", s, copies)
		}
	case v.plan.idempotent() && twice(copies):
		v.say("twice: %v at %v", s, copies)
	case failed != nil:
		if failed.Certainty == posthaste.NotWritten && len(copies) > 0 {
			v.say("NotWritten, yet in the log: %v at %v", s, copies)
		}
	case v.plan.config.Acks == posthaste.AcksNone || s.outcomes == 0:
	case len(copies) == 0:
		v.say("lost: %v", s)
	case s.place.Offset == posthaste.UnknownOffset:
		if !v.plan.idempotent() {
			v.say("offset: %v has none", s)
		}
	case !slices.ContainsFunc(copies, func(w where) bool {
		return w.topic == s.place.Topic && w.partition == s.place.Partition &&
			w.offset == s.place.Offset
	}):
		v.say("offset: %v is at %v", s, copies)
	}
}

// offsets checks that what a caller sent to a partition has ascending offsets.
func (v *verdict) offsets() {
	for i, list := range v.book.callers {
		last := map[posthaste.TopicPartition]*sent{}
		for _, s := range list {
			if s.err != nil || s.outcomes != 1 || s.place.Offset < 0 {
				continue
			}
			if before := last[s.partition()]; before != nil && before.place.Offset >= s.place.Offset {
				v.say("order: caller %d sent %v before %v", i, before, s)
			}
			last[s.partition()] = s
		}
	}
}

// order checks that records of a caller stand in the log as they were sent. It
// is for idempotent producers; without, late copies of what had failed may stand
// anywhere.
func (v *verdict) order(logs []partitionLog) {
	for _, l := range logs {
		last := map[int]int{}
		for _, r := range l.records {
			sender, number, _ := strings.Cut(idOf(r), "-")
			caller, err1 := strconv.Atoi(sender)
			seq, err2 := strconv.Atoi(number)
			if err := errors.Join(err1, err2); err != nil {
				v.say("log: %s-%d has %q at offset %d", l.topic, l.partition, r.Value, r.Offset)
				continue
			}
			if before, ok := last[caller]; ok && before >= seq {
				v.say("order: %s-%d (life %d) has record %d-%d behind %d-%d, at offset %d", l.topic,
					l.partition, l.life, caller, seq, caller, before, r.Offset)
			}
			last[caller] = seq
		}
	}
}
