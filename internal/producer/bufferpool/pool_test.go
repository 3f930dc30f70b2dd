package bufferpool

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// Numbers in comments are those of docs/scenarios.md.

func mustGet(t *testing.T, p *Pool, size int) []byte {
	t.Helper()
	b, err := p.Get(t.Context(), size, 0)
	if err != nil {
		t.Fatalf("Get(%d): %v", size, err)
	}
	if len(b) != 0 || cap(b) < size {
		t.Fatalf("Get(%d): len %d, cap %d", size, len(b), cap(b))
	}
	return b
}

// whole checks that nobody holds anything.
func whole(t *testing.T, p *Pool) {
	t.Helper()
	if s := p.Stats(); s.Available != s.Total || s.Waiting != 0 {
		t.Errorf("stats %+v, want all memory back and nobody waiting", s)
	}
	if p.kept > p.avail || p.kept < 0 {
		t.Errorf("%d bytes are kept of %d available", p.kept, p.avail)
	}
}

// 151: what is given back is taken again; sizes bigger than a batch are not kept.
func TestBuffersAreReused(t *testing.T) {
	p := New(1<<20, 16<<10)
	for _, size := range []int{1, 512, 513, 5000, 16 << 10} {
		first := append(mustGet(t, p, size), "used"...)
		p.Put(first)
		second := mustGet(t, p, size)
		if &first[0] != &second[:1][0] {
			t.Errorf("Get(%d) after Put made another buffer", size)
		}
		p.Put(second)
		whole(t, p)
	}
	p.Put(mustGet(t, p, 100_000))
	if p.kept > 4*(16<<10) {
		t.Errorf("%d bytes are kept", p.kept)
	}
	whole(t, p)
}

// A capacity is a power of two, or a full batch, or for bigger requests just that.
func TestRound(t *testing.T) {
	tests := []struct {
		total     int64
		top       int
		size, cap int
	}{
		{1 << 20, 16401, 1, 512},
		{1 << 20, 16401, 512, 512},
		{1 << 20, 16401, 513, 1024},
		{1 << 20, 16401, 9000, 16384},
		{1 << 20, 16401, 16385, 16401},
		{1 << 20, 16401, 16401, 16401},
		{1 << 20, 16401, 16402, 16402},
		{1 << 20, 300, 10, 300},  // batch.size is tiny
		{1000, 16401, 600, 1000}, // buffer.memory is less than a batch: rounding stays within it
		{1000, 16401, 1000, 1000},
		{1000, 16401, 1001, 1001},
	}
	for _, tt := range tests {
		if got := New(tt.total, tt.top).Round(tt.size); got != tt.cap {
			t.Errorf("New(%d, %d).Round(%d) = %d, want %d", tt.total, tt.top, tt.size, got, tt.cap)
		}
	}
}

// 152: what can never be had is refused at once.
func TestGetMoreThanThereIs(t *testing.T) {
	p := New(1000, 100)
	if _, err := p.Get(t.Context(), 1001, time.Hour); !errors.Is(err, ErrTooLarge) {
		t.Errorf("Get: %v, want ErrTooLarge", err)
	}
	whole(t, p)
}

// 155: buffers that are kept do not stand in the way of a bigger one, nor of one of
// another size.
func TestKeptBuffersMakeRoom(t *testing.T) {
	p := New(4096, 1024)
	var held [][]byte
	for range 4 {
		held = append(held, mustGet(t, p, 1024))
	}
	for _, b := range held {
		p.Put(b)
	}
	b := mustGet(t, p, 4096)
	if p.kept != 0 {
		t.Errorf("%d bytes are kept while one buffer holds all memory", p.kept)
	}
	p.Put(b)
	p.Put(mustGet(t, p, 3000))
	for range 8 {
		held = append(held[:0], mustGet(t, p, 512))
	}
	_ = held
}

// 161: more memory than an int32 counts.
func TestHugeTotals(t *testing.T) {
	p := New(math.MaxInt64, 16<<10)
	p.Put(mustGet(t, p, 1))
	whole(t, p)
}

// waiting lets a goroutine wait for memory and writes down what it got.
type waiting struct {
	t     *testing.T
	p     *Pool
	mu    sync.Mutex
	order []string
}

func (w *waiting) get(ctx context.Context, name string, size int, maxBlock time.Duration) {
	go func() {
		b, err := w.p.Get(ctx, size, maxBlock)
		if err != nil {
			name += ": " + err.Error()
		}
		w.mu.Lock()
		w.order = append(w.order, name)
		w.mu.Unlock()
		if err == nil {
			time.Sleep(time.Millisecond)
			w.p.Put(b)
		}
	}()
	synctest.Wait() // until it waits
}

func (w *waiting) want(want ...string) {
	w.t.Helper()
	synctest.Wait()
	w.mu.Lock()
	defer w.mu.Unlock()
	if !slices.Equal(w.order, want) {
		w.t.Errorf("order %q, want %q", w.order, want)
	}
	w.order = nil
}

