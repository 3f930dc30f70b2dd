package posthaste_test

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"github.com/posthaste-go/posthaste"
	"github.com/posthaste-go/posthaste/internal/scriptedbroker"
)

// Scenarios: the producer as a user has it, against a cluster in memory that
// does as the script says, on virtual time. docs/scenarios.md lists what is
// shown where.

// scenario is one cluster and one producer in a bubble.
type scenario struct {
	*testing.T
	cluster *scriptedbroker.Cluster
	p       *posthaste.Producer
}

// play runs a scenario. The producer is closed at its end, everything is
// answered for, and no goroutine may be left: synctest.Test fails if one is.
func play(
	t *testing.T, o scriptedbroker.Options, change func(*posthaste.Config), do func(*scenario),
) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		c := scriptedbroker.Start(t, o)
		s := &scenario{T: t, cluster: c, p: newProducer(t, c, change)}
		do(s)
		if err := s.p.Close(context.Background()); err != nil {
			t.Errorf("Close: %v", err)
		}
		m := s.p.Metrics()
		if m.BufferAvailable != m.BufferTotal || m.BufferWaiting != 0 {
			t.Errorf("%d of %d bytes of buffer.memory are free after Close, %d wait",
				m.BufferAvailable, m.BufferTotal, m.BufferWaiting)
		}
		synctest.Wait()
		if n := c.Conns(); n != 0 {
			t.Errorf("%d connections are open after Close", n)
		}
	})
}

func newProducer(
	t *testing.T, c *scriptedbroker.Cluster, change func(*posthaste.Config),
) *posthaste.Producer {
	t.Helper()
	p, err := posthaste.NewProducer(config(c, change))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func config(c *scriptedbroker.Cluster, change func(*posthaste.Config)) posthaste.Config {
	cfg := posthaste.DefaultConfig()
	cfg.BootstrapServers, cfg.Dial = c.Bootstrap(), c.Dial
	cfg.Logger = slog.New(slog.NewTextHandler(io.Discard, nil))
	if change != nil {
		change(&cfg)
	}
	return cfg
}

// send sends text and fails the test if it is refused.
func (s *scenario) send(topic, text string) posthaste.Delivery {
	s.Helper()
	d, err := s.p.Send(s.Context(), posthaste.Record{Topic: topic, Value: []byte(text)})
	if err != nil {
		s.Fatalf("Send %q: %v", text, err)
	}
	return d
}

// delivered waits for an outcome, which must be a success.
func (s *scenario) delivered(d posthaste.Delivery) posthaste.RecordMetadata {
	s.Helper()
	md, err := d.Wait(s.Context())
	if err != nil {
		s.Errorf("delivery: %v", err)
	}
	return md
}

// failed waits for an outcome, which must be an error that is want.
func (s *scenario) failed(d posthaste.Delivery, want error) *posthaste.DeliveryError {
	s.Helper()
	_, err := d.Wait(s.Context())
	if !errors.Is(err, want) {
		s.Errorf("delivery: %v, want %v", err, want)
	}
	failure, ok := errors.AsType[*posthaste.DeliveryError](err)
	if !ok {
		return &posthaste.DeliveryError{}
	}
	return failure
}

// elapsed is how long f takes, in virtual time.
func elapsed(f func()) time.Duration {
	start := time.Now()
	f()
	return time.Since(start)
}

// one is a cluster with topic t of one partition.
var one = scriptedbroker.Options{Topics: map[string]int{"t": 1}}
