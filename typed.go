package posthaste

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/posthaste-go/posthaste/serializer"
)

// Maybe is a key or value that may be null. The zero Maybe is null, which is
// not the same as empty: a null key has no partition of its own, a null value
// is a tombstone.
type Maybe[T any] struct {
	value T
	some  bool
}

// Some is a value that is not null.
func Some[T any](v T) Maybe[T] { return Maybe[T]{v, true} }

// Get is the value; ok is false for null.
func (m Maybe[T]) Get() (v T, ok bool) { return m.value, m.some }

func (m Maybe[T]) any() any {
	if !m.some {
		return nil
	}
	return m.value
}

// TypedRecord is a Record whose key and value are Go values. What is left out is
// null.
type TypedRecord[K, V any] struct {
	Topic     string
	Partition Partition
	Key       Maybe[K]
	Value     Maybe[V]
	Headers   []Header
	Timestamp time.Time
}

// Typed sends Go values through a Producer: a serializer makes the key's bytes
// and one the value's. Several may share a Producer; closing that is all there
// is to close. Typed is safe for concurrent use.
//
//	orders := posthaste.NewTyped(p, serializer.String{}, serializer.JSON[Order]{})
//	d, err := orders.Send(ctx, posthaste.TypedRecord[string, Order]{
//		Topic: "orders", Key: posthaste.Some("a17"), Value: posthaste.Some(order),
//	})
type Typed[K, V any] struct {
	producer *Producer
	key      serializer.Serializer[K]
	value    serializer.Serializer[V]
	scratch  sync.Pool // *[]byte
}

// NewTyped makes a Typed of p.
func NewTyped[K, V any](
	p *Producer, key serializer.Serializer[K], value serializer.Serializer[V],
) *Typed[K, V] {
	t := &Typed[K, V]{producer: p, key: key, value: value}
	t.scratch.New = func() any { b := make([]byte, 0, 512); return &b }
	return t
}

// Producer is what t sends through.
func (t *Typed[K, V]) Producer() *Producer { return t.producer }

// Send serializes r on this goroutine and sends it as Producer.Send does. What
// a serializer refuses is a *SerializationError.
func (t *Typed[K, V]) Send(ctx context.Context, r TypedRecord[K, V]) (Delivery, error) {
	return t.send(ctx, &r, nil)
}

// SendSync is Producer.SendSync for Go values.
func (t *Typed[K, V]) SendSync(ctx context.Context, r TypedRecord[K, V]) (RecordMetadata, error) {
	d, err := t.send(ctx, &r, nil)
	if err != nil {
		return unsent(&Record{Topic: r.Topic, Partition: r.Partition}), err
	}
	return d.Wait(ctx)
}

// SendAsync is Producer.SendAsync for Go values. A record that a serializer
// refuses is told to done as well.
func (t *Typed[K, V]) SendAsync(ctx context.Context, r TypedRecord[K, V], done Callback) {
	_, err := t.send(ctx, &r, done)
	if err != nil && done != nil && t.producer.chain == nil {
		t.producer.call(done, unsent(&Record{Topic: r.Topic, Partition: r.Partition}), err)
	}
}

// send has called done if there are interceptors and it returns an error.
func (t *Typed[K, V]) send(
	ctx context.Context, r *TypedRecord[K, V], done Callback,
) (Delivery, error) {
	buf := t.scratch.Get().(*[]byte)
	defer t.scratch.Put(buf)
	if t.producer.chain != nil {
		return t.producer.sendIntercepted(ctx, InterceptedRecord{
			Topic: r.Topic, Partition: r.Partition, Key: r.Key.any(), Value: r.Value.any(),
			Headers: r.Headers, Timestamp: r.Timestamp,
		}, done, typedCodec[K, V]{t, buf})
	}
	out, err := t.serialize(r, buf)
	if err != nil {
		return Delivery{}, err
	}
	var typed *asked
	if t.producer.settings.partitioner != nil {
		typed = &asked{r.Key.any(), r.Value.any()}
	}
	return t.producer.send(ctx, &out, done, typed)
}

// serialize makes a record of bytes, which stand in buf.
func (t *Typed[K, V]) serialize(r *TypedRecord[K, V], buf *[]byte) (out Record, err error) {
	out = Record{
		Topic: r.Topic, Partition: r.Partition, Headers: r.Headers, Timestamp: r.Timestamp,
	}
	own := len(out.Headers)
	out.Headers = out.Headers[:own:own] // a serializer that adds one does not write into the caller's
	b := (*buf)[:0]
	if r.Key.some {
		key, err := run(t.key, b, &out, r.Key.value)
		if err != nil {
			return out, &SerializationError{Topic: r.Topic, IsKey: true, Err: err}
		}
		out.Key = key
		if len(key) <= cap(b) {
			b = b[len(key):len(key)]
		}
	}
	if r.Value.some {
		if out.Value, err = run(t.value, b, &out, r.Value.value); err != nil {
			return out, &SerializationError{Topic: r.Topic, Err: err}
		}
	}
	if need := len(out.Key) + len(out.Value); need > cap(*buf) && need <= maxScratch {
		*buf = make([]byte, 0, 2*need)
	}
	return out, nil
}

// maxScratch bounds what is kept between sends, bytes.
const maxScratch = 64 << 10

// run calls a serializer; its panic is an error.
func run[T any](s serializer.Serializer[T], b []byte, r *Record, v T) (out []byte, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %v", p)
		}
	}()
	return s.Serialize(b, r.Topic, &r.Headers, v)
}

// typedCodec makes bytes of an intercepted record.
type typedCodec[K, V any] struct {
	typed *Typed[K, V]
	buf   *[]byte
}

func (c typedCodec[K, V]) serialize(r *InterceptedRecord) (Record, error) {
	out := Record{
		Topic: r.Topic, Partition: r.Partition, Headers: r.Headers, Timestamp: r.Timestamp,
	}
	key, err := maybe[K](r.Key)
	if err != nil {
		return out, &SerializationError{Topic: r.Topic, IsKey: true, Err: err}
	}
	value, err := maybe[V](r.Value)
	if err != nil {
		return out, &SerializationError{Topic: r.Topic, Err: err}
	}
	return c.typed.serialize(&TypedRecord[K, V]{
		Topic: r.Topic, Partition: r.Partition, Key: key, Value: value,
		Headers: r.Headers, Timestamp: r.Timestamp,
	}, c.buf)
}

// maybe takes what an interceptor may have left in a record.
func maybe[T any](v any) (Maybe[T], error) {
	if v == nil {
		return Maybe[T]{}, nil
	}
	t, ok := v.(T)
	if !ok {
		return Maybe[T]{}, fmt.Errorf("an interceptor made it a %T; this producer sends %T", v, t)
	}
	return Some(t), nil
}
