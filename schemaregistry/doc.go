// Package schemaregistry is a client of a schema registry that speaks
// Confluent's REST API: Confluent's own, Karapace, Apicurio in its compatible
// mode, Redpanda's, and the one of package schemaregistry/embedded.
//
//	client, err := schemaregistry.NewClient(schemaregistry.Config{
//		URLs: []string{"http://localhost:8081"},
//	})
//	orders, err := avro.For[Order](client) // serializes and deserializes
//
// A program asks the registry once for each schema, however many goroutines
// want it, and keeps the answer: what an id means never changes. So a program
// that has its schemas goes on when the registry is down, and one with a lock
// file (see [Lock]) starts without it.
//
//	caller ──▶ cache ──miss──▶ flight ──first of all callers──▶ attempt
//	                                                   next URL, backoff ◀─┘
//
// The serializers that put schema ids into records are in serializer/avro,
// serializer/protobuf and serializer/jsonschema; the bytes around a value are in
// schemaregistry/wireformat. This package needs nothing but the standard
// library, and no format's library.
package schemaregistry
