// Command bench-send times Send alone, in groups of 32 calls, and prints
// percentiles of nanoseconds per call. The low ones tell the cost of appending to
// an open batch whatever else the machine does, so they compare two versions of
// the code where a rate would not.
//
//	bench-send --groups 40000 --value-size 100
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"runtime/pprof"
	"slices"
	"time"

	"github.com/posthaste-go/posthaste"

	"github.com/posthaste-go/posthaste/bench/internal/sink"
)

// groupSize is how many calls are timed together: reading the clock twice costs
// about as much as one call.
const groupSize = 32

func main() {
	groups := flag.Int("groups", 40_000, "groups of 32 calls")
	valueSize := flag.Int("value-size", 100, "bytes of a value")
	keySize := flag.Int("key-size", 0, "bytes of a key; 0 sends none")
	profile := flag.String("cpuprofile", "", "write a CPU profile")
	flag.Parse()
	if err := run(*groups, *valueSize, *keySize, *profile); err != nil {
		fmt.Fprintln(os.Stderr, "bench-send:", err)
		os.Exit(1)
	}
}

func run(groups, valueSize, keySize int, profile string) error {
	s, err := sink.Start(sink.Config{Addr: "127.0.0.1:0", Partitions: 6})
	if err != nil {
		return err
	}
	defer s.Close()
	cfg, err := posthaste.ConfigFromMap(map[string]string{
		"bootstrap.servers": s.Addr(), "linger.ms": "5",
	})
	if err != nil {
		return err
	}
	p, err := posthaste.NewProducer(cfg)
	if err != nil {
		return err
	}
	if profile != "" {
		f, err := os.Create(profile)
		if err != nil {
			return err
		}
		if err := pprof.StartCPUProfile(f); err != nil {
			return err
		}
		defer pprof.StopCPUProfile()
	}
	spent, err := measure(p, groups, values(keySize), values(valueSize))
	if err != nil {
		return err
	}
	if err := p.Close(context.Background()); err != nil {
		return err
	}
	slices.Sort(spent)
	for _, percent := range []int{1, 5, 10, 25, 50, 75, 90} {
		ns := float64(spent[len(spent)*percent/100]) / groupSize
		fmt.Printf("p%d %.1f ns\n", percent, ns)
	}
	return nil
}

// values returns 1,024 slices of that size, nil ones for size 0.
func values(size int) [][]byte {
	all := make([][]byte, 1024)
	if size == 0 {
		return all
	}
	for i := range all {
		all[i] = fmt.Appendf(make([]byte, 0, size), "%0*d", size, i)
	}
	return all
}

// measure returns the nanoseconds that each group took.
func measure(p *posthaste.Producer, groups int, keys, values [][]byte) ([]int64, error) {
	ctx := context.Background()
	spent := make([]int64, 0, groups)
	for i := range groups {
		begin := time.Now()
		for j := range groupSize {
			n := (i*groupSize + j) % len(values)
			r := posthaste.Record{Topic: "bench", Key: keys[n], Value: values[n]}
			if _, err := p.Send(ctx, r); err != nil {
				return nil, err
			}
		}
		spent = append(spent, int64(time.Since(begin)))
	}
	return spent, nil
}
