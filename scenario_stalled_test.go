//go:build linux && !race

package posthaste_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/posthaste-go/posthaste"
	"github.com/posthaste-go/posthaste/broker"
)

// stalledCase is who sends what while the broker is silent.
type stalledCase struct {
	name      string
	memory    int64
	batch     int
	value     int
	callbacks bool
}

var stalledCases = []stalledCase{
	{"defaults", 32 << 20, 16 << 10, 100, false},
	{"large records", 32 << 20, 16 << 10, 100_000, false},
	{"large batches", 32 << 20, 1 << 20, 1000, false},
	{"callbacks", 32 << 20, 16 << 10, 100, true},
	{"tiny records with callbacks", 32 << 20, 16 << 10, 10, true},
	{"more memory", 128 << 20, 16 << 10, 100, false},
}

// The promise of buffer.memory: with a stalled broker and callers that never stop,
// the process stays below twice buffer.memory and 40 MiB.
func TestStalledBrokerLeavesMemoryBounded(t *testing.T) {
	for i, tt := range stalledCases {
		t.Run(tt.name, func(t *testing.T) {
			b := broker.Run(t, broker.Config{})
			stall, err := broker.ParseFault("produce nth=2: pause=1h")
			if err != nil {
				t.Fatal(err)
			}
			b.Inject(stall)
			t.Cleanup(b.Resume)
			cmd := exec.Command(os.Args[0], "-test.run=^TestStalledCaller$", "-test.v")
			cmd.Env = append(os.Environ(), "STALLED_BROKER="+b.Addr(),
				"STALLED_CASE="+strconv.Itoa(i))
			var out bytes.Buffer
			cmd.Stdout, cmd.Stderr = &out, &out
			if err := cmd.Run(); err != nil {
				t.Fatalf("%v\n%s", err, out.Bytes())
			}
			m := regexp.MustCompile(`peak (\d+) kB`).FindSubmatch(out.Bytes())
			if m == nil {
				t.Fatalf("no figure in\n%s", out.Bytes())
			}
			peak, err := strconv.ParseInt(string(m[1]), 10, 64)
			if err != nil {
				t.Fatal(err)
			}
			limit := (2*tt.memory + 40<<20) >> 10
			t.Logf("peak %d MiB of resident memory, limit %d MiB", peak>>10, limit>>10)
			if peak > limit {
				t.Errorf("peak %d kB of resident memory, want at most %d\n%s", peak, limit, out.Bytes())
			}
		})
	}
}

// TestStalledCaller is the process that TestStalledBrokerLeavesMemoryBounded looks at.
func TestStalledCaller(t *testing.T) {
	addr := os.Getenv("STALLED_BROKER")
	if addr == "" {
		return // it is another test's process
	}
	i, err := strconv.Atoi(os.Getenv("STALLED_CASE"))
	if err != nil {
		t.Fatal(err)
	}
	tt := stalledCases[i]
	c := posthaste.DefaultConfig()
	c.BootstrapServers = []string{addr}
	c.BufferMemory, c.BatchSize = tt.memory, tt.batch
	c.MaxBlock = 20 * time.Millisecond
	p, err := posthaste.NewProducer(c)
	if err != nil {
		t.Fatal(err)
	}
	for range 500 { // metadata may take longer than MaxBlock here
		_, err = p.SendSync(t.Context(), posthaste.Record{Topic: "t", Value: []byte("first")})
		if !errors.Is(err, posthaste.ErrTimeout) {
			break
		}
	}
	if err != nil {
		t.Fatal(err)
	}
	// From here on the broker answers nothing.
	flood(t, p, tt)
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		t.Fatal(err)
	}
	fmt.Printf("peak %s kB\n", regexp.MustCompile(`VmHWM:\s+(\d+)`).FindSubmatch(status)[1])
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	_ = p.Close(cancelled)
}

// flood sends from several goroutines until each was refused memory often.
func flood(t *testing.T, p *posthaste.Producer, tt stalledCase) {
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			value := make([]byte, tt.value)
			for refused := 0; refused < 50; {
				r := posthaste.Record{Topic: "t", Value: value}
				if tt.callbacks {
					p.SendAsync(t.Context(), r, func(_ posthaste.RecordMetadata, err error) {
						if errors.Is(err, posthaste.ErrBufferExhausted) {
							refused++ // on this goroutine
						}
					})
				} else if _, err := p.Send(t.Context(), r); err != nil {
					refused++
				}
			}
		})
	}
	wg.Wait()
}
