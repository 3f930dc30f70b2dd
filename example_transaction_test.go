package posthaste_test

import (
	"context"
	"errors"
	"log"

	"github.com/posthaste-go/posthaste"
)

// All records of a transaction become visible together, or none does. Needs a
// cluster with transactions at localhost:9092.
func ExampleProducer_CommitTransaction() {
	ctx := context.Background()
	cfg := posthaste.DefaultConfig()
	cfg.BootstrapServers = []string{"localhost:9092"}
	cfg.TransactionalID = "payments-1" // the same after a restart
	p, err := posthaste.NewProducer(cfg)
	if err != nil {
		log.Fatal(err)
	}
	defer p.Close(ctx)
	if err := p.InitTransactions(ctx); err != nil {
		log.Fatal(err)
	}

	if err := p.BeginTransaction(); err != nil {
		log.Fatal(err)
	}
	_, err = p.Send(ctx, posthaste.Record{Topic: "payments", Value: []byte("42.00")})
	if err == nil {
		err = p.CommitTransaction(ctx) // sends what was accepted, and waits
	}
	switch {
	case err == nil: // committed
	case errors.Is(err, posthaste.ErrOutcomeUnknown):
		log.Fatal(err) // or call CommitTransaction again
	case errors.Is(err, posthaste.ErrFatal), errors.Is(err, posthaste.ErrFenced):
		log.Fatal(err) // close and start anew
	default:
		if err := p.AbortTransaction(ctx); err != nil {
			log.Fatal(err)
		}
	}
}

// InTransaction ends what it began: committed, aborted, or an error that says
// that neither is known.
func ExampleProducer_InTransaction() {
	ctx := context.Background()
	cfg := posthaste.DefaultConfig()
	cfg.BootstrapServers = []string{"localhost:9092"}
	cfg.TransactionalID = "transform-1"
	p, err := posthaste.NewProducer(cfg)
	if err != nil {
		log.Fatal(err)
	}
	defer p.Close(ctx)
	if err := p.InitTransactions(ctx); err != nil {
		log.Fatal(err)
	}

	// One step of consume, transform, produce: the output and the input's
	// offset are committed together.
	in := posthaste.TopicPartition{Topic: "orders", Partition: 0}
	read := posthaste.OffsetAndMetadata{Offset: 7}
	group := posthaste.GroupMetadata{GroupID: "transform"}
	err = p.InTransaction(ctx, func(ctx context.Context) error {
		if _, err := p.Send(ctx, posthaste.Record{Topic: "invoices", Value: []byte("7")}); err != nil {
			return err
		}
		offsets := map[posthaste.TopicPartition]posthaste.OffsetAndMetadata{in: read}
		return p.SendOffsetsToTransaction(ctx, offsets, group)
	})
	if err != nil {
		log.Fatal(err)
	}
}
