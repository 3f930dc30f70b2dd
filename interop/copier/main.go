// Command copier copies a topic with package exactlyonce, until SIGTERM. Tests
// kill it.
package main

import (
	"context"
	"flag"
	"log"
	"log/slog"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/posthaste-go/posthaste"
	"github.com/posthaste-go/posthaste/exactlyonce"
)

func main() {
	bootstrap := flag.String("bootstrap", "", "bootstrap.servers")
	in := flag.String("in", "", "topic to read; also the group's name")
	out := flag.String("out", "", "topic to write")
	id := flag.String("id", "", "transactional.id")
	session := flag.Duration("session", 6*time.Second, "session.timeout.ms")
	flag.Parse()
	ctx, cancel := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	defer cancel()
	cfg := posthaste.DefaultConfig()
	cfg.BootstrapServers = []string{*bootstrap}
	cfg.TransactionalID = *id
	cfg.TransactionTimeout = 10 * time.Second
	cfg.Logger = slog.New(slog.NewTextHandler(os.Stderr, nil))
	err := exactlyonce.Run(ctx, exactlyonce.Config{Producer: cfg, Group: *in,
		Topics: []string{*in}, Concurrency: 2,
		Consumer: []kgo.Opt{kgo.SessionTimeout(*session), kgo.HeartbeatInterval(*session / 10)},
	}, func(_ context.Context, r *kgo.Record, o *exactlyonce.Output) error {
		return o.Send(posthaste.Record{Topic: *out, Key: r.Key, Value: r.Value})
	})
	if err != nil {
		log.Fatal(err)
	}
}
