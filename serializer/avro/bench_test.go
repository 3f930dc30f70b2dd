package avro

import (
	"testing"
	"time"

	avro "github.com/twmb/avro"

	"github.com/posthaste-go/posthaste/serializer/internal/fakeregistry"
)

// flight is a record of 12 fields, of the kinds that tables have.
type flight struct {
	Carrier  string    `avro:"carrier"`
	Number   int32     `avro:"number"`
	Origin   string    `avro:"origin"`
	Dest     string    `avro:"dest"`
	Distance int64     `avro:"distance"`
	Delay    float64   `avro:"delay"`
	AirTime  float32   `avro:"air_time"`
	Canceled bool      `avro:"canceled"`
	Departed time.Time `avro:"departed"`
	Tail     *string   `avro:"tail"`
	Seats    int       `avro:"seats"`
	Remark   string    `avro:"remark"`
}

var tail = "N12345"

func sampleFlight() flight {
	return flight{
		"UA", 1545, "EWR", "IAH", 1400, 2.5, 227, false,
		time.UnixMilli(1357034400000), &tail, 149, "on time, as ever",
	}
}

// BenchmarkSerialize against BenchmarkLibrary is what registry framing costs.
func BenchmarkSerialize(b *testing.B) {
	d := must(For[flight](fakeregistry.Run(b).Client(b)))(b)
	buf := make([]byte, 0, 1024)
	v := sampleFlight()
	out, err := d.Serialize(buf, "flights", nil, v)
	if err != nil {
		b.Fatal(err)
	}
	b.SetBytes(int64(len(out)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := d.Serialize(buf, "flights", nil, v); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkSerializePointer(b *testing.B) {
	d := must(For[*flight](fakeregistry.Run(b).Client(b)))(b)
	buf := make([]byte, 0, 1024)
	v := sampleFlight()
	b.ReportAllocs()
	for b.Loop() {
		if _, err := d.Serialize(buf, "flights", nil, &v); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkLibrary(b *testing.B) {
	s := avro.MustSchemaFor[flight]()
	buf := make([]byte, 0, 1024)
	v := sampleFlight()
	b.ReportAllocs()
	for b.Loop() {
		if _, err := s.AppendEncode(buf, &v); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkDeserialize(b *testing.B) {
	d := must(For[flight](fakeregistry.Run(b).Client(b)))(b)
	data := must(d.Serialize([]byte{}, "flights", nil, sampleFlight()))(b)
	b.SetBytes(int64(len(data)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := d.Deserialize("flights", nil, data); err != nil {
			b.Fatal(err)
		}
	}
}

func TestSerializeDoesNotAllocate(t *testing.T) {
	d := must(For[flight](fakeregistry.Run(t).Client(t)))(t)
	buf := make([]byte, 0, 1024)
	v := sampleFlight()
	got := testing.AllocsPerRun(1000, func() {
		if _, err := d.Serialize(buf, "flights", nil, v); err != nil {
			t.Fatal(err)
		}
	})
	if got > 0.1 && !raceEnabled { // the race detector makes sync.Pool forget
		t.Errorf("%v allocations a record, want 0", got)
	}
}
