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
	countFlag  = flag.Int("sim.n", 500, "number of schedules, one a seed, four in five of delivery")
	kindFlag   = flag.String("sim.kind", "", "make all of one kind: delivery or transactions")
	repeatFlag = flag.Int("sim.repeat", 1, "how often each schedule is run")
	logFlag    = flag.Bool("sim.log", false, "print what client and broker log")
)

// stuck is how long a schedule may take on the wall clock; it takes milliseconds.
const stuck = 20 * time.Second

type counter = atomic.Int64

// sort is a kind of schedules.
type sort string

const (
	delivery      sort = "delivery"
	transactional sort = "transactions"
)

// count is how many schedules of a sort the flags ask for.
func (s sort) count() int {
	switch *kindFlag {
	case string(s):
		return *countFlag
	case "":
		if s == transactional {
			return *countFlag / 5
		}
		return *countFlag - *countFlag/5
	}
	return 0
}

// again is the command that makes a schedule again.
func (s sort) again(seed uint64) string {
	return fmt.Sprintf("make sim SIM=%s SEED=%d N=1", s, seed)
}

func TestSimulation(t *testing.T) {
	var records, acked counter
	each(t, delivery, func(t *testing.T, seed uint64) {
		v := simulate(t, seed)
		for _, s := range v.each() {
			records.Add(1)
			if s.refused == nil && s.err == nil {
				acked.Add(1)
			}
		}
		report(t, delivery, seed, v.wrong, v.plan)
	})
	fmt.Printf("%d records, %d acknowledged\n", records.Load(), acked.Load())
}

// each runs the schedules that the flags ask for, as many at a time as there
// are processors.
func each(t *testing.T, what sort, run func(t *testing.T, seed uint64)) {
	n := what.count()
	if n == 0 {
		t.Skipf("-sim.kind=%s -sim.n=%d asks for none", *kindFlag, *countFlag)
	}
	t.Setenv("GODEBUG", "tracebacklabels=1") // see bubble
	start := time.Now()
	var next counter
	var workers sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		workers.Go(func() {
			for i := next.Add(1) - 1; i < int64(n); i = next.Add(1) - 1 {
				seed := *seedFlag + uint64(i)
				t.Run(fmt.Sprintf("seed=%d", seed), func(t *testing.T) {
					for range *repeatFlag {
						run(t, seed)
					}
				})
			}
		})
	}
	workers.Wait()
	fmt.Printf("%s: seeds %d to %d in %v\n", what, *seedFlag, *seedFlag+uint64(n)-1,
		time.Since(start).Round(time.Millisecond))
}

// report fails t with what is wrong and how to see it again.
func report(t *testing.T, what sort, seed uint64, wrong []string, plan fmt.Stringer) {
	t.Helper()
	if len(wrong) == 0 {
		return
	}
	fmt.Printf("%s: %s\n", what.again(seed), wrong[0]) // at once, for those who run a night
	t.Errorf("seed %d breaks a promise. Again: %s", seed, what.again(seed))
	for _, w := range wrong {
		t.Log(w)
	}
	t.Logf("\n%v", plan)
}

// simulate runs one schedule.
func simulate(t *testing.T, seed uint64) *verdict {
	t.Helper()
	p := newPlan(seed)
	v := &verdict{plan: p, book: &book{plan: p}}
	bubble(t, subject{delivery, seed, p}, v.say, func(t *testing.T) { schedule(t, v) })
	return v
}

// subject is what runs in a bubble.
type subject struct {
	sort sort
	seed uint64
	plan fmt.Stringer
}

// bubble runs a schedule in a bubble of its own.
func bubble(t *testing.T, s subject, say func(string, ...any), run func(*testing.T)) {
	t.Helper()
	watchdog := time.AfterFunc(stuck, func() {
		debug.SetTraceback("all")
		panic(fmt.Sprintf("seed %d is stuck. Again: %s\n%v", s.seed, s.sort.again(s.seed), s.plan))
	})
	defer watchdog.Stop()
	defer func() {
		if r := recover(); r != nil { // synctest: everybody waits, or somebody is left
			say("goroutines: %v", r)
		}
	}()
	synctest.Test(t, func(t *testing.T) {
		// A panic in any goroutine of the schedule prints the label.
		labels := pprof.Labels("seed", strconv.FormatUint(s.seed, 10))
		pprof.SetGoroutineLabels(pprof.WithLabels(t.Context(), labels))
		run(t)
	})
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
	p.config.Dial, p.config.Rand = w.dial, bits(p.seed, 0)
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
