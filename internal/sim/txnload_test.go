package sim

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"sync"
	"syscall"
	"time"

	"github.com/posthaste-go/posthaste"
)

// result is what the producer said of a transaction's end.
type result int

const (
	open      result = iota // its end was never asked for, or not waited for
	committed               // CommitTransaction returned nil
	aborted                 // AbortTransaction returned nil
	unknown                 // a commit said that it does not know
	failed                  // a commit or abort said that nothing is committed
)

func (r result) String() string {
	return [...]string{"open", "committed", "aborted", "unknown", "failed"}[r]
}

// txnSent is a record of a transaction.
type txnSent struct {
	id      string
	topic   string
	at      time.Time // when Send was called
	refused bool

	mu       sync.Mutex
	outcomes int
	err      error
	place    posthaste.RecordMetadata
}

func (s *txnSent) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return fmt.Sprintf("record %s (sent %s, %s-%d@%d, %v)", s.id, clockTime(s.at), s.place.Topic,
		s.place.Partition, s.place.Offset, s.err)
}

// transaction is what was done in one, and what came of it.
type transaction struct {
	life   *life
	number int
	sent   []*txnSent
	result result
	ending time.Time // when its end was first asked for
	cause  error     // the last error of its end
	offset int64     // committed with it; 0: none
	sure   bool      // ... and the group's coordinator has taken it
}

func (t *transaction) String() string {
	return fmt.Sprintf("transaction %d of %s.%d (%v, end asked for at %s, %v)", t.number,
		t.life.id(), t.life.number, t.result, clockTime(t.ending), t.cause)
}

// readiness is when InitTransactions was called first, and when it returned nil.
type readiness struct{ asked, ready time.Time }

// before reports whether a life of a transactional id was over as soon as another
// was ready. If both asked at the same time nobody can tell from outside.
func (b *txnBook) before(l, other *life) bool {
	x, ready := b.ready[l]
	y, alsoReady := b.ready[other]
	return l.actor == other.actor && ready && alsoReady && x.ready.Before(y.asked)
}

// txnBook is everything that was done.
type txnBook struct {
	plan  *txnPlan
	world *world

	mu    sync.Mutex
	wrong []string
	all   []*transaction
	ready map[*life]readiness
	wg    sync.WaitGroup
}

func (b *txnBook) fail(format string, args ...any) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.wrong = append(b.wrong, fmt.Sprintf(format, args...))
}

// run starts all lives.
func (b *txnBook) run() {
	b.ready = map[*life]readiness{}
	for i, l := range b.plan.lives {
		rng := rand.New(rand.NewPCG(b.plan.seed, uint64(i)))
		b.wg.Go(func() {
			time.Sleep(l.start)
			b.live(l, rng)
		})
	}
}

// line is a producer's way into the network, which ends with its process.
type line struct {
	world *world

	mu    sync.Mutex
	cut   bool
	conns []net.Conn
}

func (l *line) dial(ctx context.Context, network, addr string) (net.Conn, error) {
	c, err := l.world.dial(ctx, network, addr)
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case err != nil:
		return nil, err
	case l.cut:
		c.Close()
		return nil, syscall.ENETDOWN
	}
	l.conns = append(l.conns, c)
	return c, nil
}

// vanish does to the network what the death of the process does.
func (l *line) vanish() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.cut = true
	for _, c := range l.conns {
		c.Close()
	}
}

// actorOf is a producer while it lives.
type living struct {
	*life
	book     *txnBook
	producer *posthaste.Producer
	rng      *rand.Rand
	ended    chan struct{} // closed when it is ended from outside
}

func (b *txnBook) live(l *life, rng *rand.Rand) {
	wire := &line{world: b.world}
	l.config.Dial = wire.dial
	l.config.Rand = bits(b.plan.seed, uint64(l.actor<<8|l.number))
	producer, err := posthaste.NewProducer(l.config)
	if err != nil {
		b.fail("new producer: %v", err)
		return
	}
	a := &living{l, b, producer, rng, make(chan struct{})}
	done := make(chan struct{})
	var stopper sync.WaitGroup
	if l.stop > 0 {
		stopper.Go(func() {
			t := time.NewTimer(l.stop)
			defer t.Stop()
			select {
			case <-done:
				return
			case <-t.C:
			}
			close(a.ended)
			if l.vanish {
				wire.vanish()
			} else {
				a.close()
			}
		})
	}
	if a.init() {
		for n := range l.transactions {
			transaction := a.transaction
			if a.whole {
				transaction = a.inTransaction
			}
			if !transaction(n) {
				break
			}
		}
	}
	close(done)
	stopper.Wait()
	a.close()
	if m := producer.Metrics(); m.BufferAvailable != m.BufferTotal || m.BufferWaiting != 0 {
		b.fail("memory: %d of %d bytes are free after Close, %d wait", m.BufferAvailable,
			m.BufferTotal, m.BufferWaiting)
	}
}

