// Package interop proves Posthaste against real parts: the producer against
// Apache Kafka, what it wrote against readers that share no code with it, and
// the embedded broker against clients and tools that were not written for it.
//
//	cd interop && go test ./...
//
// Everything needed beside Go, Java, Maven, Python and Node is fetched once into
// the user's cache: see the packages java, python and node. A test whose
// program is absent is skipped and says so; where CI=true it fails: see package
// need.
//
// # The matrix
//
// Each writer writes the records of record.Shapes with each codec (none, gzip,
// snappy, lz4, zstd) and each acks (0, 1, all), each into a topic of its own,
// and every reader reads every topic:
//
//	         Apache Kafka          embedded broker
//	writes   posthaste       posthaste, franz-go, Java, librdkafka, kafka-python, kafkajs
//	reads    Java, librdkafka, kafka-python, franz-go, kafkajs (none, gzip, snappy), kcat
//
// kafkajs reads as a member of a consumer group, the others by assignment. With
// three nodes the leader is killed, stopped and frozen under a running
// producer; package chaos does worse. Kafka's command line tools work on the
// embedded broker, and its DumpLogSegments reads what the broker wrote to disk.
// Both kinds of cluster see transactions, the embedded one those of every make.
package interop
