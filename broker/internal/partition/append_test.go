package partition

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"math"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/posthaste-go/posthaste/broker/internal/batchtest"
	"github.com/posthaste-go/posthaste/broker/internal/log"
	"github.com/posthaste-go/posthaste/broker/internal/segment"
	"github.com/posthaste-go/posthaste/broker/internal/vfs"
	"github.com/posthaste-go/posthaste/internal/compression"
	"github.com/posthaste-go/posthaste/internal/errcode"
	"github.com/posthaste-go/posthaste/internal/wire"
)

type golden struct {
	Batches []struct {
		Name, Batch string
		Records     int
	}
	Decode []struct {
		Name, Bytes, ErrorAt string
		Batches              int
	}
}

func readGolden(t testing.TB) (g golden) {
	t.Helper()
	raw, err := os.ReadFile("testdata/java-batches.json")
	must(t, err)
	must(t, json.Unmarshal(raw, &g))
	if len(g.Batches) < 60 || len(g.Decode) < 20 {
		t.Fatalf("%d batches and %d damaged ones", len(g.Batches), len(g.Decode))
	}
	return g
}

func decode64(t testing.TB, s string) []byte {
	t.Helper()
	b, err := base64.StdEncoding.DecodeString(s)
	must(t, err)
	return b
}

// lax takes any timestamp and any producer.
func lax(c *Config) { c.TimestampAfterMillis = math.MaxInt64 }

// What Java's producer sends is stored byte for byte but for what a broker sets.
func TestJavasBatchesAreStoredByteForByte(t *testing.T) {
	stored := 0
	for _, row := range readGolden(t).Batches {
		t.Run(row.Name, func(t *testing.T) {
			sent := decode64(t, row.Batch)
			h, err := wire.ParseBatchHeader(sent)
			must(t, err)
			p := newPartition(t, lax)
			mustSend(t, p, values("a", "b"))
			in := slices.Clone(sent)
			wire.PatchOffset(in, 0, h.LeaderEpoch) // a producer sends 0
			_, err = p.Append(AppendRequest{Records: in, Acks: -1, TransactionVerified: true})
			switch {
			case h.Attributes.Has(wire.Control), int(h.LastOffsetDelta)+1 != int(h.Count):
				wantCode(t, err, errcode.InvalidRecord)
				return
			case h.Attributes.Has(wire.LogAppendTime) && h.MaxTimestamp < 0:
				wantCode(t, err, errcode.InvalidTimestamp)
				return
			}
			must(t, err)
			stored++
			got := fetch(t, p, 2, ReadUncommitted).Records
			want := slices.Clone(sent)
			wire.PatchOffset(want, 2, 0)
			if h.Attributes.Has(wire.LogAppendTime) { // the topic says CreateTime
				h.Attributes &^= wire.LogAppendTime
				h.BaseOffset, h.LeaderEpoch = 2, 0
				h.Seal(want)
			}
			if !bytes.Equal(got, want) {
				t.Errorf("stored %x\nwant   %x", got, want)
			}
		})
	}
	if stored < 60 {
		t.Errorf("only %d batches were stored", stored)
	}
}

// Damage that Java's reader notices is refused, with Kafka's code.
func TestDamagedBatchesAreRefused(t *testing.T) {
	codes := map[string]errcode.Code{
		"framing": errcode.CorruptMessage, "crc": errcode.CorruptMessage,
		"records": errcode.InvalidRecord,
	}
	for _, row := range readGolden(t).Decode {
		t.Run(row.Name, func(t *testing.T) {
			b := decode64(t, row.Bytes)
			p := newPartition(t, lax)
			_, err := p.Append(AppendRequest{Records: b, Acks: -1, TransactionVerified: true})
			want := codes[row.ErrorAt]
			switch {
			case strings.HasPrefix(row.Name, "magic") && row.ErrorAt == "",
				row.ErrorAt == "" && row.Batches != 1,
				row.Name == "bit flipped in base offset (outside the crc)":
				want = errcode.InvalidRecord
			}
			wantCode(t, err, want)
			if end := p.HighWatermark(); (end > 0) != (want == 0) {
				t.Errorf("log end offset = %d after %v", end, err)
			}
		})
	}
}

