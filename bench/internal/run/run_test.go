package run

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// fake acknowledges at once, from the goroutine that sends, and keeps what it
// was given.
type fake struct {
	outcomes *Outcomes

	mu     sync.Mutex
	sent   []record
	at     []int64 // when each was sent
	failAt int     // this many records are good, then one Send fails; 0 is never
}

type record struct{ key, value []byte }

var errRefused = errors.New("refused")

func (f *fake) Send(key, value []byte, sentAt int64) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.sent = append(f.sent, record{key, value})
	f.at = append(f.at, Now())
	if len(f.sent) == f.failAt {
		return errRefused
	}
	f.outcomes.Done(sentAt, nil)
	return nil
}

func (f *fake) SendWait(key, value []byte) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.sent = append(f.sent, record{key, value})
	if len(f.sent) == f.failAt {
		return errRefused
	}
	return nil
}

func (f *fake) Flush(context.Context, int64) error { return nil }
func (f *fake) Close() error                       { return nil }

// runFake runs a fake with flags and returns the result and what it was sent.
func runFake(t *testing.T, failAt int, args ...string) (Result, *fake) {
	t.Helper()
	o, err := ParseOptions(args, t.Output())
	if err != nil {
		t.Fatal(err)
	}
	f := &fake{failAt: failAt}
	factory := func(_ *Options, outcomes *Outcomes) (Client, error) {
		f.outcomes = outcomes
		return f, nil
	}
	var out bytes.Buffer
	if err := Run(&o, Identity{Client: "fake", Version: "v1"}, factory, &out); err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(out.String(), "\n"); n != 1 {
		t.Fatalf("printed %d lines, want 1: %q", n, out.String())
	}
	var r Result
	if err := json.Unmarshal(out.Bytes(), &r); err != nil {
		t.Fatal(err)
	}
	return r, f
}

func TestEveryModeSendsWhatTheFlagsSay(t *testing.T) {
	tests := []struct {
		name    string
		flags   []string
		samples int64 // of latency
	}{
		{"one thread samples every 64th record", nil, 16},
		{"threads share the records", []string{"--threads=7"}, 7 * 3},
		{"sync measures every record", []string{"--sync"}, 1000},
		{"sync threads measure every record", []string{"--sync=true", "--threads=4"}, 1000},
		{"paced measures every record", []string{"--rate=100000"}, 1000},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			flags := []string{"--records=1000", "--warmup=100", "--value-size=10"}
			flags = append(flags, tt.flags...)
			r, f := runFake(t, 0, flags...)
			if r.Records != 1000 || r.Errors != 0 || r.WarmupRecords != 100 || len(f.sent) != 1100 {
				t.Errorf("%+v, %d sent; want 1000, 0, 100 and 1100 sent", r, len(f.sent))
			}
			if r.LatencySamples != tt.samples {
				t.Errorf("%d latency samples, want %d", r.LatencySamples, tt.samples)
			}
			if r.RecordsPerSec <= 0 || r.CPUSeconds < 0 || r.WallSeconds <= 0 || r.MaxRSSMB <= 0 {
				t.Errorf("figures are missing: %+v", r)
			}
			if mb := r.MBPerSec * r.WallSeconds; mb < 0.0099 || mb > 0.0101 {
				t.Errorf("%v MB, want 0.01", mb)
			}
			if r.Client != "fake" || r.Version != "v1" || r.Scenario != "adhoc" {
				t.Errorf("identity is %s %s %s", r.Client, r.Version, r.Scenario)
			}
		})
	}
}

func TestRefusedRecordsAreCountedAsErrors(t *testing.T) {
	for _, mode := range []string{"--sync=false", "--sync=true"} {
		r, _ := runFake(t, 500, "--records=1000", "--warmup=100", mode)
		if r.Records != 999 || r.Errors != 1 {
			t.Errorf("%s: %d records and %d errors, want 999 and 1", mode, r.Records, r.Errors)
		}
	}
}

func TestKeysAreThoseOfTheDocument(t *testing.T) {
	for _, threads := range []int64{1, 3} {
		const distinct = 1000
		o := Options{Key: "distinct:1000", ValueSize: 1}
		w, err := NewWorkload(&o)
		if err != nil {
			t.Fatal(err)
		}
		for first := range threads {
			c := w.cursor(first, threads)
			for i := first; i < 5000; i += threads {
				key, value := c.next()
				want := fmt.Sprintf("key-%06d", uint64(i)*keyMultiplier%distinct)
				if string(key) != want {
					t.Fatalf("%d threads: record %d has key %s, want %s", threads, i, key, want)
				}
				if &value[0] != &w.values[i%distinctValues][0] {
					t.Fatalf("%d threads: record %d has another's value", threads, i)
				}
			}
		}
	}
}

func TestLinesOfTheDataFileAreTheValuesInTurn(t *testing.T) {
	path := filepath.Join(t.TempDir(), "data")
	if err := os.WriteFile(path, []byte("a\nbb\nccc\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, f := runFake(t, 0, "--records=5", "--warmup=0", "--data="+path)
	var got []string
	for _, r := range f.sent {
		got = append(got, string(r.value))
	}
	if want := "a bb ccc a bb"; strings.Join(got, " ") != want {
		t.Errorf("values are %q, want %q", got, want)
	}
}

func TestPacedRecordsAreNeverEarlyAndNoneIsSkipped(t *testing.T) {
	const rate = 20_000
	r, f := runFake(t, 0, "--records=400", "--warmup=0", "--rate=20000")
	if len(f.sent) != 400 {
		t.Fatalf("%d records, want 400", len(f.sent))
	}
	for i := range f.at {
		due := int64(i) * int64(time.Second) / rate
		if since := f.at[i] - f.at[0] + int64(r.PaceLagMaxMicros*1000) + 1000; since < due {
			t.Fatalf("record %d was sent %v after the first, before it was due", i, since)
		}
	}
}

func TestSendingStopsAfterMaxSeconds(t *testing.T) {
	r, _ := runFake(t, 0, "--records=1000000000", "--warmup=1000000000", "--max-seconds=0.05")
	if r.Records == 0 || r.WallSeconds > 5 {
		t.Errorf("sent %d records in %v s, want some and about 0.05 s", r.Records, r.WallSeconds)
	}
}

func TestAnOutcomeThatNeverComesIsAnError(t *testing.T) {
	o := NewOutcomes()
	o.DoneN(9, nil)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := o.wait(ctx, 10); err == nil || !strings.Contains(err.Error(), "1 of 10") {
		t.Errorf("wait: %v, want one that says 1 of 10 is missing", err)
	}
	o.DoneN(1, nil)
	if err := o.wait(t.Context(), 10); err != nil {
		t.Errorf("wait: %v, want nil: all have come", err)
	}
}

func TestWrongFlagsAreNamed(t *testing.T) {
	tests := []struct{ flag, want string }{
		{"--partitioner=best", "--partitioner=best"},
		{"--compression=rar", "--compression=rar"},
		{"--key=100", "--key=100"},
		{"--key=distinct:0", "--key=distinct:0"},
		{"--acks=2", "--acks=2"},
		{"--threads=0", "--threads=0"},
		{"stray", "stray"},
	}
	for _, tt := range tests {
		_, err := ParseOptions([]string{tt.flag}, t.Output())
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: error %v, want one that names it", tt.flag, err)
		}
	}
}
