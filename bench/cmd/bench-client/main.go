// Command bench-client times Posthaste. It takes the flags of package run and
// prints one line of JSON.
//
//	bench-client --bootstrap 127.0.0.1:9092 --topic bench --records 1000000
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/posthaste-go/posthaste"

	"github.com/posthaste-go/posthaste/bench/internal/run"
)

func main() {
	os.Exit(run.Main(func(o *run.Options) (run.Identity, run.Factory, error) {
		id := run.Identity{
			Client:  "posthaste",
			Version: run.ModuleVersion("github.com/posthaste-go/posthaste"),
		}
		return id, newPosthaste, nil
	}))
}

// metricsPause is how long Flush waits for counters that lag behind.
const metricsPause = 20 * time.Microsecond

// client adapts posthaste.Producer. Only records whose latency is measured have
// a callback; the others are counted by the producer's own metrics at Flush.
type client struct {
	producer *posthaste.Producer
	topic    string
	outcomes *run.Outcomes

	// How many outcomes have been reported, by callbacks and by Flush.
	reported       atomic.Int64
	reportedFailed atomic.Int64
}

func newPosthaste(o *run.Options, outcomes *run.Outcomes) (run.Client, error) {
	settings := map[string]string{
		"bootstrap.servers":                     o.Bootstrap,
		"acks":                                  o.Acks,
		"enable.idempotence":                    strconv.FormatBool(o.Idempotent),
		"compression.type":                      o.Compression,
		"linger.ms":                             strconv.Itoa(int(o.Linger / time.Millisecond)),
		"batch.size":                            strconv.Itoa(o.BatchBytes),
		"buffer.memory":                         strconv.FormatInt(o.BufferBytes, 10),
		"max.in.flight.requests.per.connection": strconv.Itoa(o.Inflight),
		// A batch that fills a request to the brim must still fit.
		"max.request.size": strconv.Itoa(max(1<<20, 2*o.BatchBytes)),
	}
	if o.Scenario == "defaults" { // not even said, so that it is as without any setting
		delete(settings, "linger.ms")
		delete(settings, "batch.size")
		delete(settings, "max.request.size")
	}
	if o.Partitioner == "roundrobin" {
		settings["partitioner.class"] = "org.apache.kafka.clients.producer.RoundRobinPartitioner"
	}
	cfg, err := posthaste.ConfigFromMap(settings)
	if err != nil {
		return nil, err
	}
	p, err := posthaste.NewProducer(cfg)
	if err != nil {
		return nil, err
	}
	return &client{producer: p, topic: o.Topic, outcomes: outcomes}, nil
}

func (c *client) Send(key, value []byte, sentAt int64) error {
	if sentAt != 0 {
		c.sendTimed(key, value, sentAt)
		return nil
	}
	_, err := c.producer.Send(context.Background(),
		posthaste.Record{Topic: c.topic, Key: key, Value: value})
	return err
}

func (c *client) sendTimed(key, value []byte, sentAt int64) {
	c.producer.SendAsync(context.Background(),
		posthaste.Record{Topic: c.topic, Key: key, Value: value},
		func(_ posthaste.RecordMetadata, err error) {
			c.reported.Add(1)
			if err != nil {
				c.reportedFailed.Add(1)
			}
			c.outcomes.Done(sentAt, err)
		})
}

func (c *client) SendWait(key, value []byte) error {
	_, err := c.producer.SendSync(context.Background(),
		posthaste.Record{Topic: c.topic, Key: key, Value: value})
	return err
}

// Flush waits for all outcomes and reports those without a callback.
func (c *client) Flush(ctx context.Context, total int64) error {
	if err := c.producer.Flush(ctx); err != nil {
		return err
	}
	m := c.producer.Metrics()
	for int64(m.RecordsSent+m.RecordsFailed) < total && ctx.Err() == nil {
		time.Sleep(metricsPause) // the counters come a moment after the outcomes
		m = c.producer.Metrics()
	}
	known := int64(m.RecordsSent + m.RecordsFailed)
	fresh := known - c.reported.Swap(known)
	failed := int64(m.RecordsFailed) - c.reportedFailed.Swap(int64(m.RecordsFailed))
	c.outcomes.DoneN(fresh-failed, nil)
	if failed > 0 {
		c.outcomes.DoneN(failed, errors.New(fmt.Sprint(failed, " records failed; see metrics")))
	}
	return nil
}

func (c *client) Close() error { return c.producer.Close(context.Background()) }