// change edits a batch's header and gives it a right checksum.
func change(t testing.TB, s batchtest.Spec, edit func(*wire.BatchHeader)) []byte {
	t.Helper()
	b := batchtest.Batch(t, s)
	h, err := wire.ParseBatchHeader(b)
	must(t, err)
	edit(&h)
	h.Seal(b)
	return b
}

func TestWhatAProducerMustNotSend(t *testing.T) {
	small := func(c *Config) { c.MaxMessageBytes = 100 }
	segments := func(c *Config) { c.SegmentBytes = 100 }
	compact := func(c *Config) { c.Compact = true }
	long := values(strings.Repeat("x", 200))
	tests := []struct {
		name   string
		config func(*Config)
		batch  []byte
		code   errcode.Code
	}{
		{"a batch above max.message.bytes", small, batchtest.Batch(t, long), errcode.MessageTooLarge},
		{"a batch above segment.bytes", segments, batchtest.Batch(t, long), errcode.RecordListTooLarge},
		{"two batches", nil, slices.Concat(batchtest.Batch(t, long), batchtest.Batch(t, long)),
			errcode.InvalidRecord},
		{"no batch", nil, nil, errcode.InvalidRecord},
		{"half a batch", nil, batchtest.Batch(t, long)[:150], errcode.InvalidRecord},
		{"a base offset", nil, batchtest.Batch(t, batchtest.Spec{BaseOffset: 5, Records: long.Records}),
			errcode.InvalidRecord},
		{"a control batch", nil, batchtest.Marker(t, batchtest.Spec{ProducerID: 1}, wire.EndTxnMarker{}),
			errcode.InvalidRecord},
		{"no records", nil, change(t, long, func(h *wire.BatchHeader) {
			h.Count, h.LastOffsetDelta = 0, -1
		}), errcode.InvalidRecord},
		{"a count of 0", nil, change(t, long, func(h *wire.BatchHeader) { h.Count = 0 }),
			errcode.InvalidRecord},
		{"a count that offsets do not agree with", nil,
			change(t, long, func(h *wire.BatchHeader) { h.LastOffsetDelta = 4 }), errcode.InvalidRecord},
		{"a count of 2^31-1", nil, change(t, long, func(h *wire.BatchHeader) {
			h.Count, h.LastOffsetDelta = math.MaxInt32, math.MaxInt32-1
		}), errcode.InvalidRecord},
		{"an unknown codec", nil,
			change(t, long, func(h *wire.BatchHeader) { h.Attributes = 6 }), errcode.InvalidRecord},
		{"a producer id without a sequence", nil, change(t, long, func(h *wire.BatchHeader) {
			h.ProducerID, h.ProducerEpoch = 1, 0
		}), errcode.InvalidRecord},
		{"a record without a key in a compacted topic", compact, batchtest.Batch(t, long),
			errcode.InvalidRecord},
		{"transactional records without a transaction", nil, change(t, long, func(h *wire.BatchHeader) {
			h.ProducerID, h.ProducerEpoch, h.BaseSequence = 1, 0, 0
			h.Attributes = wire.Transactional
		}), errcode.InvalidTxnState},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p := newPartition(t, tt.config)
			_, err := p.Append(AppendRequest{Records: tt.batch, Acks: -1})
			wantCode(t, err, tt.code)
			if p.HighWatermark() != 0 || p.Size() != 0 {
				t.Errorf("something was stored: %d bytes", p.Size())
			}
		})
	}
}

