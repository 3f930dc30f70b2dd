// Package embedded is a schema registry in this process: the REST API of
// Confluent's registry for Avro, Protobuf and JSON Schema, kept in a compacted
// topic of the embedded broker or of any Kafka cluster.
//
//	r, err := embedded.Start(embedded.Config{BootstrapServers: []string{"kafka:9092"}})
//	defer r.Close()
//	// schema.registry.url = r.URL()
//
// The topic and its records are those of Confluent's registry, so either can
// take over from the other. Several registries on one cluster elect one that
// writes; the others pass writes on to it.
//
// In tests, Run starts a registry, and a broker in memory for it, that end with
// the test.
package embedded
