package avro_test

import (
	"errors"
	"testing"

	"github.com/posthaste-go/posthaste"
	"github.com/posthaste-go/posthaste/schemaregistry"
	"github.com/posthaste-go/posthaste/schemaregistry/embedded"
	"github.com/posthaste-go/posthaste/serializer"
	"github.com/posthaste-go/posthaste/serializer/avro"
)

// A producer of Go values sends what fits, and what does not fit comes back with
// the place in the value.
func TestAProducersErrorsKeepTheFieldThatDoesNotFit(t *testing.T) {
	registry := embedded.Run(t, embedded.Config{})
	client, err := schemaregistry.NewClient(schemaregistry.Config{URLs: []string{registry.URL()}})
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	values, err := avro.Of[map[string]any](client, schemaregistry.Schema{Text: `{
		"type": "record", "name": "Cart", "fields": [{"name": "lines", "type": {"type": "array",
			"items": {"type": "record", "name": "Line", "fields": [{"name": "n", "type": "int"}]}}}]}`})
	if err != nil {
		t.Fatal(err)
	}
	cfg := posthaste.DefaultConfig()
	cfg.BootstrapServers = registry.BootstrapServers()
	p, err := posthaste.NewProducer(cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close(t.Context())
	carts := posthaste.NewTyped(p, serializer.String{}, values)
	send := func(n any) error {
		_, err := carts.SendSync(t.Context(), posthaste.TypedRecord[string, map[string]any]{
			Topic: "carts", Value: posthaste.Some(map[string]any{
				"lines": []any{map[string]any{"n": n}}}),
		})
		return err
	}
	if err := send(3); err != nil {
		t.Fatal(err)
	}
	err = send("three")
	field, ok := errors.AsType[*serializer.FieldError](err)
	whole, ok2 := errors.AsType[*posthaste.SerializationError](err)
	if !ok || !ok2 || field.Path != "lines[0].n" || field.Value != "three" || field.Want != "int" ||
		whole.Topic != "carts" || whole.IsKey {
		t.Errorf("%v", err)
	}
}
