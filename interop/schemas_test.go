package interop

import (
	"bufio"
	"encoding/base64"
	"encoding/json"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"

	"github.com/posthaste-go/posthaste"
	"github.com/posthaste-go/posthaste/interop/driver"
	"github.com/posthaste-go/posthaste/interop/franz"
	"github.com/posthaste-go/posthaste/interop/python"
	"github.com/posthaste-go/posthaste/schemaregistry"
	"github.com/posthaste-go/posthaste/schemaregistry/embedded"
	"github.com/posthaste-go/posthaste/serializer"
	"github.com/posthaste-go/posthaste/serializer/avro"
	"github.com/posthaste-go/posthaste/serializer/jsonschema"
	"github.com/posthaste-go/posthaste/serializer/protobuf"
)

// A quake is an earthquake of the feed of the United States Geological Survey,
// as it stands in bench/testdata.
type quake struct {
	ID        string    `json:"id"`
	Magnitude *float64  `json:"magnitude"`
	Place     string    `json:"place"`
	Time      int64     `json:"time"` // milliseconds since 1970
	Felt      *int64    `json:"felt"`
	Alert     *string   `json:"alert"`
	Tsunami   bool      `json:"tsunami"`
	Sig       int32     `json:"sig"`
	Stations  *int32    `json:"stations"`
	Networks  []string  `json:"networks"`
	Position  []float64 `json:"position"` // longitude, latitude, depth in km
	Kind      string    `json:"kind"`
}

func quakes(t *testing.T) []quake {
	t.Helper()
	f, err := os.Open("../bench/testdata/earthquakes.ndjson")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var all []quake
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var line struct {
			Feature struct {
				ID         string
				Properties struct {
					Mag                  *float64
					Place, Type, Sources string
					Time                 int64
					Felt                 *int64
					Alert                *string
					Tsunami              int
					Sig                  int32
					Nst                  *int32
				}
				Geometry struct{ Coordinates []float64 }
			}
		}
		if err := json.Unmarshal(lines.Bytes(), &line); err != nil {
			t.Fatal(err)
		}
		p := line.Feature.Properties
		all = append(all, quake{
			line.Feature.ID, p.Mag, p.Place, p.Time, p.Felt, p.Alert, p.Tsunami != 0, p.Sig, p.Nst,
			strings.Split(strings.Trim(p.Sources, ","), ","), line.Feature.Geometry.Coordinates, p.Type,
		})
	}
	if err := lines.Err(); err != nil || len(all) != 1707 {
		t.Fatalf("%d earthquakes, %v", len(all), err)
	}
	return all
}

// avroQuake is a quake with Avro's types.
type avroQuake struct {
	ID        string    `avro:"id"`
	Magnitude *float64  `avro:"magnitude"`
	Place     string    `avro:"place"`
	Time      time.Time `avro:"time"`
	Felt      *int64    `avro:"felt"`
	Alert     *string   `avro:"alert"`
	Tsunami   bool      `avro:"tsunami"`
	Sig       int32     `avro:"sig"`
	Stations  *int32    `avro:"stations"`
	Networks  []string  `avro:"networks"`
	Position  []float64 `avro:"position"`
	Kind      string    `avro:"kind"`
}

func (q quake) avro() avroQuake {
	return avroQuake{q.ID, q.Magnitude, q.Place, time.UnixMilli(q.Time).UTC(), q.Felt, q.Alert,
		q.Tsunami, q.Sig, q.Stations, q.Networks, q.Position, q.Kind}
}

func (q avroQuake) plain() quake {
	return quake{q.ID, q.Magnitude, q.Place, q.Time.UnixMilli(), q.Felt, q.Alert, q.Tsunami, q.Sig,
		q.Stations, q.Networks, q.Position, q.Kind}
}

const quakeProto = `syntax = "proto3";
package posthaste.interop;
message Unused { string a = 1; }
message Quake {
  string id = 1;
  optional double magnitude = 2;
  string place = 3;
  sfixed64 time = 4;
  optional sint32 felt = 5;
  optional string alert = 6;
  bool tsunami = 7;
  int32 sig = 8;
  optional uint32 stations = 9;
  repeated string networks = 10;
  repeated double position = 11;
  string kind = 12;
}`

// A codec is one format's two directions for quakes, whatever its own types.
type codec struct {
	serialize   func(headers *[]serializer.Header, q quake) ([]byte, error)
	deserialize func(headers []serializer.Header, b []byte) (quake, error)
	command     map[string]any // what Python has to know
}

const quakeTopic = "quakes"

func avroCodec(t *testing.T, c *schemaregistry.Client, opts ...avro.Option) codec {
	s, err := avro.For[avroQuake](c, opts...)
	if err != nil {
		t.Fatal(err)
	}
	schema, err := avro.SchemaFor[avroQuake]("")
	if err != nil {
		t.Fatal(err)
	}
	return codec{
		func(h *[]serializer.Header, q quake) ([]byte, error) {
			return s.Serialize([]byte{}, quakeTopic, h, q.avro())
		},
		func(h []serializer.Header, b []byte) (quake, error) {
			q, err := s.Deserialize(quakeTopic, h, b)
			return q.plain(), err
		},
		map[string]any{"format": "avro", "schema": schema.Text},
	}
}

