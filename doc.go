// Package posthaste is a producer for Apache Kafka.
//
//	cfg, err := posthaste.LoadPropertiesFile("producer.properties") // a Java service's own
//	p, err := posthaste.NewProducer(cfg)
//	defer p.Close(ctx)
//
//	d, err := p.Send(ctx, posthaste.Record{Topic: "orders", Key: key, Value: value})
//	md, err := d.Wait(ctx) // or drop d: fire and forget
//
// A record's way, each step in a package of its own under internal/producer:
//
//	Send ─▶ interceptors ─▶ serializer ─▶ partitioner
//	     ─▶ accumulator   gathers a batch for each partition, in the form it travels in
//	     ─▶ sender        decides: which batch to which broker, order, retries, time
//	     ─▶ conn          one connection to each broker: a writer and a reader
//	     ─▶ completion    tells Deliveries, callbacks and interceptors
//
// By default a record is acknowledged by all replicas in sync, stands in the log
// exactly once and in the order of the sends (acks=all, idempotence), and is
// either acknowledged or reported as failed within delivery.timeout.ms. A failure
// says whether the record may still be in the log: see DeliveryError.
//
// Packages beside this one:
//
//	serializer    keys and values as bytes, as Kafka's own classes write them
//	partitioner   Kafka's choice of partition, other clients', and one's own
//	broker        an embedded Kafka broker for tests, laptops and first runs
//	cmd/posthaste the command-line tool
package posthaste
