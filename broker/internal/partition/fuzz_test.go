package partition

import (
	"testing"

	"github.com/posthaste-go/posthaste/broker/internal/batchtest"
	"github.com/posthaste-go/posthaste/broker/internal/segment"
	"github.com/posthaste-go/posthaste/internal/compression"
	"github.com/posthaste-go/posthaste/internal/errcode"
	"github.com/posthaste-go/posthaste/internal/wire"
)

// Append takes bytes from the network: any. What it refuses leaves no trace;
// what it takes is one sound batch with the offsets it said, whose records can
// be read.
func FuzzAppend(f *testing.F) {
	for _, row := range readGolden(f).Decode {
		f.Add(decode64(f, row.Bytes), true, false)
	}
	for codec := compression.None; codec <= compression.ZSTD; codec++ {
		s := values("a", "b")
		s.Codec = codec
		f.Add(batchtest.Batch(f, s), true, codec%2 == 0)
	}
	f.Fuzz(func(t *testing.T, b []byte, seal, recompress bool) {
		if h, err := wire.ParseBatchHeader(b); seal && err == nil && h.Size() <= len(b) {
			h.Seal(b[:h.Size()]) // let mutations reach behind the checksum
		}
		p := newPartition(t, func(c *Config) {
			lax(c)
			c.MaxMessageBytes = 10 << 20
			if recompress {
				c.CompressionType = "lz4"
			}
		})
		mustSend(t, p, values("before"))
		size := p.Size()
		r, err := p.Append(AppendRequest{Records: b, TransactionVerified: true})
		if err != nil {
			if CodeOf(err) == errcode.UnknownServerError || p.Size() != size || p.HighWatermark() != 1 {
				t.Fatalf("refused with %v, %d bytes stored", err, p.Size()-size)
			}
			return
		}
		headers, batches := batchtest.Split(t, fetch(t, p, 1, ReadUncommitted).Records)
		if len(headers) != 1 || headers[0].BaseOffset != 1 || headers[0].LastOffset() != r.LastOffset ||
			p.HighWatermark() != r.LastOffset+1 {
			t.Fatalf("stored %+v, answered %+v", headers, r)
		}
		must(t, wire.VerifyChecksum(batches[0]))
		records, err := segment.Records(&headers[0], batches[0], nil)
		must(t, err)
		it := wire.NewIterator(headers[0].Count, records)
		for i := int32(0); it.Next(); i++ {
			if it.Record().OffsetDelta != i {
				t.Fatalf("record %d has offset delta %d", i, it.Record().OffsetDelta)
			}
		}
		must(t, it.Err())
	})
}