func TestRecordsAtFaultAreNamed(t *testing.T) {
	p := newPartition(t, func(c *Config) {
		c.Compact = true
		c.TimestampBeforeMillis, c.TimestampAfterMillis = 1000, 500
	})
	_, err := send(p, t, batchtest.Spec{Codec: compression.ZSTD, Records: []batchtest.Record{
		{Timestamp: t0, Key: []byte("k")}, {Timestamp: t0},
		{Timestamp: t0, Key: []byte{}}, {Timestamp: -1},
	}})
	wantCode(t, err, errcode.InvalidRecord)
	wantFaults(t, err, 1, 3)
	key := []byte("k")
	_, err = send(p, t, batchtest.Spec{Records: []batchtest.Record{
		{Timestamp: t0 - 1000, Key: key}, {Timestamp: t0 - 1001, Key: key},
		{Timestamp: t0 + 500, Key: key}, {Timestamp: t0 + 501, Key: key},
		{Timestamp: -1, Key: key}, {Timestamp: t0},
	}})
	wantCode(t, err, errcode.InvalidTimestamp)
	wantFaults(t, err, 1, 3, 5)
}

func wantFaults(t *testing.T, err error, indexes ...int32) {
	t.Helper()
	var got []int32
	if e, ok := err.(*Error); ok {
		for _, r := range e.Records {
			got = append(got, r.Index)
		}
	}
	if !slices.Equal(got, indexes) {
		t.Errorf("records at fault = %v, want %v: %v", got, indexes, err)
	}
}

func TestLogAppendTimeReplacesTimestamps(t *testing.T) {
	p := newPartition(t, func(c *Config) { c.TimestampType = log.LogAppendTime })
	for _, codec := range []compression.Codec{compression.None, compression.LZ4} {
		r := mustSend(t, p, batchtest.Spec{Codec: codec, Records: batchtest.Values(5, "a", "b")})
		if r.LogAppendTime != t0 {
			t.Errorf("LogAppendTime = %d, want %d", r.LogAppendTime, t0)
		}
		headers, batches := batchtest.Split(t, fetch(t, p, r.BaseOffset, ReadUncommitted).Records)
		if h := headers[0]; !h.Attributes.Has(wire.LogAppendTime) || h.MaxTimestamp != t0 {
			t.Errorf("stored header = %+v", h)
		}
		must(t, wire.VerifyChecksum(batches[0]))
	}
	a, err := p.ListOffset(t0, ReadUncommitted, NoEpoch)
	must(t, err)
	if want := (OffsetAnswer{0, t0, 0}); a != want {
		t.Errorf("ListOffset = %+v, want %+v", a, want)
	}
}

func TestWrongMaxTimestampIsPutRight(t *testing.T) {
	p := newPartition(t, nil)
	b := change(t, values("a", "b"), func(h *wire.BatchHeader) { h.MaxTimestamp = 17 })
	_, err := p.Append(AppendRequest{Records: b})
	must(t, err)
	headers, batches := batchtest.Split(t, fetch(t, p, 0, ReadUncommitted).Records)
	if headers[0].MaxTimestamp != t0+1 {
		t.Errorf("max timestamp = %d, want %d", headers[0].MaxTimestamp, t0+1)
	}
	must(t, wire.VerifyChecksum(batches[0]))
}

func TestCompressionTypeOfTheTopic(t *testing.T) {
	spec := values("one", strings.Repeat("two", 99))
	spec.ProducerID = 4
	plain := batchtest.Batch(t, spec)[wire.BatchHeaderSize:]
	for _, topic := range []string{"producer", "uncompressed", "gzip", "snappy", "lz4", "zstd"} {
		for codec := compression.None; codec <= compression.ZSTD; codec++ {
			p := newPartition(t, func(c *Config) { c.CompressionType = topic })
			spec.Codec = codec
			mustSend(t, p, spec)
			headers, batches := batchtest.Split(t, fetch(t, p, 0, ReadUncommitted).Records)
			want := topic
			switch topic {
			case "producer":
				want = codec.String()
			case "uncompressed":
				want = "none"
			}
			h := headers[0]
			if got := compression.Codec(h.Attributes.Codec()).String(); got != want {
				t.Errorf("topic %s, sent %s: stored %s", topic, codec, got)
			}
			must(t, wire.VerifyChecksum(batches[0]))
			records, err := segment.Records(&h, batches[0], nil)
			must(t, err)
			if !bytes.Equal(records, plain) || h.Count != 2 || h.ProducerID != 4 {
				t.Errorf("topic %s, sent %s: other records", topic, codec)
			}
		}
	}
}

