package posthaste

import (
	"log/slog"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
)

// CountingInterceptor counts records that were sent and acknowledged, and
// reports the counts of each window of time that had any.
//
// It is the example that everybody who knows Kafka has met: in a properties
// file, interceptor.classes=CountingProducerInterceptor with
// counting.interceptor.window.size.ms logs the counts.
type CountingInterceptor struct {
	window time.Duration
	report func(Counts)
	counts struct{ sent, acked, failed atomic.Int64 }
	start  sync.Once
	quit   chan struct{}
	ended  chan struct{}
}

// Counts is what a CountingInterceptor saw in one window.
type Counts struct {
	Sent   int64 // passed OnSend
	Acked  int64 // acknowledged
	Failed int64 // refused or not delivered
}

// NewCountingInterceptor reports every window > 0 that had records, and the rest
// when the producer closes. report runs on the interceptor's own goroutine.
func NewCountingInterceptor(window time.Duration, report func(Counts)) *CountingInterceptor {
	return &CountingInterceptor{
		window: window, report: report,
		quit: make(chan struct{}), ended: make(chan struct{}),
	}
}

// OnSend counts a record.
func (c *CountingInterceptor) OnSend(*InterceptedRecord) error {
	c.start.Do(func() { go c.run() })
	c.counts.sent.Add(1)
	return nil
}

// OnAcknowledgement counts an outcome.
func (c *CountingInterceptor) OnAcknowledgement(a Acknowledgement) {
	if a.Err != nil {
		c.counts.failed.Add(1)
		return
	}
	c.counts.acked.Add(1)
}

// run reports once a window.
//
// Started by: the first OnSend. Ends: Close.
func (c *CountingInterceptor) run() {
	defer close(c.ended)
	ticker := time.NewTicker(c.window)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
			c.flush()
		case <-c.quit:
			c.flush()
			return
		}
	}
}

func (c *CountingInterceptor) flush() {
	counts := Counts{
		Sent: c.counts.sent.Swap(0), Acked: c.counts.acked.Swap(0), Failed: c.counts.failed.Swap(0),
	}
	if counts != (Counts{}) {
		c.report(counts)
	}
}

// Close reports what has been counted since the last report. The producer calls
// it.
func (c *CountingInterceptor) Close() error {
	close(c.quit)
	c.start.Do(func() { close(c.ended) }) // never ran
	<-c.ended
	return nil
}

// countingWindow is the setting of the interceptor that a properties file names.
const countingWindow = "counting.interceptor.window.size.ms"

func init() {
	namedInterceptors["CountingProducerInterceptor"] = countingFromConfig
	namedInterceptors["posthaste.CountingInterceptor"] = countingFromConfig
}

func countingFromConfig(c *Config) (Interceptor, error) {
	window := 10 * time.Second
	if text, ok := c.Lookup(countingWindow); ok {
		ms, err := strconv.ParseInt(text, 10, 32)
		if err != nil || ms <= 0 {
			return nil, &ConfigError{Key: countingWindow, Value: text,
				Reason: "not a positive number of milliseconds", Remedy: "give for example 10000"}
		}
		window = time.Duration(ms) * time.Millisecond
	}
	logger := c.Logger
	if logger == nil {
		logger = slog.Default()
	}
	return NewCountingInterceptor(window, func(n Counts) {
		logger.Info("records", "sent", n.Sent, "acked", n.Acked, "failed", n.Failed,
			"window", window)
	}), nil
}
