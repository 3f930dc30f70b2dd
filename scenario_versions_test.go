package posthaste_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kversion"

	"github.com/posthaste-go/posthaste"
	"github.com/posthaste-go/posthaste/internal/protocol"
	"github.com/posthaste-go/posthaste/internal/scriptedbroker"
)

// releases is what this client speaks with brokers of each release.
var releases = []struct {
	name     string
	requests []string // the whole of a first send
}{
	{"v2.1", []string{"ApiVersions v4 refused", "ApiVersions v2", "Metadata v7 [t]",
		"InitProducerId v1", "Produce v7"}},
	{"v2.2", []string{"ApiVersions v4 refused", "ApiVersions v2", "Metadata v7 [t]",
		"InitProducerId v1", "Produce v7"}},
	{"v2.3", []string{"ApiVersions v4 refused", "ApiVersions v2", "Metadata v8 [t]",
		"InitProducerId v1", "Produce v7"}},
	{"v2.4", []string{"ApiVersions v4 refused", "ApiVersions v3", "Metadata v9 [t]",
		"InitProducerId v2", "Produce v8"}},
	{"v2.5", []string{"ApiVersions v4 refused", "ApiVersions v3", "Metadata v9 [t]",
		"InitProducerId v3", "Produce v8"}},
	{"v2.7", []string{"ApiVersions v4 refused", "ApiVersions v3", "Metadata v9 [t]",
		"InitProducerId v4", "Produce v8"}},
	{"v2.8", []string{"ApiVersions v4 refused", "ApiVersions v3", "Metadata v11 [t]",
		"InitProducerId v4", "Produce v9"}},
	{"v3.1", []string{"ApiVersions v4 refused", "ApiVersions v3", "Metadata v12 [t]",
		"InitProducerId v4", "Produce v9"}},
	{"v3.7", []string{"ApiVersions v4 refused", "ApiVersions v3", "Metadata v12 [t]",
		"InitProducerId v4", "Produce v10"}},
	{"v3.9", []string{"ApiVersions v4", "Metadata v12 [t]", "InitProducerId v5", "Produce v11"}},
	{"v4.0", []string{"ApiVersions v4", "Metadata v13 [t]", "InitProducerId v5", "Produce v12"}},
	{"v4.1", []string{"ApiVersions v4", "Metadata v13 [t]", "InitProducerId v5", "Produce v13"}},
	{"v4.4", []string{"ApiVersions v4", "Metadata v13 [t]", "InitProducerId v5", "Produce v13"}},
}

// release is a cluster that speaks what Kafka of that release does.
func release(name string) scriptedbroker.Options {
	o := scriptedbroker.Options{
		Topics: map[string]int{"t": 1}, Versions: map[protocol.Key]protocol.Range{},
	}
	theirs := kversion.FromString(name)
	for _, key := range []protocol.Key{
		protocol.Produce, protocol.Metadata, protocol.InitProducerID, protocol.APIVersions,
	} {
		r := protocol.Range{Max: -1}
		if newest, ok := theirs.LookupMaxKeyVersion(int16(key)); ok {
			r = protocol.Range{Max: newest}
		}
		if key == protocol.Produce && strings.HasPrefix(name, "v4") {
			r.Min = 3 // KIP-724
		}
		o.Versions[key] = r
	}
	o.TopicIDs = o.Versions[protocol.Metadata].Max >= 10
	return o
}

// With every release from 2.1 on the newest versions are used that both sides
// speak; an ApiVersions that the broker does not know is repeated (195), and
// topics go by id where the broker takes that (194).
func TestVersionsWithEachRelease(t *testing.T) {
	for _, tt := range releases {
		t.Run(tt.name, func(t *testing.T) {
			play(t, release(tt.name), nil, func(s *scenario) {
				for _, text := range []string{"a", "b"} {
					if md := s.delivered(s.send("t", text)); md.Timestamp.IsZero() {
						s.Error("no timestamp")
					}
				}
				got := s.all()
				for i := range got {
					got[i], _, _ = strings.Cut(got[i], " txn=")
					got[i], _, _ = strings.Cut(got[i], " [t-0")
					got[i], _, _ = strings.Cut(got[i], " [t(id)-0")
				}
				want := append(tt.requests, tt.requests[len(tt.requests)-1])
				if d := cmp.Diff(want, got); d != "" {
					s.Errorf("requests (-want +got):\n%s", d)
				}
				if d := cmp.Diff([]string{"a", "b"}, s.cluster.Values("t", 0)); d != "" {
					s.Errorf("log (-want +got):\n%s", d)
				}
			})
		})
	}
}

// all is every request that came in.
func (s *scenario) all() []string {
	return s.cluster.RequestsOf(scriptedbroker.AnyKey)
}

// A broker that shares no version with us is named, with what it speaks and what
// is needed.
func TestVersionsWithBrokersThatAreTooOldOrTooNew(t *testing.T) {
	tests := []struct {
		name string
		o    scriptedbroker.Options
		want []string
	}{
		{"Kafka 0.10.2 cannot take today's batches", release("v0.10.2"),
			[]string{"broker1:9092 speaks Produce versions 0 to 2, this client 3 to 13", "Kafka 2.1"}},
		{"a broker of the future", scriptedbroker.Options{
			Versions: map[protocol.Key]protocol.Range{protocol.Produce: {Min: 90, Max: 99}},
		}, []string{"broker1:9092 speaks Produce versions 90 to 99"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			play(t, tt.o, func(c *posthaste.Config) { c.MaxBlock = time.Second }, func(s *scenario) {
				_, err := s.p.Send(s.Context(), posthaste.Record{Topic: "t"})
				for _, want := range tt.want {
					if err == nil || !strings.Contains(err.Error(), want) {
						s.Errorf("Send: %v, which does not say %q", err, want)
					}
				}
			})
		})
	}
}

// A broker without producer ids cannot serve an idempotent producer (203, 260),
// but a plain one.
func TestVersionsWithoutProducerIDs(t *testing.T) {
	o := release("v2.1")
	o.Versions[protocol.InitProducerID] = protocol.Range{Max: -1}
	play(t, o, nil, func(s *scenario) {
		_, err := s.p.SendSync(s.Context(), posthaste.Record{Topic: "t"})
		if err == nil || !strings.Contains(err.Error(), "enable.idempotence=false") {
			s.Errorf("SendSync: %v, which does not say what to do", err)
		}
	})
	play(t, o, func(c *posthaste.Config) {
		c.EnableIdempotence = posthaste.IdempotenceOff
	}, func(s *scenario) { s.delivered(s.send("t", "a")) })
}
