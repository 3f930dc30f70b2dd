// Command posthaste produces records to Kafka, reads them back, measures, and
// brings its own broker for where there is none.
//
//	posthaste produce --topic airports --key-field iata airports.csv
//	posthaste consume --topic airports --from-beginning --max-messages 5
//
// Every command talks to the brokers that --bootstrap-server or a Java
// .properties file names. Without any it opens the embedded broker on --data
// for as long as it runs, or talks to the posthaste that already has that
// directory open.
//
// Exit codes: 0 when everything asked for was done, 1 when a run failed, 2 for
// wrong usage or configuration. SIGINT and SIGTERM end a command in order; a
// second one ends it at once.
package main

import (
	"os"
	"os/signal"
	"syscall"
)

func main() {
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	// A reader that goes away is an error of the write to it, so that records
	// under way are still delivered and reported.
	signal.Ignore(syscall.SIGPIPE)
	os.Exit(run(os.Args[1:], streams{in: os.Stdin, out: os.Stdout, err: os.Stderr,
		signals: signals, kill: os.Exit}))
}
