package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"

	"github.com/posthaste-go/posthaste"
	"github.com/posthaste-go/posthaste/interop/chaos/load"
)

// ours is the producer under test, with its defaults: acks=all, idempotence,
// linger.ms=5 as Java's, five requests in flight.
type ours struct {
	producer *posthaste.Producer
	topic    string
}

func newPosthaste(s load.Spec) (client, error) {
	settings := map[string]string{
		"bootstrap.servers": s.Bootstrap, "acks": "all", "enable.idempotence": "true",
		"linger.ms": "5", "client.id": "load",
	}
	if s.TxnRecords > 0 {
		settings["transactional.id"] = load.TransactionalID
	}
	cfg, err := posthaste.ConfigFromMap(settings)
	if err != nil {
		return nil, err
	}
	cfg.Logger = slog.New(slog.NewTextHandler(os.Stderr,
		&slog.HandlerOptions{Level: slog.LevelDebug}))
	p, err := posthaste.NewProducer(cfg)
	if err != nil {
		return nil, err
	}
	o := &ours{producer: p, topic: s.Topic}
	if s.TxnRecords > 0 {
		err = p.InitTransactions(context.Background())
	}
	return o, err
}

func (o *ours) send(r load.Record, done func(load.Outcome)) {
	record := posthaste.Record{Topic: o.topic, Key: r.KeyBytes(), Value: r.Value()}
	o.producer.SendAsync(context.Background(), record,
		func(md posthaste.RecordMetadata, err error) { done(outcome(md, err)) })
}

// outcome tells what posthaste said of a record.
func outcome(md posthaste.RecordMetadata, err error) load.Outcome {
	out := load.Outcome{What: load.Acked, Partition: md.Partition, Offset: md.Offset}
	if err == nil {
		return out
	}
	out.Why = err.Error()
	failed, ok := errors.AsType[*posthaste.DeliveryError](err)
	switch {
	case !ok:
		out.What = load.Refused
	case failed.Certainty == posthaste.MaybeWritten:
		out.What = load.Maybe
	default:
		out.What = load.NotWritten
	}
	return out
}

func (o *ours) close(ctx context.Context) error {
	err := o.producer.Flush(ctx)
	m := o.producer.Metrics()
	fmt.Fprintf(os.Stderr, "load: %+v\n", m)
	return errors.Join(err, o.producer.Close(ctx))
}

func (o *ours) begin(context.Context) error { return o.producer.BeginTransaction() }

// end asks again for as long as the outcome is not known, as the producer's
// errors say to.
func (o *ours) end(ctx context.Context, commit bool) (string, error) {
	var why error
	if commit {
		err := o.producer.CommitTransaction(ctx)
		for errors.Is(err, posthaste.ErrOutcomeUnknown) && errors.Is(err, posthaste.ErrTimeout) {
			err = o.producer.CommitTransaction(ctx)
		}
		switch {
		case err == nil:
			return load.Committed, nil
		case errors.Is(err, posthaste.ErrOutcomeUnknown):
			return load.Unknown, err
		}
		why = err
	}
	err := o.producer.AbortTransaction(ctx)
	for errors.Is(err, posthaste.ErrTimeout) {
		err = o.producer.AbortTransaction(ctx)
	}
	if err != nil {
		return load.Unknown, errors.Join(why, err)
	}
	return load.Aborted, why
}
