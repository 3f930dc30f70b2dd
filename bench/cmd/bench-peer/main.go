// Command bench-peer times the Kafka producers of other Go projects, each set up
// as its documentation advises for what the flags ask.
//
//	bench-peer --client franz --bootstrap 127.0.0.1:9092 --topic bench --records 1000000
//
// Where a client has no counterpart of a flag, the result's note says so.
package main

import (
	"fmt"
	"os"

	"github.com/posthaste-go/posthaste/bench/internal/run"
)

func main() {
	os.Exit(run.Main(func(o *run.Options) (run.Identity, run.Factory, error) {
		switch o.Client {
		case "franz":
			id, factory := franzClient(o)
			return id, factory, nil
		case "sarama":
			id, factory := saramaClient(o)
			return id, factory, nil
		case "segmentio":
			id, factory := segmentioClient(o)
			return id, factory, nil
		default:
			return run.Identity{}, nil,
				fmt.Errorf("--client=%q: want franz, sarama or segmentio", o.Client)
		}
	}))
}