// 153, 154: served as they came; a small request does not overtake a big one.
func TestWaitersAreServedInOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := New(1024, 512)
		a, b := mustGet(t, p, 512), mustGet(t, p, 512)
		w := &waiting{t: t, p: p}
		w.get(t.Context(), "big", 1024, time.Hour)
		w.get(t.Context(), "small", 1, time.Hour)
		p.Put(a)
		w.want() // half is not enough for the first, and the second has to wait
		if _, ok := p.TryGet(1); ok {
			t.Error("TryGet overtook those who wait")
		}
		p.Put(b)
		time.Sleep(time.Second)
		w.want("big", "small")
		whole(t, p)
	})
}

// 156, 157: who waited in vain says so after exactly that time, leaves no hole, and
// wakes those behind him.
func TestWaitersGiveUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := New(1024, 512)
		held := mustGet(t, p, 512)
		w := &waiting{t: t, p: p}
		ctx, cancel := context.WithCancelCause(t.Context())
		w.get(t.Context(), "patient", 1024, time.Hour)
		w.get(t.Context(), "hasty", 1024, time.Second)
		w.get(ctx, "cancelled", 1024, time.Hour)
		w.get(t.Context(), "small", 512, 3*time.Second)
		time.Sleep(time.Second)
		w.want("hasty: buffer memory exhausted")
		cancel(errors.New("no more interest"))
		w.want("cancelled: no more interest")
		p.Put(held)
		time.Sleep(time.Second)
		w.want("patient", "small")
		if n := p.Stats().Exhausted; n != 1 {
			t.Errorf("%d waits are counted as exhausted, want 1", n)
		}
		whole(t, p)
	})
}

// 157: the first gives up: who stands behind him and needs less goes on at once.
func TestTheFirstWaiterGivesUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := New(1024, 512)
		held := mustGet(t, p, 512)
		w := &waiting{t: t, p: p}
		w.get(t.Context(), "big", 1024, time.Second)
		w.get(t.Context(), "small", 512, time.Hour)
		time.Sleep(time.Second)
		w.want("big: buffer memory exhausted", "small")
		p.Put(held)
		time.Sleep(time.Second)
		whole(t, p)
	})
}

// 162: Close lets all go; what is out may still be given back.
func TestClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := New(512, 512)
		held := mustGet(t, p, 512)
		w := &waiting{t: t, p: p}
		w.get(t.Context(), "a", 1, time.Hour)
		w.get(t.Context(), "b", 1, time.Hour)
		p.Close()
		synctest.Wait()
		slices.Sort(w.order)
		w.want("a: buffer pool closed", "b: buffer pool closed")
		p.Put(held)
		if _, err := p.Get(t.Context(), 1, time.Hour); !errors.Is(err, ErrClosed) {
			t.Errorf("Get after Close: %v, want ErrClosed", err)
		}
		if _, ok := p.TryGet(1); ok {
			t.Error("TryGet after Close")
		}
		whole(t, p)
	})
}

// 160: many takers of random sizes, some of whom give up: nobody starves, nothing
// is lost, and never is more out than there is.
func TestManyTakers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const total = 100_000
		p := New(total, 16<<10)
		var mu sync.Mutex
		out := 0
		hold := func(n int) {
			mu.Lock()
			defer mu.Unlock()
			if out += n; out > total {
				t.Errorf("%d bytes are out, of %d", out, total)
			}
		}
		var wg sync.WaitGroup
		served, refused := 0, 0
		for i := range 20 {
			r := rand.New(rand.NewPCG(uint64(i), 2))
			wg.Go(func() {
				for range 200 {
					size := 1 + r.IntN(40_000)
					ctx, cancel := context.WithTimeout(t.Context(), time.Duration(r.IntN(200))*time.Millisecond)
					b, err := p.Get(ctx, size, time.Duration(r.IntN(300))*time.Millisecond)
					cancel()
					mu.Lock()
					if err != nil {
						refused++
					} else {
						served++
					}
					mu.Unlock()
					if err != nil {
						continue
					}
					hold(cap(b))
					time.Sleep(time.Duration(r.IntN(20)) * time.Millisecond)
					hold(-cap(b))
					p.Put(b)
				}
			})
		}
		wg.Wait()
		if served < 1000 || refused == 0 {
			t.Errorf("%d served, %d refused: the test is too easy or too hard", served, refused)
		}
		whole(t, p)
	})
}

func BenchmarkGetPut(b *testing.B) {
	for _, size := range []int{512, 16401} {
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			p := New(32<<20, 16401)
			b.ReportAllocs()
			for b.Loop() {
				buf, ok := p.TryGet(size)
				if !ok {
					b.Fatal("no memory")
				}
				p.Put(buf)
			}
		})
	}
}
