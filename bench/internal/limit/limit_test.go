package limit

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/posthaste-go/posthaste/bench/internal/run"
	"github.com/posthaste-go/posthaste/bench/internal/runtest"
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
	codec := kgo.CompressionCodecType(b.Attributes)
	body, err := kgo.DefaultDecompressor().Decompress(b.Records, codec)
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

func TestTheLimitLoopSendsEveryRecordOnceInEveryMode(t *testing.T) {
	runtest.EveryMode(t, run.Identity{Client: "limit"}, New)
}
