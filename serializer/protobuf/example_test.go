package protobuf_test

import (
	"fmt"
	"log"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/posthaste-go/posthaste/schemaregistry"
	"github.com/posthaste-go/posthaste/schemaregistry/embedded"
	"github.com/posthaste-go/posthaste/serializer/protobuf"
)

func newClient() (client *schemaregistry.Client, stop func()) {
	registry, err := embedded.Start(embedded.Config{})
	if err != nil {
		log.Fatal(err)
	}
	client, err = schemaregistry.NewClient(schemaregistry.Config{URLs: []string{registry.URL()}})
	if err != nil {
		log.Fatal(err)
	}
	return client, func() {
		client.Close()
		if err := registry.Close(); err != nil {
			log.Print(err)
		}
	}
}

// Any generated message will do.
func ExampleFor() {
	client, stop := newClient()
	defer stop()

	times, err := protobuf.For[*timestamppb.Timestamp](client)
	if err != nil {
		log.Fatal(err)
	}
	b, err := times.Serialize(nil, "times", nil, timestamppb.New(time.Unix(1, 0)))
	if err != nil {
		log.Fatal(err)
	}
	at, err := times.Deserialize("times", nil, b)
	fmt.Printf("% x\n%v %v\n", b, at.AsTime(), err)
	// Output:
	// 00 00 00 00 01 00 08 01
	// 1970-01-01 00:00:01 +0000 UTC <nil>
}

// Without generated types, values are maps by the names of fields.
func ExampleOf() {
	client, stop := newClient()
	defer stop()

	orders, err := protobuf.Of(client, schemaregistry.Schema{
		Type: schemaregistry.Protobuf,
		Text: `syntax = "proto3"; message Order { int64 id = 1; repeated string items = 2; }`,
	}, "Order")
	if err != nil {
		log.Fatal(err)
	}
	b, err := orders.Serialize(nil, "orders", nil, map[string]any{"id": 7, "items": []string{"tea"}})
	if err != nil {
		log.Fatal(err)
	}
	order, err := orders.Deserialize("orders", nil, b)
	fmt.Println(order, err)
	// Output: map[id:7 items:[tea]] <nil>
}