// close closes the producer, which may come twice.
func (a *living) close() {
	limit := 3 * time.Second
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	start := time.Now()
	a.producer.Close(ctx) // what it says of records, their callbacks say as well
	if took := time.Since(start); took > limit+slack {
		a.book.fail("close of %s.%d took %v, want at most %v", a.id(), a.number, took, limit)
	}
}

// over reports whether the producer was ended from outside.
func (a *living) over() bool {
	select {
	case <-a.ended:
		return true
	default:
		return false
	}
}

// call makes a call that may wait for max.block.ms.
func (a *living) call(name string, call func(context.Context) error) error {
	start := time.Now()
	err := call(context.Background())
	if took := time.Since(start); took > a.config.MaxBlock+slack {
		a.book.fail("%s of %s.%d took %v, max.block.ms is %v: %v", name, a.id(), a.life.number, took,
			a.config.MaxBlock, err)
	}
	return err
}

// insist makes a call again as long as it only says that time is over.
func (a *living) insist(name string, call func(context.Context) error) (err error) {
	for start := time.Now(); time.Since(start) < 20*time.Second; {
		err = a.call(name, call)
		if !errors.Is(err, posthaste.ErrTimeout) || errors.Is(err, posthaste.ErrAbortable) || a.over() {
			break
		}
	}
	return err
}

func (a *living) init() bool {
	asked := time.Now()
	err := a.insist("init", a.producer.InitTransactions)
	if err == nil {
		a.book.mu.Lock()
		a.book.ready[a.life] = readiness{asked, time.Now()}
		a.book.mu.Unlock()
		return true
	}
	if errors.Is(err, posthaste.ErrInvalidState) {
		a.book.fail("init of %s.%d: %v", a.id(), a.life.number, err)
	}
	return false
}

// transaction makes one, and reports whether another may follow.
func (a *living) transaction(number int) bool {
	if a.over() {
		return false
	}
	if err := a.producer.BeginTransaction(); err != nil {
		if errors.Is(err, posthaste.ErrInvalidState) {
			a.book.fail("begin of %s.%d: %v", a.id(), a.life.number, err)
		}
		return false
	}
	t := a.book.open(a.life, number)
	a.fill(t)
	if a.over() {
		return false
	}
	if a.abort > 0 && oneIn(a.rng, a.abort) {
		return a.abortIt(t)
	}
	return a.commitIt(t)
}

// open notes that a transaction begins.
func (b *txnBook) open(l *life, number int) *transaction {
	t := &transaction{life: l, number: number}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.all = append(b.all, t)
	return t
}

var errOnPurpose = errors.New("on purpose")

// inTransaction is transaction with InTransaction.
func (a *living) inTransaction(number int) bool {
	if a.over() {
		return false
	}
	limit := 10 * time.Second
	if a.hasty > 0 && oneIn(a.rng, a.hasty) {
		limit = upTo(a.rng, 300*time.Millisecond)
	}
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	var t *transaction
	err := a.producer.InTransaction(ctx, func(context.Context) error {
		t = a.book.open(a.life, number)
		a.fill(t)
		t.ending = time.Now()
		if a.abort > 0 && oneIn(a.rng, a.abort) {
			return errOnPurpose
		}
		return nil
	})
	if t != nil {
		t.cause = err
		switch {
		case err == nil:
			t.result = committed
			a.resolved(t)
		case errors.Is(err, posthaste.ErrOutcomeUnknown):
			t.result = unknown
		default:
			t.result = failed
		}
	}
	// What an earlier one left unfinished is waited for, so that another may follow.
	return err == nil || errors.Is(err, errOnPurpose) || errors.Is(err, posthaste.ErrAbortable) ||
		errors.Is(err, context.DeadlineExceeded)
}

