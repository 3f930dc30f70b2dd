package posthaste_test

import (
	"context"
	"errors"
	"fmt"
	"log"

	"github.com/posthaste-go/posthaste"
)

// All records of a transaction become visible together, or none does.
func ExampleProducer_CommitTransaction() {
	p, stop := start(func(c *posthaste.Config) {
		c.TransactionalID = "payments-1" // the same after a restart
	})
	defer stop()
	ctx := context.Background()
	if err := p.InitTransactions(ctx); err != nil {
		log.Fatal(err)
	}

	if err := p.BeginTransaction(); err != nil {
		log.Fatal(err)
	}
	_, err := p.Send(ctx, posthaste.Record{Topic: "orders", Value: []byte("42.00")})
	if err == nil {
		err = p.CommitTransaction(ctx) // sends what was accepted, and waits
	}
	switch {
	case err == nil:
		fmt.Println("committed")
	case errors.Is(err, posthaste.ErrOutcomeUnknown):
		log.Fatal(err) // or call CommitTransaction again
	case errors.Is(err, posthaste.ErrFatal), errors.Is(err, posthaste.ErrFenced):
		log.Fatal(err) // close and start anew
	default:
		if err := p.AbortTransaction(ctx); err != nil {
			log.Fatal(err)
		}
		fmt.Println("aborted:", err)
	}
	// Output: committed
}

// InTransaction ends what it began: committed, aborted, or an error that says
// that neither is known.
func ExampleProducer_InTransaction() {
	p, stop := start(func(c *posthaste.Config) { c.TransactionalID = "transform-1" })
	defer stop()
	ctx := context.Background()
	if err := p.InitTransactions(ctx); err != nil {
		log.Fatal(err)
	}

	err := p.InTransaction(ctx, func(ctx context.Context) error {
		if _, err := p.Send(ctx, posthaste.Record{Topic: "orders", Value: []byte("7")}); err != nil {
			return err
		}
		return errors.New("out of stock")
	})
	fmt.Println(err) // and nobody has seen order 7
	// Output: out of stock
}
