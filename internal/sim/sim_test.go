package sim

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"runtime"
	"runtime/debug"
	"runtime/pprof"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/posthaste-go/posthaste"
)

var (
	seedFlag   = flag.Uint64("sim.seed", 1, "first seed")
	countFlag  = flag.Int("sim.n", 500, "number of schedules, one a seed")
	repeatFlag = flag.Int("sim.repeat", 1, "how often each schedule is run")
	logFlag    = flag.Bool("sim.log", false, "print what client and broker log")
)

// stuck is how long a schedule may take on the wall clock; it takes milliseconds.
const stuck = 20 * time.Second

func TestSimulation(t *testing.T) {
	t.Setenv("GODEBUG", "tracebacklabels=1") // see simulate
	start := time.Now()
	var next, records, acked atomic.Int64
	var workers sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		workers.Go(func() {
			for i := next.Add(1) - 1; i < int64(*countFlag); i = next.Add(1) - 1 {
				seed := *seedFlag + uint64(i)
				t.Run(fmt.Sprintf("seed=%d", seed), func(t *testing.T) {
					for range *repeatFlag {
						v := simulate(t, seed)
						for _, s := range v.each() {
							records.Add(1)
							if s.refused == nil && s.err == nil {
								acked.Add(1)
							}
						}
						report(t, v)
					}
				})
			}
		})
	}
	workers.Wait()
	fmt.Printf("simulation: seeds %d to %d, %d records, %d acknowledged, in %v\n", *seedFlag,
		*seedFlag+uint64(*countFlag)-1, records.Load(), acked.Load(),
		time.Since(start).Round(time.Millisecond))
}

// report fails t with what is wrong and how to see it again.
func report(t *testing.T, v *verdict) {
	t.Helper()
	if len(v.wrong) == 0 {
		return
	}
	t.Errorf("seed %d breaks a promise. Again: make sim SEED=%d N=1", v.plan.seed, v.plan.seed)
	for _, w := range v.wrong {
		t.Log(w)
	}
	t.Logf("\n%v", v.plan)
}

// simulate runs one schedule.
func simulate(t *testing.T, seed uint64) (v *verdict) {
	t.Helper()
	p := newPlan(seed)
	watchdog := time.AfterFunc(stuck, func() {
		debug.SetTraceback("all")
		panic(fmt.Sprintf("seed %d is stuck. Again: make sim SEED=%d N=1\n%v", seed, seed, p))
	})
	defer watchdog.Stop()
	v = &verdict{plan: p, book: &book{plan: p}}
	defer func() {
		if r := recover(); r != nil { // synctest: everybody waits, or somebody is left
			v.say("goroutines: %v", r)
		}
	}()
	synctest.Test(t, func(t *testing.T) {
		// A panic in any goroutine of the schedule prints the label.
		labels := pprof.Labels("seed", strconv.FormatUint(seed, 10))
		pprof.SetGoroutineLabels(pprof.WithLabels(t.Context(), labels))
		schedule(t, v)
	})
	return v
}

// schedule is simulate inside the bubble.
func schedule(t *testing.T, v *verdict) {
	p, b := v.plan, v.book
	log := slog.New(slog.DiscardHandler)
	if *logFlag {
		log = slog.New(slog.NewTextHandler(os.Stdout, nil))
		p.config.Logger = log
	}
	w := newWorld(t, &p.cluster, log)
	p.config.Dial = w.dial
	producer, err := posthaste.NewProducer(p.config)
	if err != nil {
		t.Fatalf("seed %d: %v\n%v", p.seed, err, p)
	}
	b.producer = producer
	w.breakThings()
	b.run()
	closeProducer(b)
	b.wg.Wait()
	b.waits.Wait()
	b.poll()
	v.afterClose(producer.Metrics())
	w.heal()
	// What the network still holds reaches the broker before the log is read.
	time.Sleep(time.Minute)
	logs, err := w.logs()
	if err != nil {
		v.say("broker: %v", err)
	}
	v.log(logs)
}

// closeProducer closes the producer as the plan says, and returns when Close
// has.
func closeProducer(b *book) {
	if early := b.plan.close.early; early > 0 {
		time.Sleep(early)
	} else {
		b.wg.Wait()
	}
	limit := b.plan.close.limit
	if limit == 0 {
		limit = never
	}
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	start := time.Now()
	err := b.producer.Close(ctx)
	var lost *posthaste.CloseError
	if err != nil && !errors.As(err, &lost) {
		b.fail("close: %v", err)
	}
	longest := min(limit, b.plan.config.DeliveryTimeout)
	if took := time.Since(start); took > longest+slack {
		b.fail("close: it took %v, want at most %v", took, longest)
	}
}