// fill sends records and offsets.
func (a *living) fill(t *transaction) {
	for seq := range a.rng.IntN(a.records + 1) {
		time.Sleep(upTo(a.rng, a.think))
		if refused := a.send(t, seq); refused || a.over() {
			break
		}
		if a.flush > 0 && oneIn(a.rng, 10*a.flush) {
			ctx, cancel := context.WithTimeout(context.Background(), never)
			if err := a.producer.Flush(ctx); err != nil {
				a.book.fail("flush: %v", err)
			}
			cancel()
		}
	}
	if a.offsets == 0 || !oneIn(a.rng, a.offsets) {
		return
	}
	t.offset = int64(1000*a.life.number + t.number + 1)
	err := a.insist("offsets", func(ctx context.Context) error {
		return a.producer.SendOffsetsToTransaction(ctx,
			map[posthaste.TopicPartition]posthaste.OffsetAndMetadata{
				{Topic: a.book.plan.topics[0].name}: {Offset: t.offset},
			}, posthaste.GroupMetadata{GroupID: a.group()})
	})
	t.sure = err == nil
}

func (a *living) send(t *transaction, seq int) (refused bool) {
	to := pick(a.rng, a.book.plan.topics...)
	s := &txnSent{id: fmt.Sprintf("%d.%d.%d.%d", a.actor, a.life.number, t.number, seq),
		topic: to.name, at: time.Now()}
	value := append([]byte(s.id), '|')
	value = append(value, make([]byte, a.rng.IntN(a.maxSize+1))...)
	r := posthaste.Record{Topic: to.name, Value: value}
	if a.named {
		r.Partition = posthaste.ToPartition(int32(a.rng.IntN(to.partitions)))
	}
	t.sent = append(t.sent, s)
	a.producer.SendAsync(context.Background(), r,
		func(md posthaste.RecordMetadata, err error) {
			s.mu.Lock()
			defer s.mu.Unlock()
			_, accepted := errors.AsType[*posthaste.DeliveryError](err)
			s.outcomes++
			s.refused, s.err, s.place = err != nil && !accepted, err, md
		})
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.refused
}

// commitIt commits, and aborts what can only be aborted.
func (a *living) commitIt(t *transaction) bool {
	t.ending = time.Now()
	if a.hasty > 0 && oneIn(a.rng, a.hasty) {
		ctx, cancel := context.WithTimeout(context.Background(), upTo(a.rng, 20*time.Millisecond))
		t.cause = a.producer.CommitTransaction(ctx)
		cancel()
		if !errors.Is(t.cause, context.DeadlineExceeded) {
			return a.commitEnded(t)
		}
	}
	t.cause = a.insist("commit", a.producer.CommitTransaction)
	return a.commitEnded(t)
}

func (a *living) commitEnded(t *transaction) bool {
	switch {
	case t.cause == nil:
		t.result = committed
		a.resolved(t)
		return true
	case errors.Is(t.cause, posthaste.ErrOutcomeUnknown):
		t.result = unknown
		return false
	case errors.Is(t.cause, posthaste.ErrAbortable):
		return a.abortIt(t)
	case errors.Is(t.cause, posthaste.ErrInvalidState):
		a.book.fail("%v: %v", t, t.cause)
	}
	t.result = failed
	return false
}

func (a *living) abortIt(t *transaction) bool {
	if t.ending.IsZero() {
		t.ending = time.Now()
	}
	err := a.insist("abort", a.producer.AbortTransaction)
	if err == nil {
		t.result = aborted
		a.resolved(t)
		return true
	}
	if errors.Is(err, posthaste.ErrInvalidState) {
		a.book.fail("abort of %v: %v", t, err)
	}
	t.result, t.cause = failed, errors.Join(t.cause, err)
	if errors.Is(err, posthaste.ErrOutcomeUnknown) { // of the commit before
		t.result = unknown
	}
	return false
}

// resolved checks what is promised of records when a transaction has ended.
func (a *living) resolved(t *transaction) {
	for _, s := range t.sent {
		s.mu.Lock()
		n, err := s.outcomes, s.err
		s.mu.Unlock()
		switch {
		case n != 1:
			a.book.fail("%v: %v has %d outcomes when the call returns, want 1", t, s, n)
		case t.result == committed && err != nil:
			a.book.fail("%v is committed without %v", t, s)
		}
	}
}
