package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"time"

	"github.com/posthaste-go/posthaste"
	"github.com/posthaste-go/posthaste/interop/chaos/load"
)

// ours is the producer under test, with its defaults: acks=all, idempotence,
// linger.ms=5 as Java's, five requests in flight.
type ours struct {
	producer *posthaste.Producer
	topic    string
	closed   chan struct{}
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
	slog.SetDefault(slog.New(slog.NewTextHandler(os.Stderr,
		&slog.HandlerOptions{Level: slog.LevelDebug})))
	p, err := posthaste.NewProducer(cfg)
	if err != nil {
		return nil, err
	}
	o := &ours{producer: p, topic: s.Topic, closed: make(chan struct{})}
	go o.watch()
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

// watch writes to the log when the producer has tried again or asked for
// metadata: what it did while nothing was acknowledged.
func (o *ours) watch() {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	var last posthaste.Metrics
	for {
		select {
		case <-o.closed:
			return
		case <-tick.C:
		}
		m := o.producer.Metrics()
		if m.Retries != last.Retries || m.MetadataRequests != last.MetadataRequests {
			slog.Info("trouble", "metadata requests", m.MetadataRequests, "retries", m.Retries,
				"requests", m.Requests, "batches", m.Batches, "waiting for memory", m.BufferWaiting)
		}
		last = m
	}
}

func (o *ours) close(ctx context.Context) error {
	close(o.closed)
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
