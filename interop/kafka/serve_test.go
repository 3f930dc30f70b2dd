//go:build unix

package kafka

import (
	"flag"
	"fmt"
	"io"
	"os"
	"testing"
)

var serve = flag.Bool("serve", false, "run a node until standard input ends")

// TestServe is a Kafka node for programs outside of tests: built with go test -c
// and run with -test.run TestServe -serve, it prints "ready HOST:PORT PID" and
// serves until its standard input ends. bench-run --kafka does that.
//
// Deleted topics are removed from the disk at once, because a bench fills one in
// minutes; the node is fenced no sooner than any broker out of the box.
func TestServe(t *testing.T) {
	if !*serve {
		return
	}
	c := StartNode(t, Options{Properties: map[string]string{
		"log.segment.delete.delay.ms": "1000", "broker.session.timeout.ms": "9000",
		"broker.heartbeat.interval.ms": "2000", "auto.create.topics.enable": "false"}})
	fmt.Printf("ready %s %d\n", c.Bootstrap(), c.Nodes[0].PID())
	if _, err := io.Copy(io.Discard, os.Stdin); err != nil {
		t.Error(err)
	}
}