// Kafka numbers the records of such a batch itself when it is compressed; we do
// it always, so that no two records of a log have one offset.
func TestOddOffsetDeltasAreRenumbered(t *testing.T) {
	for _, codec := range []compression.Codec{compression.None, compression.Snappy} {
		records := []byte{}
		for _, delta := range []int32{0, 7, 3} {
			body := wire.RecordBodySize(0, delta, []byte("k"), nil, 1, wire.HeaderSize("h", []byte("v")))
			records = wire.AppendRecord(records, body, 0, delta, []byte("k"), nil, 1)
			records = wire.AppendHeader(records, "h", []byte("v"))
		}
		z, err := compression.New(codec, 0)
		must(t, err)
		b, err := z.Append(make([]byte, wire.BatchHeaderSize), records)
		must(t, err)
		h := wire.BatchHeader{Count: 3, LastOffsetDelta: 2, BaseTimestamp: t0, MaxTimestamp: t0,
			ProducerID: -1, ProducerEpoch: -1, BaseSequence: -1}
		h.Attributes = h.Attributes.WithCodec(int8(codec))
		h.Seal(b)
		p := newPartition(t, nil)
		_, err = p.Append(AppendRequest{Records: b})
		must(t, err)
		headers, batches := batchtest.Split(t, fetch(t, p, 0, ReadUncommitted).Records)
		stored, err := segment.Records(&headers[0], batches[0], nil)
		must(t, err)
		it := wire.NewIterator(3, stored)
		for i := int32(0); it.Next(); i++ {
			r := it.Record()
			want := wire.Record{OffsetDelta: i, Key: []byte("k"),
				Headers: []wire.Header{{Key: "h", Value: []byte("v")}}}
			if diff := cmp.Diff(want, *r); diff != "" {
				t.Errorf("record %d:\n%s", i, diff)
			}
		}
		must(t, it.Err())
	}
}

func TestIdempotentProducer(t *testing.T) {
	p := newPartition(t, nil)
	at := func(seq int32) batchtest.Spec {
		s := values("a", "b")
		s.ProducerID, s.BaseSequence = 3, seq
		return s
	}
	mustSend(t, p, values("before"))
	first := mustSend(t, p, at(0))
	mustSend(t, p, at(2))
	again := mustSend(t, p, at(0))
	first.Duplicate = true
	if again != first {
		t.Errorf("again = %+v, want the offsets of %+v", again, first)
	}
	_, err := send(p, t, at(5))
	wantCode(t, err, errcode.OutOfOrderSequenceNumber)
	old := at(4)
	old.ProducerEpoch = 2
	_, err = send(p, t, old)
	wantCode(t, err, errcode.OutOfOrderSequenceNumber)
	old.BaseSequence = 0
	mustSend(t, p, old)
	_, err = send(p, t, at(4))
	wantCode(t, err, errcode.InvalidProducerEpoch)
	if end := p.HighWatermark(); end != 7 {
		t.Errorf("high watermark = %d, want 7", end)
	}
	want := []ProducerState{{3, 2, 1, t0 + 1, -1, -1}}
	if diff := cmp.Diff(want, p.Producers()); diff != "" {
		t.Error(diff)
	}
}

func TestStrictFirstSequenceIsForPartitionsThatNeverHeldARecord(t *testing.T) {
	p := newPartition(t, func(c *Config) { c.StrictFirstSequence = true })
	late := values("a")
	late.ProducerID, late.BaseSequence = 3, 17
	_, err := send(p, t, late)
	wantCode(t, err, errcode.OutOfOrderSequenceNumber)
	mustSend(t, p, values("x"))
	_, err = p.DeleteRecords(-1)
	must(t, err)
	mustSend(t, p, late)
}

