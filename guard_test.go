package posthaste_test

import (
	"context"
	"testing"

	"github.com/posthaste-go/posthaste"
	"github.com/posthaste-go/posthaste/broker"
	"github.com/posthaste-go/posthaste/internal/guard"
)

// What a caller's goroutine does for a record whose batch is open.
func TestInstructions(t *testing.T) {
	send := func(key []byte) func() func() {
		return func() func() {
			b, err := broker.Start(broker.Config{Topics: map[string]int{"t": 1}})
			if err != nil {
				panic(err)
			}
			p, err := posthaste.NewProducer(guardConfig(b.Addr()))
			if err != nil {
				panic(err)
			}
			ctx, r := context.Background(), posthaste.Record{Topic: "t", Key: key,
				Value: make([]byte, 100)}
			send := func() {
				if _, err := p.Send(ctx, r); err != nil {
					panic(err)
				}
			}
			for range 330 { // half a batch: its buffer grows no more
				send()
			}
			return send
		}
	}
	guard.Check(t, map[string]guard.Work{
		"send 100 bytes":            {Times: 16, Prepare: send(nil)},
		"send 100 bytes with a key": {Times: 16, Prepare: send([]byte("0123456789"))},
	})
}

func guardConfig(addr string) posthaste.Config {
	cfg, err := posthaste.ConfigFromMap(map[string]string{"bootstrap.servers": addr,
		"linger.ms": "60000", "batch.size": "65536"})
	if err != nil {
		panic(err)
	}
	return cfg
}
