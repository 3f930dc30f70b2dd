package posthaste

import (
	"fmt"
	"log/slog"
	"time"
)

// Interceptor sees every record on its way in and its outcome on its way out.
//
// Neither method can harm a record or another interceptor: an error or a panic
// is logged, and the chain goes on with the record as it was before.
//
// Source: org.apache.kafka.clients.producer.ProducerInterceptor (KIP-42).
type Interceptor interface {
	// OnSend sees r before serialization, on the goroutine that called Send,
	// and may change it. The next interceptor sees the changes, unless OnSend
	// returns an error.
	OnSend(r *InterceptedRecord) error
	// OnAcknowledgement sees the outcome of a record, also of one that never
	// left. It runs before the record's Callback, on the goroutine that runs
	// the callbacks, or on the sender's own for a record that was refused.
	OnAcknowledgement(a Acknowledgement)
}

// InterceptedRecord is a record before serialization. Key and Value are what
// the application gave: []byte for a Producer, the K and V of a Typed; nil is
// null. Maps and slices are the application's own: replace, do not change them.
type InterceptedRecord struct {
	Topic     string
	Partition Partition
	Key       any
	Value     any
	Headers   []Header
	Timestamp time.Time
}

// Acknowledgement is the outcome of one record. Headers are the record's as
// they were sent; they must not be changed.
type Acknowledgement struct {
	Metadata RecordMetadata // Partition is -1 if none was chosen
	Headers  []Header
	Err      error // nil if the record was acknowledged
}

// chain calls interceptors one after the other.
type chain struct {
	interceptors []Interceptor
	logger       *slog.Logger
}

// onSend passes r through all interceptors.
func (c *chain) onSend(r *InterceptedRecord) {
	for _, i := range c.interceptors {
		attempt := *r
		attempt.Headers = append([]Header(nil), r.Headers...)
		err := guard(func() error { return i.OnSend(&attempt) })
		if err != nil {
			c.logger.Warn("interceptor failed in OnSend; the record goes on without its changes",
				"interceptor", fmt.Sprintf("%T", i), "topic", r.Topic, "error", err)
			continue
		}
		*r = attempt
	}
}

// onAcknowledgement passes an outcome to all interceptors.
func (c *chain) onAcknowledgement(a Acknowledgement) {
	for _, i := range c.interceptors {
		err := guard(func() error { i.OnAcknowledgement(a); return nil })
		if err != nil {
			c.logger.Warn("interceptor failed in OnAcknowledgement",
				"interceptor", fmt.Sprintf("%T", i), "topic", a.Metadata.Topic, "error", err)
		}
	}
}

// close closes the interceptors that can be closed.
func (c *chain) close() {
	for _, i := range c.interceptors {
		closer, ok := i.(interface{ Close() error })
		if !ok {
			continue
		}
		if err := guard(closer.Close); err != nil {
			c.logger.Warn("interceptor failed to close",
				"interceptor", fmt.Sprintf("%T", i), "error", err)
		}
	}
}

// guard runs user code; a panic becomes an error.
func guard(f func() error) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("panic: %v", r)
		}
	}()
	return f()
}
