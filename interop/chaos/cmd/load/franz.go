package main

import (
	"context"
	"errors"
	"math"
	"strings"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/posthaste-go/posthaste/interop/chaos/load"
)

// franz is franz-go with its defaults: acks=all, idempotence. Linger and room
// for records that wait are those of the others.
type franz struct {
	client *kgo.Client
	topic  string
}

func newFranz(s load.Spec) (client, error) {
	options := []kgo.Opt{
		kgo.SeedBrokers(strings.Split(s.Bootstrap, ",")...),
		kgo.ClientID("load"),
		kgo.ProducerLinger(linger),
		kgo.MaxBufferedBytes(room),
		kgo.MaxBufferedRecords(math.MaxInt32), // bytes are the bound, as elsewhere
		kgo.DisableClientMetrics(),
	}
	if s.TxnRecords > 0 {
		options = append(options, kgo.TransactionalID(load.TransactionalID))
	}
	c, err := kgo.NewClient(options...)
	return &franz{client: c, topic: s.Topic}, err
}

func (f *franz) send(r load.Record, done func(load.Outcome)) {
	record := &kgo.Record{Topic: f.topic, Key: r.KeyBytes(), Value: r.Value()}
	f.client.Produce(context.Background(), record, func(r *kgo.Record, err error) {
		done(told(r.Partition, r.Offset, err))
	})
}

// told is the outcome of a client that does not say whether a record that
// failed may be in the log.
func told(partition int32, offset int64, err error) load.Outcome {
	o := load.Outcome{What: load.Acked, Partition: partition, Offset: offset}
	if err != nil {
		o.What, o.Why = load.Failed, err.Error()
	}
	return o
}

func (f *franz) close(ctx context.Context) error {
	err := f.client.Flush(ctx)
	f.client.Close()
	return err
}

func (f *franz) begin(context.Context) error { return f.client.BeginTransaction() }

func (f *franz) end(ctx context.Context, commit bool) (string, error) {
	err := f.client.Flush(ctx)
	if err != nil {
		return load.Unknown, err
	}
	if commit {
		if err = f.client.EndTransaction(ctx, kgo.TryCommit); err == nil {
			return load.Committed, nil
		}
	}
	if e := f.client.EndTransaction(ctx, kgo.TryAbort); e != nil {
		return load.Unknown, errors.Join(err, e)
	}
	if err != nil {
		return load.Unknown, err // the commit may have been carried out
	}
	return load.Aborted, nil
}
