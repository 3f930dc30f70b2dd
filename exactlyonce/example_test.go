package exactlyonce_test

import (
	"bytes"
	"context"
	"fmt"
	"log"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/posthaste-go/posthaste"
	"github.com/posthaste-go/posthaste/broker"
	"github.com/posthaste-go/posthaste/exactlyonce"
)

// Orders become invoices, each exactly once. The broker is in the same process,
// so this example runs as a test.
func ExampleRun() {
	b, err := broker.Start(broker.Config{Topics: map[string]int{"orders": 1, "invoices": 1}})
	if err != nil {
		log.Fatal(err)
	}
	defer b.Close()
	cfg := posthaste.DefaultConfig()
	cfg.BootstrapServers = []string{b.Addr()}
	order(cfg, "tea", "milk", "biscuits")

	ctx, stop := context.WithCancel(context.Background())
	cfg.TransactionalID = "billing-1" // this instance's own, also after a restart
	invoices := 0
	err = exactlyonce.Run(ctx, exactlyonce.Config{
		Producer: cfg,
		Group:    "billing",
		Topics:   []string{"orders"},
	}, func(ctx context.Context, in *kgo.Record, out *exactlyonce.Output) error {
		if invoices++; invoices == 3 {
			stop() // what was handled is committed
		}
		return out.Send(posthaste.Record{Topic: "invoices", Key: in.Key,
			Value: bytes.ToUpper(in.Value)})
	})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("invoices, and the marker that commits them:", b.End("invoices", 0))
	// Output: invoices, and the marker that commits them: 4
}

// order writes to the topic that is read.
func order(cfg posthaste.Config, values ...string) {
	p, err := posthaste.NewProducer(cfg)
	if err != nil {
		log.Fatal(err)
	}
	defer p.Close(context.Background())
	for _, v := range values {
		if _, err := p.SendSync(context.Background(), posthaste.Record{Topic: "orders",
			Value: []byte(v)}); err != nil {
			log.Fatal(err)
		}
	}
}
