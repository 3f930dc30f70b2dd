// Package schemas measures serializers of schema registries side by side: what a
// record of 12 fields costs as Avro in Posthaste, in confluent-kafka-go, and in
// the two fastest Avro libraries of Go by themselves.
//
//	cd bench && go test -bench . -count 10 ./schemas
package schemas
