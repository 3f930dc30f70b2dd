package broker_test

import (
	"context"
	"fmt"
	"log"
	"os"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/posthaste-go/posthaste/broker"
)

// send writes one record with any Kafka client, here franz-go's.
func send(b *broker.Broker, value string) {
	cl, err := kgo.NewClient(kgo.SeedBrokers(b.Addr()), kgo.DefaultProduceTopic("orders"))
	if err != nil {
		log.Fatal(err)
	}
	defer cl.Close()
	r := &kgo.Record{Value: []byte(value), Timestamp: time.Unix(1_700_000_000, 0)}
	if err := cl.ProduceSync(context.Background(), r).FirstErr(); err != nil {
		log.Fatal(err)
	}
}

func ExampleStart() {
	b, err := broker.Start(broker.Config{Topics: map[string]int{"orders": 1}})
	if err != nil {
		log.Fatal(err)
	}
	defer b.Close()
	send(b, "tea")
	fmt.Println(b.End("orders", 0), "record")
	// Output: 1 record
}

// The first answer is lost after the record was written. The producer sends it
// again, and the broker knows it by its sequence.
func ExampleBroker_Inject() {
	b, err := broker.Start(broker.Config{Topics: map[string]int{"orders": 1}})
	if err != nil {
		log.Fatal(err)
	}
	defer b.Close()
	b.Inject(broker.Produce().Nth(1).DropResponse())
	send(b, "tea")
	fmt.Println(b.End("orders", 0), "record")
	// Output: 1 record
}

func ExampleBroker_Dump() {
	b, err := broker.Start(broker.Config{Topics: map[string]int{"orders": 1}})
	if err != nil {
		log.Fatal(err)
	}
	defer b.Close()
	send(b, "tea")
	send(b, "milk")
	if err := b.Dump(os.Stdout, "orders", 0); err != nil {
		log.Fatal(err)
	}
	// Output:
	// batch 0..0 none 71 bytes producer=0 epoch=0 sequence=0
	//   0 2023-11-14T22:13:20Z key=null value="tea"
	// batch 1..1 none 72 bytes producer=1 epoch=0 sequence=0
	//   1 2023-11-14T22:13:20Z key=null value="milk"
}

// A broker that is killed forgets what was not on its disk, which is nothing
// that it had acknowledged.
func ExampleBroker_Kill() {
	disk := broker.NewDisk(nil)
	b, err := broker.Start(broker.Config{Disk: disk, Topics: map[string]int{"orders": 1}})
	if err != nil {
		log.Fatal(err)
	}
	send(b, "tea")
	if err := b.Kill(); err != nil {
		log.Fatal(err)
	}
	b, err = broker.Start(broker.Config{Disk: disk})
	if err != nil {
		log.Fatal(err)
	}
	defer b.Close()
	fmt.Println(b.End("orders", 0), "record")
	// Output: 1 record
}
