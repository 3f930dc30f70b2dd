package sim

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
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

// id is what the record's value begins with.
func (s *sent) id() string { return strconv.Itoa(s.caller) + "-" + strconv.Itoa(s.seq) }

func (s *sent) String() string {
	if s.refused != nil {
		return fmt.Sprintf("record %s (refused: %v)", s.id(), s.refused)
	}
	return fmt.Sprintf("record %s (accepted %s, %d outcomes, last %s: %s-%d@%d, %v)", s.id(),
		clockTime(s.accepted), s.outcomes, clockTime(s.resolved), s.place.Topic, s.place.Partition,
		s.place.Offset, s.err)
}

func (s *sent) partition() posthaste.TopicPartition {
	return posthaste.TopicPartition{Topic: s.place.Topic, Partition: s.place.Partition}
}

func clockTime(t time.Time) string { return t.Format("05.000000") }

// book is everything that was sent.
type book struct {
	plan     *plan
	producer *posthaste.Producer
	callers  [][]*sent // by caller, in the order of sending

	mu    sync.Mutex
	turns int
	wrong []string
	wg    sync.WaitGroup // callers
	waits sync.WaitGroup // goroutines that wait for one outcome
}

// never is when those who wait give up, so that the lack of an outcome is found
// by the checks and not by a bubble in which everybody waits.
const never = 24 * time.Hour

// run starts the callers.
func (b *book) run() {
	b.callers = make([][]*sent, len(b.plan.callers))
	for i, c := range b.plan.callers {
		rng := rand.New(rand.NewPCG(b.plan.seed, uint64(i)))
		b.wg.Go(func() { b.call(i, c, rng) })
	}
}

// patience ends a caller that waits and waits because nothing works.
const patience = time.Minute

// call is one caller's life.
func (b *book) call(number int, c caller, rng *rand.Rand) {
	start := time.Now()
	for seq := range c.records {
		if time.Since(start) > patience {
			return
		}
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
			ctx, cancel := context.WithTimeout(context.Background(), never)
			if err := b.producer.Flush(ctx); err != nil {
				b.fail("flush: %v", err)
			}
			cancel()
		}
		if c.hasty > 0 && seq%c.hasty == c.hasty-1 {
			b.hasten(upTo(rng, 50*time.Millisecond))
		}
	}
}

// hasten flushes, and does not wait longer than limit.
func (b *book) hasten(limit time.Duration) {
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	start := time.Now()
	err := b.producer.Flush(ctx)
	if took := time.Since(start); took > limit+slack {
		b.fail("flush: it took %v, its context ended after %v", took, limit)
	}
	if err != nil && ctx.Err() == nil {
		b.fail("flush: %v", err)
	}
}

func (b *book) record(s *sent, c caller, rng *rand.Rand) posthaste.Record {
	value := append([]byte(s.id()), '|')
	if n := rng.IntN(c.maxSize + 1); oneIn(rng, 2) {
		value = append(value, make([]byte, n)...)
	} else { // what compresses badly
		for range n / 8 {
			value = binary.LittleEndian.AppendUint64(value, rng.Uint64())
		}
	}
	t := pick(rng, b.plan.topics...)
	r := posthaste.Record{Topic: t.name, Value: value}
	if c.keys > 0 {
		r.Key = fmt.Appendf(nil, "key-%d", rng.IntN(c.keys))
	}
	if c.named {
		r.Partition = posthaste.ToPartition(int32(rng.IntN(t.partitions)))
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
		ctx, cancel := context.WithTimeout(context.Background(), never)
		defer cancel()
		md, err := b.producer.SendSync(ctx, r)
		if ctx.Err() != nil {
			s.accepted = latest
			return // without an outcome
		}
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
			ctx, cancel := context.WithTimeout(context.Background(), never)
			defer cancel()
			if md, err := d.Wait(ctx); ctx.Err() == nil {
				b.resolve(s, md, err)
			}
		})
	}
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}

// fail notes what went wrong beside the outcomes.
func (b *book) fail(format string, args ...any) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.wrong = append(b.wrong, fmt.Sprintf(format, args...))
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