func jsonCodec(t *testing.T, c *schemaregistry.Client, opts ...avro.Option) codec {
	s, err := jsonschema.For[quake](c, opts...)
	if err != nil {
		t.Fatal(err)
	}
	schema, err := jsonschema.SchemaFor[quake]()
	if err != nil {
		t.Fatal(err)
	}
	return codec{
		func(h *[]serializer.Header, q quake) ([]byte, error) {
			return s.Serialize([]byte{}, quakeTopic, h, q)
		},
		func(h []serializer.Header, b []byte) (quake, error) {
			return s.Deserialize(quakeTopic, h, b)
		},
		map[string]any{"format": "jsonschema", "schema": schema.Text},
	}
}

func protobufCodec(t *testing.T, c *schemaregistry.Client, opts ...avro.Option) codec {
	schema := schemaregistry.Schema{Type: schemaregistry.Protobuf, Text: quakeProto}
	s, err := protobuf.Of(c, schema, "Quake", opts...)
	if err != nil {
		t.Fatal(err)
	}
	file, err := protobuf.Compile(t.Context(), quakeProto, nil)
	if err != nil {
		t.Fatal(err)
	}
	descriptor := protodesc.ToFileDescriptorProto(file)
	descriptor.Name = proto.String("quake.proto")
	b, err := proto.Marshal(descriptor)
	if err != nil {
		t.Fatal(err)
	}
	return codec{
		func(h *[]serializer.Header, q quake) ([]byte, error) {
			var m map[string]any
			b, err := json.Marshal(q)
			if err == nil {
				err = json.Unmarshal(b, &m)
			}
			if err != nil {
				return nil, err
			}
			return s.Serialize([]byte{}, quakeTopic, h, m)
		},
		func(h []serializer.Header, b []byte) (q quake, err error) {
			v, err := s.Deserialize(quakeTopic, h, b)
			if err != nil {
				return q, err
			}
			text, err := json.Marshal(v)
			if err != nil {
				return q, err
			}
			return q, json.Unmarshal(text, &q)
		},
		map[string]any{
			"format": "protobuf", "message": "posthaste.interop.Quake",
			"descriptor": base64.StdEncoding.EncodeToString(b),
		},
	}
}

// A real data set goes through each format both ways: written here and read by
// confluent-kafka's own deserializers for Python, and the other way round. The
// registry and the broker are the embedded ones.
func TestSchemasWithConfluentPython(t *testing.T) {
	program := python.Schemas(t)
	want := quakes(t)
	formats := []struct {
		name string
		make func(*testing.T, *schemaregistry.Client, ...avro.Option) codec
	}{{"Avro", avroCodec}, {"Protobuf", protobufCodec}, {"JSON Schema", jsonCodec}}
	for _, format := range formats {
		for _, place := range []string{"id in front", "GUID in a header"} {
			t.Run(format.name+", "+place, func(t *testing.T) {
				registry := embedded.Run(t, embedded.Config{})
				client, err := schemaregistry.NewClient(schemaregistry.Config{
					URLs: []string{registry.URL()}})
				if err != nil {
					t.Fatal(err)
				}
				defer client.Close()
				var opts []avro.Option
				if place != "id in front" {
					opts = append(opts, schemaregistry.HeaderIDs)
				}
				c := format.make(t, client, opts...)
				command := func(op string) map[string]any {
					out := map[string]any{"op": op, "registry": registry.URL(), "topic": quakeTopic,
						"bootstrap": strings.Join(registry.BootstrapServers(), ","),
						"header":    len(opts) > 0}
					for k, v := range c.command {
						out[k] = v
					}
					return out
				}
				writeQuakes(t, registry.BootstrapServers(), c, want)
				got, err := driver.Rows[quake](t.Context(), program, command("read"))
				if diff := cmp.Diff(want, got); err != nil || diff != "" {
					t.Fatalf("read by Python: %v, %.2000s", err, diff)
				}
				write := command("write")
				write["values"] = want
				if _, err := driver.Rows[int](t.Context(), program, write); err != nil {
					t.Fatal(err)
				}
				all := readQuakes(t, registry.BootstrapServers(), c)
				if diff := cmp.Diff(slices.Concat(want, want), all); diff != "" {
					t.Errorf("written by Python, read here: %.2000s", diff)
				}
			})
		}
	}
}

func writeQuakes(t *testing.T, brokers []string, c codec, all []quake) {
	t.Helper()
	cfg := posthaste.DefaultConfig()
	cfg.BootstrapServers = brokers
	p, err := posthaste.NewProducer(cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close(t.Context())
	for _, q := range all {
		var headers []serializer.Header
		b, err := c.serialize(&headers, q)
		if err != nil {
			t.Fatal(err)
		}
		_, err = p.Send(t.Context(), posthaste.Record{
			Topic: quakeTopic, Partition: posthaste.ToPartition(0), Value: b, Headers: headers})
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := p.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func readQuakes(t *testing.T, brokers []string, c codec) (all []quake) {
	t.Helper()
	records, err := (franz.Client{}).Consume(t.Context(), driver.Consume{
		Bootstrap: strings.Join(brokers, ","), Topic: quakeTopic})
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range records {
		var headers []serializer.Header
		for _, h := range r.Headers {
			headers = append(headers, serializer.Header{Key: h.Name, Value: h.Value})
		}
		q, err := c.deserialize(headers, r.Value)
		if err != nil {
			t.Fatalf("offset %d: %v", r.Offset, err)
		}
		all = append(all, q)
	}
	return all
}
