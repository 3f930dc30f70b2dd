package avro_test

import (
	"fmt"
	"log"

	"github.com/posthaste-go/posthaste/schemaregistry"
	"github.com/posthaste-go/posthaste/schemaregistry/embedded"
	"github.com/posthaste-go/posthaste/serializer/avro"
)

// newClient starts a registry in this process; yours has a URL of its own.
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

type Order struct {
	ID   int64   `avro:"id"`
	Item string  `avro:"item"`
	Note *string `avro:"note"` // null or a string
}

// One line makes both directions of a Go type. The schema is registered with
// the first record of a topic.
func ExampleFor() {
	client, stop := newClient()
	defer stop()

	orders, err := avro.For[Order](client)
	if err != nil {
		log.Fatal(err)
	}
	b, err := orders.Serialize(nil, "orders", nil, Order{ID: 7, Item: "tea"})
	if err != nil {
		log.Fatal(err)
	}
	order, err := orders.Deserialize("orders", nil, b)
	fmt.Printf("% x\n%+v %v\n", b, order, err)
	// Output:
	// 00 00 00 00 01 0e 06 74 65 61 00
	// {ID:7 Item:tea Note:<nil>} <nil>
}

// A new reader reads old records: fields that these lack get their default, and
// numbers are promoted.
func ExampleOf() {
	client, stop := newClient()
	defer stop()

	old, err := avro.Of[map[string]any](client, schemaregistry.Schema{Text: `{
		"type": "record", "name": "User", "fields": [{"name": "visits", "type": "int"}]}`})
	if err != nil {
		log.Fatal(err)
	}
	b, err := old.Serialize(nil, "users", nil, map[string]any{"visits": 3})
	if err != nil {
		log.Fatal(err)
	}
	fresh, err := avro.Of[map[string]any](client, schemaregistry.Schema{Text: `{
		"type": "record", "name": "User", "fields": [
			{"name": "visits", "type": "long"},
			{"name": "country", "type": "string", "default": "unknown"}]}`})
	if err != nil {
		log.Fatal(err)
	}
	user, err := fresh.Deserialize("users", nil, b)
	fmt.Println(user, err)
	// Output: map[country:unknown visits:3] <nil>
}

// Values without a Go type are maps. One that does not fit is told by its path.
func ExampleGeneric() {
	client, stop := newClient()
	defer stop()

	orders, err := avro.For[Order](client)
	if err != nil {
		log.Fatal(err)
	}
	b, err := orders.Serialize(nil, "orders", nil, Order{ID: 7, Item: "tea"})
	if err != nil {
		log.Fatal(err)
	}
	anything, err := avro.Generic(client)
	if err != nil {
		log.Fatal(err)
	}
	v, err := anything.Deserialize("orders", nil, b)
	fmt.Println(v, err)

	_, err = anything.Serialize(nil, "orders", nil, map[string]any{"id": "seven", "item": "tea"})
	fmt.Println(err)
	// Output:
	// map[id:7 item:tea note:<nil>] <nil>
	// id: "seven" is a string, but the schema wants long
}
