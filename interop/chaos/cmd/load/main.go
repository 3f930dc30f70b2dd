// Command load sends the load of a chaos run from a client written in Go; see
// package load for what it reads and writes.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/posthaste-go/posthaste/interop/chaos/load"
)

// A client sends records in their order, to partitions that it chooses by key.
type client interface {
	// send passes the record on and, later or at once, its outcome to done.
	send(r load.Record, done func(load.Outcome))
	// close returns when all records have their outcomes.
	close(ctx context.Context) error
}

// A transactor is a client whose records are sent in transactions.
type transactor interface {
	begin(ctx context.Context) error
	// end commits or aborts; it returns what became of the transaction, and why it
	// is not what was asked for.
	end(ctx context.Context, commit bool) (what string, why error)
}

// What clients have in common that have a setting for it.
const (
	linger = 5 * time.Millisecond
	room   = 32 << 20 // bytes of records that wait
)

var clients = map[string]func(load.Spec) (client, error){
	"posthaste":       newPosthaste,
	"franz-go":        newFranz,
	"sarama":          newSarama,
	"sarama-defaults": newSaramaDefaults,
}

func main() {
	if err := run(bufio.NewReader(os.Stdin)); err != nil {
		fmt.Fprintln(os.Stderr, "load:", err)
		os.Exit(1)
	}
}

func run(stdin *bufio.Reader) error {
	line, err := stdin.ReadBytes('\n')
	if err != nil {
		return err
	}
	var spec load.Spec
	if err := json.Unmarshal(line, &spec); err != nil {
		return err
	}
	open, ok := clients[spec.Client]
	if !ok {
		return fmt.Errorf("no client is called %q", spec.Client)
	}
	file, err := os.Create(spec.Outcomes)
	if err != nil {
		return err
	}
	c, err := open(spec)
	if err != nil {
		return err
	}
	s := &sender{client: c, open: open, spec: spec, out: load.NewWriter(file),
		records: load.NewGenerator(spec), stop: make(chan struct{})}
	go s.await(stdin)
	fmt.Println("sending")
	if err := s.send(); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	if err := s.client.close(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "load: close:", err)
	}
	n, err := s.out.Close()
	if err != nil {
		return err
	}
	fmt.Println("sent", n)
	return file.Close()
}

// A sender sends a Spec's records at its pace.
type sender struct {
	client  client
	open    func(load.Spec) (client, error)
	spec    load.Spec
	out     *load.Writer
	records *load.Generator
	stop    chan struct{} // closed when "stop" was read
}

// await obeys standard input.
func (s *sender) await(stdin *bufio.Reader) {
	if line, err := stdin.ReadString('\n'); err != nil || line != "stop\n" {
		os.Exit(3) // whoever started this is gone
	}
	close(s.stop)
	_, _ = io.Copy(io.Discard, stdin)
	os.Exit(3)
}

func (s *sender) send() error {
	if s.spec.TxnRecords > 0 {
		return s.sendTransactions()
	}
	pace := load.NewPace(s.spec.Rate, time.Now())
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-s.stop:
			return nil
		case now := <-tick.C:
			for range pace.Due(now) {
				s.sendOne(0)
			}
		}
	}
}

func (s *sender) sendOne(txn uint32) {
	r := s.records.Next()
	r.Txn = txn
	s.client.send(r, func(o load.Outcome) {
		o.Key, o.Number = r.Key, r.Number
		s.out.Write(o, time.Now())
	})
}

// sendTransactions sends transaction after transaction, until stopped or until
// the client can begin no more.
func (s *sender) sendTransactions() error {
	pace := load.NewPace(s.spec.Rate, time.Now())
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	ctx := context.Background()
	for txn := uint32(1); ; txn++ {
		t, ok := s.client.(transactor)
		if !ok {
			return fmt.Errorf("%s has no transactions here", s.spec.Client)
		}
		if err := t.begin(ctx); err != nil {
			return fmt.Errorf("begin transaction %d: %w", txn, err)
		}
		size, abort := s.records.TxnSize(s.spec.TxnRecords)
		for size > 0 {
			due := min(size, pace.Due(<-tick.C))
			for range due {
				s.sendOne(txn)
			}
			size -= due
		}
		what, why := t.end(ctx, !abort)
		o := load.Outcome{Txn: true, Number: uint64(txn), What: what}
		if why != nil {
			o.Why = why.Error()
		}
		s.out.Write(o, time.Now())
		select {
		case <-s.stop:
			return nil
		default:
		}
		if what == load.Unknown {
			if err := s.replace(ctx); err != nil {
				return err
			}
		}
	}
}

// replace goes on with a new client, which settles what the old one left open.
func (s *sender) replace(ctx context.Context) error {
	if err := s.client.close(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "load: close a client that has failed:", err)
	}
	var err error
	s.client, err = s.open(s.spec)
	return err
}
