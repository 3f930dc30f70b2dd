// Command sink is a null broker: it acknowledges what producers send and throws
// it away. It prints "ready HOST:PORT" once it serves. At SIGINT or SIGTERM it
// prints what it received as one line of JSON and ends.
//
//	sink --listen 127.0.0.1:0 --partitions 6
package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/posthaste-go/posthaste/bench/internal/sink"
)

func main() {
	var cfg sink.Config
	flag.StringVar(&cfg.Addr, "listen", "127.0.0.1:0", "HOST:PORT to listen on; port 0 picks one")
	flag.IntVar(&cfg.Partitions, "partitions", 6, "partitions of every topic")
	topics := flag.String("topics", "bench", "topics that exist from the start; others come by use")
	flag.DurationVar(&cfg.Delay, "delay", 0, "wait this long before a produce request is answered")
	flag.Parse()
	cfg.Topics = strings.Split(*topics, ",")
	if err := serve(cfg); err != nil {
		fmt.Fprintln(os.Stderr, "sink:", err)
		os.Exit(1)
	}
}

func serve(cfg sink.Config) error {
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, os.Interrupt, syscall.SIGTERM)
	s, err := sink.Start(cfg)
	if err != nil {
		return err
	}
	fmt.Println("ready", s.Addr())
	<-stop
	if err := s.Close(); err != nil {
		return err
	}
	return json.NewEncoder(os.Stdout).Encode(s.Stats())
}