func TestMinInSyncReplicas(t *testing.T) {
	p := newPartition(t, func(c *Config) { c.MinInSyncReplicas = 2 })
	_, err := send(p, t, values("a"))
	wantCode(t, err, errcode.NotEnoughReplicas)
	_, err = p.Append(AppendRequest{Records: batchtest.Batch(t, values("a")), Acks: 1})
	must(t, err)
}

// A full disk costs the batch that met it and nothing else.
func TestFullDisk(t *testing.T) {
	disk := vfs.NewFaulty(vfs.NewMem(fixedNow))
	d := openDir(t, disk)
	c := DefaultConfig()
	c.SegmentBytes = 400
	p, err := d.Open(testTP, TopicID{1}, c)
	must(t, err)
	mustSend(t, p, values("first"))
	for _, name := range []string{"*.log", "*.snapshot", "*"} {
		for nth := 1; nth <= 8; nth++ {
			end := p.HighWatermark()
			disk.Inject(vfs.Fault{Op: vfs.OpWrite, Name: name, Nth: nth, Times: -1,
				Err: syscall.ENOSPC, Short: nth * 10})
			disk.Inject(vfs.Fault{Op: vfs.OpOpen, Name: name, Nth: nth, Times: -1, Err: syscall.ENOSPC})
			var failed error
			for i := 0; i < 60 && failed == nil; i++ {
				s := values(strings.Repeat("x", 50))
				s.ProducerID = 8
				if known := p.Producers(); len(known) > 0 {
					s.BaseSequence = known[0].LastSequence + 1
				}
				if _, failed = send(p, t, s); failed == nil {
					end++
				}
			}
			wantCode(t, failed, errcode.KafkaStorageError)
			if p.HighWatermark() != end {
				t.Fatalf("high watermark = %d, want %d", p.HighWatermark(), end)
			}
			disk.Heal()
			f := fetch(t, p, end-1, ReadUncommitted)
			if headers, _ := batchtest.Split(t, f.Records); len(headers) != 1 {
				t.Fatalf("%d batches at the end", len(headers))
			}
			mustSend(t, p, values("there is room again"))
		}
	}
	end := p.HighWatermark()
	must(t, d.Close())
	d = openDir(t, disk)
	p, err = d.Open(testTP, TopicID{1}, c)
	must(t, err)
	if p.HighWatermark() != end {
		t.Errorf("high watermark after a restart = %d, want %d", p.HighWatermark(), end)
	}
	must(t, d.Close())
	verifyDump(t, disk, "after full disks")
}

// The kernel forgets what it could not write: after a failed sync nobody can
// promise anything until the log is read again.
func TestFailedSyncEndsAppendsAndKeepsReads(t *testing.T) {
	disk := vfs.NewFaulty(vfs.NewMem(fixedNow))
	d := openDir(t, disk)
	c := DefaultConfig()
	c.FlushMessages = 2
	p, err := d.Open(testTP, TopicID{1}, c)
	must(t, err)
	mustSend(t, p, values("a"))
	disk.Inject(vfs.Fault{Op: vfs.OpSync, Name: "*.log", Nth: 1, Err: syscall.EIO})
	for range 3 { // the same batch again is no duplicate of one that is safe
		s := values("b")
		s.ProducerID = 6
		_, err = send(p, t, s)
		wantCode(t, err, errcode.KafkaStorageError)
	}
	if f := fetch(t, p, 0, ReadUncommitted); len(f.Records) == 0 {
		t.Error("nothing can be read any more")
	}
	if err := d.Close(); err == nil {
		t.Error("the stop counts as clean")
	}
	if d = openDir(t, disk); d.CleanStart() {
		t.Error("the start counts as clean")
	}
	must(t, d.Close())
}

