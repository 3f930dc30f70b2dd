package exactlyonce

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"

	"github.com/posthaste-go/posthaste"
)

// errOver is what a send after the Handler's end gets.
var errOver = errors.New("exactlyonce: Send after the Handler has returned: that record's" +
	" transaction may have ended; wait for what the Handler starts")

// Output takes what a Handler makes of a record. It may be used by several
// goroutines, and not after the Handler has returned.
type Output struct {
	ctx      context.Context // without an end: what was begun may be finished
	producer *posthaste.Producer
	failure  atomic.Pointer[error] // the first error of a Send

	mu   sync.RWMutex // held for reading by each Send, so that none is late
	over bool
}

// Send adds r to the transaction. It does not wait for the broker: Run does that
// before it commits. After an error nothing of the transaction is committed,
// whether or not the Handler returns it. When Run's ctx ends, Send goes on; it
// waits for memory and topics at most max.block.ms.
func (o *Output) Send(r posthaste.Record) error {
	o.mu.RLock()
	defer o.mu.RUnlock()
	if o.over {
		return errOver
	}
	_, err := o.producer.Send(o.ctx, r)
	if err != nil {
		o.failure.CompareAndSwap(nil, &err)
	}
	return err
}

// end refuses every later Send and returns the first error of the earlier ones.
func (o *Output) end() error {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.over = true
	if err := o.failure.Load(); err != nil {
		return *err
	}
	return nil
}
