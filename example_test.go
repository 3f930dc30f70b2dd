package posthaste_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"strings"

	"github.com/posthaste-go/posthaste"
	"github.com/posthaste-go/posthaste/broker"
	"github.com/posthaste-go/posthaste/partitioner"
	"github.com/posthaste-go/posthaste/serializer"
)

// start is a broker in this process and a producer for it; stop ends both.
func start(cfg func(*posthaste.Config)) (p *posthaste.Producer, stop func()) {
	b, err := broker.Start(broker.Config{Topics: map[string]int{"orders": 1, "visits": 12}})
	if err != nil {
		log.Fatal(err)
	}
	c := posthaste.DefaultConfig()
	c.BootstrapServers = []string{b.Addr()}
	if cfg != nil {
		cfg(&c)
	}
	if p, err = posthaste.NewProducer(c); err != nil {
		log.Fatal(err)
	}
	return p, func() {
		if err := p.Close(context.Background()); err != nil {
			log.Fatal(err)
		}
		b.Close()
	}
}

// The broker is in the same process, so this example runs as a test.
func ExampleProducer_Send() {
	p, stop := start(nil)
	defer stop()
	ctx := context.Background()

	d, err := p.Send(ctx, posthaste.Record{Topic: "orders", Value: []byte("tea")})
	if err != nil {
		log.Fatal(err) // nothing was buffered
	}
	md, err := d.Wait(ctx)
	if err != nil {
		log.Fatal(err) // the broker, or time, said no
	}
	fmt.Printf("%s-%d@%d\n", md.Topic, md.Partition, md.Offset)
	// Output: orders-0@0
}

// Fire and forget: drop the Delivery. Flush says when all are through.
func ExampleProducer_Flush() {
	p, stop := start(nil)
	defer stop()
	ctx := context.Background()

	for i := range 1000 {
		value := fmt.Appendf(nil, "order %d", i)
		if _, err := p.Send(ctx, posthaste.Record{Topic: "orders", Value: value}); err != nil {
			log.Fatal(err)
		}
	}
	if err := p.Flush(ctx); err != nil {
		log.Fatal(err)
	}
	fmt.Println(p.Metrics().RecordsSent, "acknowledged")
	// Output: 1000 acknowledged
}

// Callbacks come in the order of the records of a partition.
func ExampleProducer_SendAsync() {
	p, stop := start(nil)
	for _, what := range []string{"tea", "milk", "sugar"} {
		r := posthaste.Record{Topic: "orders", Value: []byte(what)}
		p.SendAsync(context.Background(), r, func(md posthaste.RecordMetadata, err error) {
			if err != nil {
				log.Print(err)
				return
			}
			fmt.Println(what, "at", md.Offset)
		})
	}
	stop() // Close delivers and runs the callbacks
	// Output:
	// tea at 0
	// milk at 1
	// sugar at 2
}

func ExampleNewTyped() {
	p, stop := start(nil)
	defer stop()
	type Order struct {
		Item  string `json:"item"`
		Count int    `json:"count"`
	}
	orders := posthaste.NewTyped(p, serializer.String{}, serializer.JSON[Order]{})
	md, err := orders.SendSync(context.Background(), posthaste.TypedRecord[string, Order]{
		Topic: "orders", Key: posthaste.Some("a17"), Value: posthaste.Some(Order{"tea", 2}),
	})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(md.KeySize, "bytes of key,", md.ValueSize, "of value")
	// Output: 3 bytes of key, 24 of value
}

// upper is an interceptor: it sees records before they are serialized.
type upper struct{ acked int }

func (u *upper) OnSend(r *posthaste.InterceptedRecord) error {
	if v, ok := r.Value.([]byte); ok {
		r.Value = []byte(strings.ToUpper(string(v)))
	}
	return nil
}

func (u *upper) OnAcknowledgement(a posthaste.Acknowledgement) {
	if a.Err == nil {
		u.acked++
	}
}

func ExampleInterceptor() {
	shout := &upper{}
	p, stop := start(func(c *posthaste.Config) {
		c.Interceptors = []posthaste.Interceptor{shout}
	})
	_, err := p.Send(context.Background(), posthaste.Record{Topic: "orders", Value: []byte("tea")})
	if err != nil {
		log.Fatal(err)
	}
	stop()
	fmt.Println(shout.acked)
	// Output: 1
}

// vip gives one customer half of the partitions, and all others the rest.
type vip struct{ customer string }

func (v vip) Partition(r partitioner.Record, t partitioner.Topic) (int32, error) {
	half := t.NumPartitions() / 2
	n := partitioner.ForKey(r.ValueBytes, half) // spreads the customer's own records
	if string(r.KeyBytes) == v.customer {
		return n, nil
	}
	return int32(half) + partitioner.ForKey(r.KeyBytes, t.NumPartitions()-half), nil
}

func ExampleConfig_partitioner() {
	p, stop := start(func(c *posthaste.Config) { c.Partitioner = vip{"banana"} })
	defer stop()
	ctx := context.Background()
	for _, key := range []string{"banana", "apple", "banana", "cherry"} {
		md, err := p.SendSync(ctx, posthaste.Record{
			Topic: "visits", Key: []byte(key), Value: []byte(key + "'s visit"),
		})
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(key, md.Partition < 6)
	}
	// Output:
	// banana true
	// apple false
	// banana true
	// cherry false
}

// An error says whether sending again may double the record.
func ExampleDeliveryError() {
	p, stop := start(nil)
	defer stop()
	ctx := context.Background()
	d, err := p.Send(ctx, posthaste.Record{Topic: "orders", Value: []byte("tea")})
	if err != nil {
		log.Fatal(err)
	}
	_, err = d.Wait(ctx)
	switch failed, ok := errors.AsType[*posthaste.DeliveryError](err); {
	case err == nil:
		fmt.Println("delivered")
	case errors.Is(err, posthaste.ErrFenced):
		fmt.Println("another instance took over: stop")
	case ok && failed.Certainty == posthaste.MaybeWritten:
		fmt.Println("it may be in the log: look before sending again")
	default:
		fmt.Println("no broker has it: send again")
	}
	// Output: delivered
}
