package interop

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/posthaste-go/posthaste"
	"github.com/posthaste-go/posthaste/interop/driver"
	"github.com/posthaste-go/posthaste/interop/record"
)

// ours is the producer under test, as one of the writers.
var ours = writer{name: "posthaste", codecs: codecs,
	open: func(testing.TB) producer { return oursClient{} }}

type oursClient struct{}

// Produce sends all records, then waits for each.
func (oursClient) Produce(ctx context.Context, p driver.Produce) (out []record.Outcome, err error) {
	producer, err := newOurs(p.Bootstrap, p.Config)
	if err != nil {
		return nil, err
	}
	defer func() {
		if e := producer.Close(ctx); err == nil {
			err = e
		}
	}()
	transactional := p.Config["transactional.id"] != ""
	if transactional {
		if err := errors.Join(producer.InitTransactions(ctx), producer.BeginTransaction()); err != nil {
			return nil, err
		}
	}
	deliveries := make([]posthaste.Delivery, len(p.Records))
	out = make([]record.Outcome, len(p.Records))
	for i, r := range p.Records {
		if deliveries[i], err = producer.Send(ctx, oursRecord(r)); err != nil {
			return nil, err
		}
	}
	if err := producer.Flush(ctx); err != nil {
		return nil, err
	}
	for i, d := range deliveries {
		md, err := d.Wait(ctx)
		out[i] = record.Outcome{Partition: md.Partition, Offset: md.Offset}
		if err != nil {
			out[i].Error = err.Error()
		}
	}
	switch {
	case transactional && p.Abort:
		return out, producer.AbortTransaction(ctx)
	case transactional:
		return out, producer.CommitTransaction(ctx)
	}
	return out, nil
}

// newOurs starts a producer from settings by their Java names.
func newOurs(bootstrap string, settings map[string]string) (*posthaste.Producer, error) {
	all := map[string]string{"bootstrap.servers": bootstrap}
	for k, v := range settings {
		all[k] = v
	}
	cfg, err := posthaste.ConfigFromMap(all)
	if err != nil {
		return nil, err
	}
	return posthaste.NewProducer(cfg)
}

func oursRecord(r record.Record) posthaste.Record {
	out := posthaste.Record{Topic: r.Topic, Key: r.Key, Value: r.Value}
	if r.Partition != record.AnyPartition {
		out.Partition = posthaste.ToPartition(r.Partition)
	}
	if r.Timestamp != 0 {
		out.Timestamp = time.UnixMilli(r.Timestamp)
	}
	for _, h := range r.Headers {
		out.Headers = append(out.Headers, posthaste.Header{Key: h.Name, Value: h.Value})
	}
	return out
}
