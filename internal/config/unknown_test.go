package config

import (
	"slices"
	"strings"
	"testing"
)

func TestUnknownSaysWhatWasProbablyMeant(t *testing.T) {
	tests := map[string]string{
		"linger.mss":       "unknown setting linger.mss; did you mean linger.ms?",
		"liger.ms":         "unknown setting liger.ms; did you mean linger.ms?",
		"bootstrap.server": "unknown setting bootstrap.server; did you mean bootstrap.servers?",
		"compresion.type":  "unknown setting compresion.type; did you mean compression.type?",
		"ackss":            "unknown setting ackss; did you mean acks?",
		"akcs":             "unknown setting akcs; did you mean acks?",
		"LINGER_MS":        "unknown setting LINGER_MS; did you mean linger.ms?",
		"lingerMs":         "unknown setting lingerMs; did you mean linger.ms?",
		"enable-idempotence": "unknown setting enable-idempotence; " +
			"did you mean enable.idempotence?",
		"producer.batch.size":        "unknown setting producer.batch.size; did you mean batch.size?",
		"spring.kafka.producer.acks": "unknown setting spring.kafka.producer.acks; did you mean acks?",
		"queue.buffering.max.ms":     "queue.buffering.max.ms is librdkafka's name; use linger.ms",
		"batch.num.messages": "batch.num.messages is librdkafka's name; batches are bounded in " +
			"bytes: use batch.size",
		"message.max.bytes": "message.max.bytes is librdkafka's name; use max.request.size",
		"enable.gapless.guarantee": "enable.gapless.guarantee is librdkafka's name; the producer " +
			"here has no such setting",
		"Producer.Flush.Frequency": "Producer.Flush.Frequency is sarama's name; use linger.ms",
		"ProducerLinger":           "ProducerLinger is franz-go's name; use linger.ms",
		"BatchTimeout":             "BatchTimeout is kafka-go's name; use linger.ms",
		"block.on.buffer.full": "block.on.buffer.full is the old Scala producer's name; " +
			"use max.block.ms",
		"group.id":      "group.id is a setting of the consumer; a producer does not use it",
		"log.dirs":      "log.dirs is a setting of the broker; a producer does not use it",
		"retention.ms":  "retention.ms is a setting of the topic; a producer does not use it",
		"my.own.plugin": "unknown setting my.own.plugin; it is kept for serializers and interceptors",
		"":              "unknown setting ; it is kept for serializers and interceptors",

		// Settings of serializers and interceptors are nobody's mistake.
		"schema.registry.url":                 "",
		"key.serializer.encoding":             "",
		"auto.register.schemas":               "",
		"counting.interceptor.window.size.ms": "",
		"value.subject.name.strategy":         "",
		"default.list.key.serde.inner":        "",
		"basic.auth.credentials.source":       "",
	}
	for key, want := range tests {
		if got := Unknown(key); got != want {
			t.Errorf("Unknown(%q) = %q, want %q", key, got, want)
		}
	}
}

// A name that Kafka's producer has must never be reported as another's.
func TestForeignNamesAreForeign(t *testing.T) {
	for _, f := range foreign {
		for name, instead := range f.names {
			if _, known := Lookup(name); known {
				t.Errorf("%s, of %s, is a setting of Kafka's producer", name, f.client)
			}
			checkUse(t, name, instead)
		}
	}
	for _, side := range otherSides {
		for name := range strings.FieldsSeq(side.names) {
			if _, known := Lookup(name); known {
				t.Errorf("%s, of the %s, is a setting of the producer", name, side.name)
			}
		}
	}
}

// checkUse wants the names after "use" to exist.
func checkUse(t *testing.T, name, instead string) {
	t.Helper()
	rest, ok := strings.CutPrefix(instead, "use ")
	if !ok {
		return
	}
	ends := func(r rune) bool { return strings.ContainsRune(" ,=", r) }
	first := strings.FieldsFunc(rest, ends)[0]
	if first == "sasl.oauthbearer.*" {
		return
	}
	if _, known := Lookup(first); !known {
		t.Errorf("%s: %q names %s, which is no setting", name, instead, first)
	}
}

// Every one-letter mistake in every name must lead back to the name, or to another
// that is as close.
func TestNearestFindsOneLetterMistakes(t *testing.T) {
	for _, s := range Table {
		for i := range s.Name {
			typo := s.Name[:i] + s.Name[i+1:]
			if _, known := Lookup(typo); known {
				continue
			}
			near := Nearest(typo)
			if near != s.Name && distance(fold(typo), fold(near), 9) > 1 {
				t.Errorf("Nearest(%q) = %q, want %q", typo, near, s.Name)
			}
		}
	}
}

func TestDistance(t *testing.T) {
	tests := []struct {
		a, b string
		want int
	}{
		{"", "", 0}, {"a", "", 1}, {"kitten", "sitting", 3}, {"ab", "ba", 1}, {"acks", "akcs", 1},
		{"abcdef", "ghijkl", 4}, // the limit
	}
	for _, tt := range tests {
		if got := distance(tt.a, tt.b, 4); got != tt.want {
			t.Errorf("distance(%q, %q) = %d, want %d", tt.a, tt.b, got, tt.want)
		}
	}
}

func TestSettingsWithoutEffectSaySo(t *testing.T) {
	tests := map[string]struct{ value, want string }{
		"metric.reporters": {"com.example.Reporter", "metric.reporters has no effect: " + noJMX},
		"ssl.provider":     {"BC", "ssl.provider has no effect: " + jvmOnly},
	}
	for name, tt := range tests {
		s, _ := Lookup(name)
		v, err := s.Parse(tt.value)
		if err != nil || s.Ignored(v) != tt.want {
			t.Errorf("%s: %q, %v, want %q", name, s.Ignored(v), err, tt.want)
		}
	}
	for name, value := range map[string]string{
		"metric.reporters":                  "org.apache.kafka.common.metrics.JmxReporter",
		"linger.ms":                         "7",
		"metrics.num.samples":               "2",
		"sasl.login.callback.handler.class": oauthPackage + "OAuthBearerLoginCallbackHandler",
	} {
		s, _ := Lookup(name)
		v, err := s.Parse(value)
		if err != nil || s.Ignored(v) != "" {
			t.Errorf("%s=%s: %q, %v, want no warning", name, value, s.Ignored(v), err)
		}
	}
}

func TestSecretsOfUnknownSettingsAreHidden(t *testing.T) {
	if got := ShowUnknown("basic.auth.user.info", "u:p"); got != Hidden {
		t.Errorf("basic.auth.user.info shows as %q", got)
	}
	if got := ShowUnknown("schema.registry.url", "http://h"); got != "http://h" {
		t.Errorf("schema.registry.url shows as %q", got)
	}
}

func TestTableIsSorted(t *testing.T) {
	byName := func(a, b Setting) int { return strings.Compare(a.Name, b.Name) }
	if !slices.IsSortedFunc(Table, byName) {
		t.Error("Lookup needs the table in order")
	}
}
