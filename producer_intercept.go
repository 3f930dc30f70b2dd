package posthaste

import (
	"context"
	"fmt"
)

// codec makes the bytes of an intercepted record.
type codec interface {
	serialize(r *InterceptedRecord) (Record, error)
}

// bytesCodec serves a Producer, whose keys and values are bytes already.
type bytesCodec struct{}

func (bytesCodec) serialize(r *InterceptedRecord) (Record, error) {
	out := Record{
		Topic: r.Topic, Partition: r.Partition, Headers: r.Headers, Timestamp: r.Timestamp,
	}
	var err error
	if out.Key, err = asBytes(r.Key); err != nil {
		return out, &SerializationError{Topic: r.Topic, IsKey: true, Err: err}
	}
	if out.Value, err = asBytes(r.Value); err != nil {
		return out, &SerializationError{Topic: r.Topic, Err: err}
	}
	return out, nil
}

// asBytes takes what an interceptor may have left in a record of bytes.
func asBytes(v any) ([]byte, error) {
	switch v := v.(type) {
	case nil:
		return nil, nil
	case []byte:
		return v, nil
	case string:
		return []byte(v), nil
	}
	return nil, fmt.Errorf("an interceptor made it a %T; this producer sends []byte", v)
}

func intercepted(r *Record) InterceptedRecord {
	out := InterceptedRecord{
		Topic: r.Topic, Partition: r.Partition, Headers: r.Headers, Timestamp: r.Timestamp,
	}
	if r.Key != nil {
		out.Key = r.Key
	}
	if r.Value != nil {
		out.Value = r.Value
	}
	return out
}

//go:noinline
func (p *Producer) sendBytesIntercepted(
	ctx context.Context, r Record, done Callback,
) (Delivery, error) {
	return p.sendIntercepted(ctx, intercepted(&r), done, bytesCodec{})
}

// sendIntercepted is send with interceptors around it.
func (p *Producer) sendIntercepted(
	ctx context.Context, ir InterceptedRecord, done Callback, c codec,
) (Delivery, error) {
	if down := p.down.Load(); down != nil {
		if done != nil {
			p.call(done, unsent(&Record{Topic: ir.Topic, Partition: ir.Partition}), *down)
		}
		return Delivery{}, *down
	}
	p.chain.onSend(&ir)
	r, err := c.serialize(&ir)
	var d Delivery
	if err == nil {
		if d, err = p.send(ctx, &r, done, &asked{ir.Key, ir.Value}); err == nil {
			return d, nil
		}
	}
	md := unsent(&r)
	if done != nil { // the application first, as in Java
		p.call(done, md, err)
	}
	p.chain.onAcknowledgement(Acknowledgement{Metadata: md, Headers: r.Headers, Err: err})
	return Delivery{}, err
}