// Indexes can be made again: that they cannot be written fails no append.
func TestFullDiskForIndexesOnly(t *testing.T) {
	mem := vfs.NewCrashMem(fixedNow)
	disk := vfs.NewFaulty(mem)
	d := openDir(t, disk)
	c := DefaultConfig()
	c.FlushMessages, c.IndexIntervalBytes = 1, 0
	p, err := d.Open(testTP, TopicID{1}, c)
	must(t, err)
	disk.Inject(vfs.Fault{Op: vfs.OpWrite, Name: "*index", Nth: 1, Times: -1, Err: syscall.ENOSPC})
	for range 20 {
		mustSend(t, p, values("a"))
	}
	if got := p.log.RecoveryPoint(); got != 0 {
		t.Errorf("recovery point = %d: the indexes are not on the disk", got)
	}
	after := mem.CrashClone(vfs.PowerCut, 1)
	if err := d.Close(); err == nil {
		t.Error("the stop counts as clean")
	}
	d = openDir(t, after)
	p, err = d.Open(testTP, TopicID{1}, c)
	must(t, err)
	if p.HighWatermark() != 20 {
		t.Errorf("high watermark after a power cut = %d, want 20", p.HighWatermark())
	}
	must(t, d.Close())
	verifyDump(t, after, "after the power cut")
}

func TestTailAfterTheBatchIsDropped(t *testing.T) {
	p := newPartition(t, nil)
	b := batchtest.Batch(t, values("a"))
	_, err := p.Append(AppendRequest{Records: append(slices.Clone(b), b[:40]...)})
	must(t, err)
	if got := p.Size(); got != int64(len(b)) {
		t.Errorf("%d bytes stored, want %d", got, len(b))
	}
}

func TestAppendDoesNotAllocatePerRecord(t *testing.T) {
	p := newPartition(t, nil)
	var v []string
	for range 150 {
		v = append(v, strings.Repeat("x", 100))
	}
	b := batchtest.Batch(t, values(v...))
	allocs := testing.AllocsPerRun(100, func() {
		binary.BigEndian.PutUint64(b, 0)
		if _, err := p.Append(AppendRequest{Records: b, Acks: -1}); err != nil {
			t.Fatal(err)
		}
	})
	if allocs > 1 {
		t.Errorf("an append of 150 records allocates %v times, want at most 1", allocs)
	}
}

func BenchmarkAppend(b *testing.B) {
	for _, codec := range []compression.Codec{compression.None, compression.LZ4, compression.ZSTD} {
		b.Run(codec.String(), func(b *testing.B) {
			d, err := OpenDir(DirConfig{Path: b.TempDir(), Now: time.Now, NodeID: 1})
			must(b, err)
			c := DefaultConfig()
			lax(&c)
			c.SegmentBytes, c.Delete = 64<<20, true
			p, err := d.Open(testTP, TopicID{1}, c)
			must(b, err)
			var v []string
			for range 150 {
				v = append(v, strings.Repeat("x", 100))
			}
			s := batchtest.Spec{Codec: codec, Records: batchtest.Values(t0, v...)}
			plain := s
			plain.Codec = compression.None
			batch := batchtest.Batch(b, s)
			b.SetBytes(int64(len(batchtest.Batch(b, plain))))
			b.ReportAllocs()
			for b.Loop() {
				binary.BigEndian.PutUint64(batch, 0)
				if _, err := p.Append(AppendRequest{Records: batch, Acks: -1}); err != nil {
					b.Fatal(err)
				}
				if p.Size() > 512<<20 {
					b.StopTimer()
					_, err := p.DeleteRecords(-1)
					must(b, err)
					must(b, p.retain(t0))
					b.StartTimer()
				}
			}
			must(b, d.Close())
		})
	}
}

func BenchmarkFetch(b *testing.B) {
	p := newPartition(b, lax)
	var v []string
	for range 150 {
		v = append(v, strings.Repeat("x", 100))
	}
	for range 1000 {
		mustSend(b, p, values(v...))
	}
	r := FetchRequest{MaxBytes: 1 << 20, CurrentLeaderEpoch: NoEpoch, LastFetchedEpoch: NoEpoch}
	var buf []byte
	b.ReportAllocs()
	for b.Loop() {
		r.Offset = (r.Offset + 7777) % p.HighWatermark()
		f, err := p.Fetch(buf[:0], r)
		if err != nil {
			b.Fatal(err)
		}
		buf = f.Records
		b.SetBytes(int64(len(buf)))
	}
}
