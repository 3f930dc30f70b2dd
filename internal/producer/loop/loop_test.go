package loop

import (
	"bytes"
	"errors"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"testing"
	"testing/synctest"
	"time"

	"github.com/posthaste-go/posthaste/internal/backoff"
	"github.com/posthaste-go/posthaste/internal/clock"
	"github.com/posthaste-go/posthaste/internal/compression"
	"github.com/posthaste-go/posthaste/internal/producer/accumulator"
	"github.com/posthaste-go/posthaste/internal/producer/batch"
	"github.com/posthaste-go/posthaste/internal/producer/bufferpool"
	"github.com/posthaste-go/posthaste/internal/producer/conn"
	"github.com/posthaste-go/posthaste/internal/producer/metadata"
	"github.com/posthaste-go/posthaste/internal/producer/sender"
	"github.com/posthaste-go/posthaste/internal/protocol"
	"github.com/posthaste-go/posthaste/internal/scriptedbroker"
)

// start makes a loop on a scripted cluster; complete hears of batches.
func start(
	t *testing.T, c *scriptedbroker.Cluster, codec compression.Codec, complete func(*batch.Batch),
) *Loop {
	t.Helper()
	var compressor *compression.Compressor
	if codec != compression.None {
		var err error
		if compressor, err = compression.New(codec, codec.DefaultLevel()); err != nil {
			t.Fatal(err)
		}
	}
	logger := slog.New(slog.NewTextHandler(io.Discard, nil))
	now := clock.NewCoarse()
	t.Cleanup(now.Close)
	retry := backoff.Policy{Initial: 100 * time.Millisecond, Max: time.Second}
	return New(Settings{
		Sender: sender.Settings{
			Acks: -1, Idempotent: true, MaxInFlight: 5, MaxRequestSize: 1 << 20,
			Linger: time.Second, DeliveryTimeout: time.Minute, RequestTimeout: 10 * time.Second,
			Retries: 1 << 30, Backoff: retry, Reconnect: retry, MetadataMaxAge: time.Hour,
			MetadataMaxIdle: time.Hour, Bootstrap: c.Bootstrap(),
		},
		Conn: conn.Settings{Window: 5, Dial: c.Dial}, Complete: complete, Logger: logger,
		Fatal: func(*batch.Failure) {},
		Accumulator: func(n accumulator.Notices) *accumulator.Accumulator {
			return accumulator.New(accumulator.Settings{
				BatchSize: 16 << 10, Compressor: compressor, Logger: logger,
			}, now, bufferpool.New(1<<20, 16<<10+batch.Overhead), n)
		},
	})
}

// know waits until the topic is known.
func know(t *testing.T, l *Loop) *accumulator.Topic {
	t.Helper()
	l.WantTopic("t", false)
	err := l.Metadata.Await(t.Context(), func(s *metadata.Snapshot) bool {
		return s.Topics["t"] != nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return l.Accumulator.Topic("t")
}

func add(t *testing.T, l *Loop, topic *accumulator.Topic, size int) accumulator.Receipt {
	t.Helper()
	r := &accumulator.Record{Timestamp: -1, Value: make([]byte, size), WantEntry: true}
	receipt, err := l.Accumulator.Append(t.Context(), topic, 0, r, time.Second)
	if err != nil {
		t.Fatal(err)
	}
	return receipt
}

var one = scriptedbroker.Options{Topics: map[string]int{"t": 1}}

// A batch lingers, is compressed by the loop's helper, and is told of; then Stop
// leaves nothing behind.
func TestLinger(t *testing.T) {
	for _, size := range []int{100, 5000} { // compressed on the loop, or by a worker
		synctest.Test(t, func(t *testing.T) {
			c := scriptedbroker.Start(t, one)
			told := 0
			l := start(t, c, compression.Gzip, func(*batch.Batch) { told++ })
			topic := know(t, l)
			begin := time.Now()
			receipt := add(t, l, topic, size)
			if err := receipt.Outcome.Wait(t.Context()); err != nil {
				t.Fatal(err)
			}
			if d := time.Since(begin); d != time.Second {
				t.Errorf("the batch lingered %v, want 1s", d)
			}
			l.Stop(true)
			if got := c.Records("t", 0); told != 1 || len(got) != 1 || got[0].Codec != 1 {
				t.Errorf("told of %d batches; the log has %d records", told, len(got))
			}
			if n := l.Counters(); n.Records != 1 || n.Batches != 1 {
				t.Errorf("counters %+v", n)
			}
			l.Accumulator.Close()
		})
	}
}

// Abandon fails what is left, in flight or not, and Undelivered returns it.
func TestAbandon(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := scriptedbroker.Start(t, one)
		l := start(t, c, compression.None, func(*batch.Batch) {})
		topic := know(t, l)
		c.Always(protocol.Produce, scriptedbroker.Silence)
		sent := add(t, l, topic, 10)
		time.Sleep(2 * time.Second)
		waits := add(t, l, topic, 10)
		why := errors.New("no more time")
		f := l.Flush()
		l.Abandon(&batch.Failure{Err: why})
		<-f.Done
		for _, r := range []accumulator.Receipt{sent, waits} {
			if _, _, failure := r.Outcome.Of(0); failure == nil || !errors.Is(failure.Err, why) {
				t.Errorf("failure %+v", failure)
			}
		}
		l.Stop(true)
		got := l.Undelivered()
		if len(got) != 2 || !got[0].Verdict.MaybeWritten || got[1].Verdict.MaybeWritten {
			t.Errorf("%d batches are undelivered", len(got))
		}
		l.Accumulator.Close()
	})
}

// Trouble is the newest failure of a connection, until a broker answers.
func TestTrouble(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := scriptedbroker.Start(t, one)
		c.Down(1)
		l := start(t, c, compression.None, func(*batch.Batch) {})
		l.WantTopic("t", false)
		time.Sleep(time.Second)
		if err, fatal := l.Trouble(); err == nil || fatal {
			t.Errorf("trouble %v, fatal %v", err, fatal)
		}
		c.Up(1)
		know(t, l)
		if err, _ := l.Trouble(); err != nil {
			t.Errorf("trouble %v after an answer", err)
		}
		l.Stop(true)
		l.Accumulator.Close()
	})
}

// Stop while connections are being made, and while nobody answers.
func TestStopAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := scriptedbroker.Start(t, one)
		c.Always(protocol.APIVersions, scriptedbroker.Silence)
		l := start(t, c, compression.None, func(*batch.Batch) {})
		l.WantTopic("t", false)
		synctest.Wait()
		begin := time.Now()
		l.Stop(true)
		if d := time.Since(begin); d != 0 {
			t.Errorf("Stop took %v", d)
		}
		l.Accumulator.Close()
	})
}

// A mistake of ours ends the process, even if the caller in whose turn it shows
// recovers from panics.
func TestMistakesEndTheProcess(t *testing.T) {
	if os.Getenv("LOOP_MISTAKE") != "" {
		l := &Loop{mailbox: newMailbox()} // without a Core
		func() {
			defer func() { recover() }()
			l.serve()
		}()
		os.Exit(0)
	}
	cmd := exec.Command(os.Args[0], "-test.run=^TestMistakesEndTheProcess$")
	cmd.Env = append(os.Environ(), "LOOP_MISTAKE=1")
	out, err := cmd.CombinedOutput()
	if err == nil || !bytes.Contains(out, []byte("panic: posthaste: ")) {
		t.Errorf("%v, output %s", err, out)
	}
}
