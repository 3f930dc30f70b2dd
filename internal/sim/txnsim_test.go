package sim

import (
	"fmt"
	"log/slog"
	"os"
	"testing"
	"time"

	"github.com/posthaste-go/posthaste"
)

// settled is how long after the end of all faults every transaction has ended:
// the longest transaction.timeout.ms of a plan, and the coordinator's rounds.
const settled = 10 * time.Second

func TestTransactions(t *testing.T) {
	var transactions [failed + 1]counter
	each(t, transactional, func(t *testing.T, seed uint64) {
		v := simulateTransactions(t, seed)
		for _, one := range v.book.all {
			transactions[one.result].Add(1)
		}
		report(t, transactional, seed, v.wrong, v.plan)
	})
	fmt.Print("transactions:")
	for r := range transactions {
		fmt.Printf(" %d %v", transactions[r].Load(), result(r))
	}
	fmt.Println()
}

// simulateTransactions runs one schedule with transactions.
func simulateTransactions(t *testing.T, seed uint64) *txnVerdict {
	t.Helper()
	p := newTxnPlan(seed)
	v := &txnVerdict{plan: p, book: &txnBook{plan: p}}
	bubble(t, subject{transactional, seed, p}, v.say, func(t *testing.T) { txnSchedule(t, v) })
	return v
}

// txnSchedule is simulateTransactions inside the bubble.
func txnSchedule(t *testing.T, v *txnVerdict) {
	p, b := v.plan, v.book
	log := slog.New(slog.DiscardHandler)
	if *logFlag {
		log = slog.New(slog.NewTextHandler(os.Stdout, &slog.HandlerOptions{Level: slog.LevelDebug}))
		for _, l := range p.lives {
			l.config.Logger = log.With("life", l.config.ClientID)
		}
	}
	w := newWorld(t, &p.cluster, log)
	b.world = w
	e := &ending{offsets: map[string]int64{}}
	end, ended := make(chan struct{}), make(chan struct{})
	if p.readers {
		initial := map[string]int{}
		for _, t := range p.topics {
			initial[t.name] = t.partitions
		}
		e.live = newReader(w, initial)
		go func() {
			defer close(ended)
			e.live.follow(end)
		}()
	} else {
		close(ended)
	}
	w.breakThings()
	b.run()
	b.wg.Wait()
	w.heal()
	time.Sleep(settled)
	close(end)
	<-ended
	if err := v.inspect(w, e); err != nil {
		v.say("broker: %v", err)
		return
	}
	v.check(e)
}

// inspect kills the broker, starts it once more, and reads everything.
func (v *txnVerdict) inspect(w *world, e *ending) error {
	if b := w.take(); b != nil {
		if err := b.Kill(); err != nil {
			return err
		}
	}
	w.start()
	defer func() {
		if b := w.take(); b != nil {
			b.Close()
		}
	}()
	b := w.running()
	if b == nil || w.err != nil {
		return w.err
	}
	e.deleted = map[string]bool{}
	for _, l := range w.gone {
		e.deleted[l.topic] = true
	}
	e.raw = append(e.raw, w.gone...)
	e.final = newReader(w, b.Topics())
	e.final.limit = 10 * time.Minute // some networks are slow
	defer e.final.close()
	if err := e.final.everything(time.Hour); err != nil {
		return err
	}
	for _, l := range v.plan.lives {
		if _, done := e.offsets[l.group()]; done || l.offsets == 0 {
			continue
		}
		offset, err := e.final.committedOffset(l.group(),
			posthaste.TopicPartition{Topic: v.plan.topics[0].name})
		if err != nil {
			return err
		}
		e.offsets[l.group()] = offset
	}
	for name := range b.Topics() {
		logs, err := w.read(b, name)
		if err != nil {
			return err
		}
		e.raw = append(e.raw, logs...)
	}
	return nil
}
