package sim

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"time"

	"github.com/posthaste-go/posthaste"
)

// sent is one record and what the producer said of it.
type sent struct {
	caller, seq int
	accepted    time.Time // when Send returned
	refused     error     // what Send returned: the record was not buffered
	delivery    posthaste.Delivery
	pending     bool // the outcome is to be asked of delivery

	mu       sync.Mutex
	outcomes int
	resolved time.Time
	place    posthaste.RecordMetadata
	err      error
	turn     int // among the callbacks of the producer
}

func (s *sent) id() string { return fmt.Sprintf("%d-%d", s.caller, s.seq) }

func (s *sent) String() string {
	if s.refused != nil {
		return fmt.Sprintf("record %s (refused: %v)", s.id(), s.refused)
	}
	return fmt.Sprintf("record %s (accepted %s, %d outcomes, last %s: %s-%d@%d, %v)", s.id(),
		clockTime(s.accepted), s.outcomes, clockTime(s.resolved), s.place.Topic, s.place.Partition,
		s.place.Offset, s.err)
}

func clockTime(t time.Time) string { return t.Format("05.000000") }

// book is everything that was sent.
type book struct {
	plan     *plan
	producer *posthaste.Producer
	callers  [][]*sent // by caller, in the order of sending

	mu    sync.Mutex
	turns int
	wg    sync.WaitGroup // callers
	waits sync.WaitGroup // goroutines that wait for one outcome
}

// run starts the callers.
func (b *book) run() {
	b.callers = make([][]*sent, len(b.plan.callers))
	for i, c := range b.plan.callers {
		rng := rand.New(rand.NewPCG(b.plan.seed, uint64(i)))
		b.wg.Go(func() { b.call(i, c, rng) })
	}
}

// call is one caller's life.
func (b *book) call(number int, c caller, rng *rand.Rand) {
	for seq := range c.records {
		if seq%c.burst == 0 {
			time.Sleep(upTo(rng, c.think*time.Duration(c.burst)))
		}
		s := &sent{caller: number, seq: seq}
		b.callers[number] = append(b.callers[number], s)
		ctx, cancel := context.Background(), func() {}
		if c.give > 0 && seq%c.give == 0 {
			ctx, cancel = context.WithTimeout(ctx, upTo(rng, 100*time.Millisecond))
		}
		b.send(ctx, s, c, b.record(s, c, rng))
		cancel()
		if c.flush > 0 && seq%c.flush == c.flush-1 {
			// The outcomes tell what came of it.
			_ = b.producer.Flush(context.Background())
		}
	}
}

func (b *book) record(s *sent, c caller, rng *rand.Rand) posthaste.Record {
	value := s.id() + "|"
	if n := rng.IntN(c.maxSize + 1); oneIn(rng, 2) {
		value += strings.Repeat("x", n)
	} else {
		for range n / 4 { // what compresses badly
			value += fmt.Sprintf("%04x", rng.Uint32()&0xffff)
		}
	}
	r := posthaste.Record{Topic: topic, Value: []byte(value)}
	if c.keys > 0 {
		r.Key = fmt.Appendf(nil, "key-%d", rng.IntN(c.keys))
	}
	if c.named {
		r.Partition = posthaste.ToPartition(int32(rng.IntN(b.plan.partitions)))
	}
	return r
}

func (b *book) send(ctx context.Context, s *sent, c caller, r posthaste.Record) {
	switch c.mode {
	case modeCallback:
		b.producer.SendAsync(ctx, r, func(md posthaste.RecordMetadata, err error) {
			b.resolve(s, md, err)
		})
		s.accepted = time.Now()
		return
	case modeSync:
		latest := time.Now().Add(b.plan.config.MaxBlock) // to be accepted
		md, err := b.producer.SendSync(context.WithoutCancel(ctx), r)
		if _, failed := errors.AsType[*posthaste.DeliveryError](err); err != nil && !failed {
			s.refused = err
			return
		}
		s.accepted = earlier(latest, time.Now())
		b.resolve(s, md, err)
		return
	}
	d, err := b.producer.Send(ctx, r)
	s.accepted = time.Now()
	if err != nil {
		s.refused = err
		return
	}
	s.delivery, s.pending = d, true
	if c.mode == modeWait {
		s.pending = false
		b.waits.Go(func() {
			md, err := d.Wait(context.Background())
			b.resolve(s, md, err)
		})
	}
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}

// resolve notes an outcome.
func (b *book) resolve(s *sent, md posthaste.RecordMetadata, err error) {
	b.mu.Lock()
	b.turns++
	turn := b.turns
	b.mu.Unlock()
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, failed := errors.AsType[*posthaste.DeliveryError](err); err != nil && !failed {
		s.refused = err // SendAsync tells the callback
	}
	s.outcomes++
	s.resolved, s.place, s.err, s.turn = time.Now(), md, err, turn
}

// poll asks for the outcomes that nobody waited for. They must be there.
func (b *book) poll() {
	for _, list := range b.callers {
		for _, s := range list {
			if !s.pending {
				continue
			}
			select {
			case <-s.delivery.Done():
				md, err := s.delivery.Wait(context.Background())
				b.resolve(s, md, err)
				s.resolved = s.accepted // when it came is not known
			default:
			}
		}
	}
}
