package interop

import (
	"context"
	"os/exec"
	"slices"
	"testing"

	"github.com/posthaste-go/posthaste/interop/driver"
	"github.com/posthaste-go/posthaste/interop/franz"
	"github.com/posthaste-go/posthaste/interop/java"
	"github.com/posthaste-go/posthaste/interop/kcat"
	"github.com/posthaste-go/posthaste/interop/node"
	"github.com/posthaste-go/posthaste/interop/python"
	"github.com/posthaste-go/posthaste/interop/record"
)

var codecs = []string{"none", "gzip", "snappy", "lz4", "zstd"}

// A reader is a client that reads a whole topic.
type reader struct {
	name   string
	open   func(testing.TB) consumer
	codecs []string                          // that it knows
	sees   func(record.Record) record.Record // what it can show of a record; nil: all
}

type consumer interface {
	Consume(context.Context, driver.Consume) ([]record.Record, error)
}

var readers = []reader{
	{name: "Java", codecs: codecs,
		open: func(t testing.TB) consumer { return java.Driver(t) }},
	{name: "librdkafka", codecs: codecs,
		open: func(t testing.TB) consumer { return python.Librdkafka(t) }},
	{name: "kafka-python", codecs: codecs,
		open: func(t testing.TB) consumer { return python.KafkaPython(t) }},
	{name: "franz-go", codecs: codecs,
		open: func(testing.TB) consumer { return franz.Client{} }},
	{name: "kcat", codecs: codecs, sees: withoutHeaders, open: openKcat},
	{name: "kafkajs", codecs: codecs[:3], sees: headersByName,
		open: func(t testing.TB) consumer { return node.KafkaJS(t) }},
}

func openKcat(t testing.TB) consumer {
	if _, err := exec.LookPath("kcat"); err != nil {
		// Not asked for even in CI: librdkafka is read through Python there.
		t.Skipf("kcat is not installed: %v", err)
	}
	return kcat.Client{}
}

func withoutHeaders(r record.Record) record.Record {
	r.Headers = nil
	return r
}

// headersByName brings headers in the order in which kafkajs gives them: an
// object's keys, each with its values.
func headersByName(r record.Record) record.Record {
	var names []string
	for _, h := range r.Headers {
		if !slices.Contains(names, h.Name) {
			names = append(names, h.Name)
		}
	}
	var headers []record.Header
	for _, name := range names {
		for _, h := range r.Headers {
			if h.Name == name {
				headers = append(headers, h)
			}
		}
	}
	r.Headers = headers
	return r
}

// A writer is a client that writes records with settings of Java's names.
type writer struct {
	name   string
	open   func(testing.TB) producer
	codecs []string
	config map[string]string        // on top of a test's settings
	shapes func(record.Record) bool // false for a record it cannot write; nil: all
}

type producer interface {
	Produce(context.Context, driver.Produce) ([]record.Outcome, error)
}

var (
	franzWriter = writer{name: "franz-go", codecs: codecs,
		open: func(testing.TB) producer { return franz.Client{} }}
	javaWriter = writer{name: "Java", codecs: codecs,
		open: func(t testing.TB) producer { return java.Driver(t) }}
	librdkafkaWriter = writer{name: "librdkafka", codecs: codecs,
		open:   func(t testing.TB) producer { return python.Librdkafka(t) },
		config: map[string]string{"message.max.bytes": "1048588"}}
	kafkaPythonWriter = writer{name: "kafka-python", codecs: codecs, shapes: keyOrValueNoNullHeader,
		open: func(t testing.TB) producer { return python.KafkaPython(t) }}
	kafkaJSWriter = writer{name: "kafkajs", codecs: codecs[:3], shapes: noNullHeader,
		open: func(t testing.TB) producer { return node.KafkaJS(t) }}
)

// noNullHeader: kafkajs cannot write a header whose value is null.
func noNullHeader(r record.Record) bool {
	return !slices.ContainsFunc(r.Headers, func(h record.Header) bool { return h.Value == nil })
}

// keyOrValueNoNullHeader: kafka-python refuses a record that has neither key nor
// value, and a header whose value is null.
func keyOrValueNoNullHeader(r record.Record) bool {
	return (r.Key != nil || r.Value != nil) && noNullHeader(r)
}
