package jsonschema_test

import (
	"fmt"
	"log"

	"github.com/posthaste-go/posthaste/schemaregistry"
	"github.com/posthaste-go/posthaste/schemaregistry/embedded"
	"github.com/posthaste-go/posthaste/serializer/jsonschema"
)

type Order struct {
	ID   int64  `json:"id"`
	Item string `json:"item,omitempty" jsonschema:"what was bought"`
}

func ExampleFor() {
	registry, err := embedded.Start(embedded.Config{})
	if err != nil {
		log.Fatal(err)
	}
	defer registry.Close()
	client, err := schemaregistry.NewClient(schemaregistry.Config{URLs: []string{registry.URL()}})
	if err != nil {
		log.Fatal(err)
	}
	defer client.Close()

	orders, err := jsonschema.For[Order](client)
	if err != nil {
		log.Fatal(err)
	}
	b, err := orders.Serialize(nil, "orders", nil, Order{ID: 7, Item: "tea"})
	fmt.Printf("%q %v\n", b, err)
	_, err = orders.Deserialize("orders", nil, []byte("\x00\x00\x00\x00\x01{\"item\": 5}"))
	fmt.Println(err)
	// Output:
	// "\x00\x00\x00\x00\x01{\"id\":7,\"item\":\"tea\"}" <nil>
	// schema 1: item: 5 is a float64, but the schema wants string
}
