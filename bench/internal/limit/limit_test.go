package limit

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/posthaste-go/posthaste/bench/internal/run"
	"github.com/posthaste-go/posthaste/bench/internal/sink"
)

// The hashes are those of org.apache.kafka.common.utils.Utils.murmur2.
func TestMurmur2IsThatOfTheJavaProducer(t *testing.T) {
	tests := map[string]int32{
		"21":                         -973932308,
		"foobar":                     -790332482,
		"a-little-bit-long-string":   -985981536,
		"a-little-bit-longer-string": -1486304829,
		"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8": -58897971,
		"abc": 479470107,
	}
	for key, want := range tests {
		if got := int32(murmur2([]byte(key))); got != want {
			t.Errorf("murmur2(%q) = %d, want %d", key, got, want)
		}
	}
}

func TestARequestReadsBackAsTheRecordsAppended(t *testing.T) {
	for name, codec := range codecs {
		t.Run(name, func(t *testing.T) {
			records := []record{
				{nil, []byte("no key")},
				{[]byte("k"), []byte(strings.Repeat("v", 300))},
				{[]byte{}, []byte{}},
			}
			batches := make([]batch, 2)
			batches[0].init(0, 1024)
			batches[1].init(1, 16)
			batches[1].baseMillis = 1_700_000_000_000
			batches[1].sequence = 40
			for _, r := range records {
				batches[1].append(r.key, r.value)
			}
			var q request
			q.init(&session{producerID: 7, acks: -1}, &run.Options{Topic: "orders"})
			if n := q.seal(batches, codec); n != int64(len(records)) {
				t.Fatalf("seal reports %d records, want %d", n, len(records))
			}
			var wire []byte
			for _, piece := range q.pieces {
				wire = append(wire, piece...)
			}
			checkRequest(t, wire, records)
			if batches[1].count != 0 || batches[1].sequence != 43 {
				t.Errorf("after seal: %d records, next sequence %d; want 0, 43",
					batches[1].count, batches[1].sequence)
			}
		})
	}
}

type record struct{ key, value []byte }

func checkRequest(t *testing.T, wire []byte, records []record) {
	t.Helper()
	if n := binary.BigEndian.Uint32(wire); int(n) != len(wire)-4 {
		t.Fatalf("length is %d, want %d", n, len(wire)-4)
	}
	req := kmsg.NewPtrProduceRequest()
	req.Version = produceVersion
	if err := req.ReadFrom(wire[4+2+2+4+2+len("limit"):]); err != nil {
		t.Fatal(err)
	}
	p := req.Topics[0].Partitions[0]
	if req.Topics[0].Topic != "orders" || len(req.Topics[0].Partitions) != 1 || p.Partition != 1 {
		t.Fatalf("topics are %+v, want partition 1 of orders alone", req.Topics)
	}
	var b kmsg.RecordBatch
	if err := b.ReadFrom(p.Records); err != nil {
		t.Fatal(err)
	}
	if got := crc32.Checksum(p.Records[21:], castagnoli); uint32(b.CRC) != got {
		t.Errorf("CRC is %#x, want %#x", uint32(b.CRC), got)
	}
	if b.ProducerID != 7 || b.ProducerEpoch != 0 || b.FirstSequence != 40 ||
		b.LastOffsetDelta != 2 || b.FirstTimestamp != 1_700_000_000_000 || b.Magic != 2 {
		t.Errorf("batch header is %+v", b)
	}
	body, err := kgo.DefaultDecompressor().Decompress(b.Records, kgo.CompressionCodecType(b.Attributes))
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range records {
		length, n := binary.Varint(body)
		var r kmsg.Record
		if err := r.ReadFrom(body[:n+int(length)]); err != nil {
			t.Fatalf("record %d: %v", i, err)
		}
		if !bytes.Equal(r.Key, want.key) || (r.Key == nil) != (want.key == nil) ||
			!bytes.Equal(r.Value, want.value) || r.OffsetDelta != int32(i) {
			t.Errorf("record %d is %+v, want %+v", i, r, want)
		}
		body = body[n+int(length):]
	}
	if len(body) > 0 {
		t.Errorf("%d bytes behind the last record", len(body))
	}
}

func TestEveryRecordIsSentInEveryWayOfSending(t *testing.T) {
	tests := []struct {
		name  string
		flags string
	}{
		{"sticky", ""},
		{"keyed", "--key=distinct:1000"},
		{"round robin over many partitions", "--partitioner=roundrobin --partitions=500"},
		{"one partition", "--partitions=1"},
		{"sync", "--sync --records=200 --warmup=20"},
		{"paced", "--rate=20000 --records=400 --warmup=40 --linger-ms=0"},
		{"not idempotent and acknowledged by the leader", "--idempotent=false --acks=1"},
		{"several threads", "--threads=4"},
		{"compressed", "--compression=lz4"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			args := append([]string{"--records=20000", "--warmup=1000"}, strings.Fields(tt.flags)...)
			o, err := run.ParseOptions(args, t.Output())
			if err != nil {
				t.Fatal(err)
			}
			s, err := sink.Start(sink.Config{Addr: "127.0.0.1:0", Partitions: o.Partitions})
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			o.Bootstrap = s.Addr()
			var out bytes.Buffer
			if err := run.Run(&o, run.Identity{Client: "limit"}, New, &out); err != nil {
				t.Fatal(err)
			}
			if got := s.Stats().Records; got != o.Records+o.Warmup {
				t.Errorf("%d records arrived, want %d", got, o.Records+o.Warmup)
			}
			if want := fmt.Sprintf(`"records":%d,"errors":0`, o.Records); !strings.Contains(out.String(), want) {
				t.Errorf("result is %s, want %s in it", out.String(), want)
			}
			if n := ends(t, s.Addr()); n != o.Records+o.Warmup {
				t.Errorf("end offsets add up to %d, want %d", n, o.Records+o.Warmup)
			}
		})
	}
}

// ends adds up the end offsets of the topic's partitions.
func ends(t *testing.T, addr string) (sum int64) {
	t.Helper()
	cl, err := kgo.NewClient(kgo.SeedBrokers(addr))
	if err != nil {
		t.Fatal(err)
	}
	defer cl.Close()
	offsets, err := kadm.NewClient(cl).ListEndOffsets(context.Background(), "bench")
	if err != nil {
		t.Fatal(err)
	}
	offsets.Each(func(o kadm.ListedOffset) { sum += o.Offset })
	return sum
}
