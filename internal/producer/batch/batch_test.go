package batch

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/posthaste-go/posthaste/internal/compression"
	"github.com/posthaste-go/posthaste/internal/errcode"
	"github.com/posthaste-go/posthaste/internal/wire"
	"github.com/posthaste-go/posthaste/serializer"
)

// Numbers in comments are those of docs/scenarios.md.

func TestStateNext(t *testing.T) {
	legal := map[State]map[Event]State{
		Open:     {EventClose: Closed},
		Closed:   {EventSeal: Ready, EventFail: Done},
		Ready:    {EventSend: InFlight, EventFail: Done},
		InFlight: {EventAck: Done, EventRetry: Ready, EventFail: Done}, // keeps bytes and sequence
		Done:     {},                                                   // an outcome is published once
	}
	for from, moves := range legal {
		for event := EventClose; event <= EventFail; event++ {
			want, ok := moves[event]
			if !ok {
				want = illegal
			}
			if got, legal := from.Next(event); got != want || legal != ok {
				t.Errorf("%v.Next(%v) = %v, %v, want %v", from, event, got, legal, want)
			}
		}
	}
}

// 139: an illegal move is a bug of ours and says which.
func TestMovePanics(t *testing.T) {
	b := filled(1, 10)
	defer func() {
		if r := fmt.Sprint(recover()); !strings.Contains(r, "event Ack is illegal in state Open") {
			t.Errorf("panic %q", r)
		}
	}()
	b.Succeed(1, -1)
}

const base = int64(1_700_000_000_000)

// filled is an open batch of count records with values of size bytes, numbered.
func filled(count, size int) *Batch {
	b := New(3, "t", 5, make([]byte, 0, Overhead+200+count*(size+60)), base)
	for i := range count {
		value := binary.BigEndian.AppendUint32(make([]byte, 0, size+4), uint32(i))
		value = append(value, bytes.Repeat([]byte{'x'}, size)...)
		headers := []serializer.Header{{Key: "h", Value: []byte{byte(i)}}}
		_, ok := b.Append(base+int64(i), []byte("k"), value, headers, wire.HeaderSize("h", []byte{0}))
		if !ok {
			panic("test batch is full")
		}
	}
	return b
}

// numbers reads the records of b back.
func numbers(t *testing.T, b *Batch) []uint32 {
	t.Helper()
	records, err := b.Records()
	if err != nil {
		t.Fatal(err)
	}
	var out []uint32
	for i, r := range records {
		n := binary.BigEndian.Uint32(r.Value)
		out = append(out, n)
		if r.OffsetDelta != int32(i) || string(r.Key) != "k" || len(r.Headers) != 1 ||
			string(r.Headers[0].Key) != "h" || r.Headers[0].Value[0] != byte(n) ||
			b.baseTime+r.TimestampDelta != base+int64(n) {
			t.Errorf("record %d: %+v", i, r)
		}
	}
	return out
}

// 104, 134: a batch is filled to the last byte that fits, and not beyond.
func TestAppendUntilFull(t *testing.T) {
	for capacity := 100; capacity < 400; capacity++ {
		b := New(0, "t", 0, make([]byte, 0, capacity), base)
		for size := 0; ; size = (size + 7) % 40 {
			before := b.Size()
			_, ok := b.Append(base, nil, make([]byte, size), nil, 0)
			if b.Size()+FrontRoom+BackRoom > capacity {
				t.Fatalf("capacity %d: %d bytes are used", capacity, b.Size()+Overhead)
			}
			body := wire.RecordBodySize(0, b.Count(), nil, make([]byte, size), 0, 0)
			need := before + wire.VarintLen(int64(body)) + body + Overhead
			if !ok {
				if need <= capacity {
					t.Errorf("capacity %d: a record that fits was refused", capacity)
				}
				break
			}
		}
	}
}

// A retry sends the very bytes of the first attempt; another identity other bytes.
// The bytes around the batch belong to the request.
func TestSeal(t *testing.T) {
	b := filled(3, 10)
	b.Close()
	b.Uncompressed()
	b.Identify(7, 2, 40, false)
	first := slices.Clone(b.Seal())
	framed := b.Framed(9)
	if len(framed) != 9+len(first)+BackRoom || !bytes.Equal(framed[9:9+len(first)], first) {
		t.Error("Framed is not the batch with room around it")
	}
	for i := range 9 {
		framed[i] = 0xee
	}
	framed[len(framed)-1] = 0xee
	if !bytes.Equal(b.Seal(), first) {
		t.Error("sealing again changed the bytes")
	}
	h, err := wire.ParseBatchHeader(first)
	if err != nil {
		t.Fatal(err)
	}
	if h.ProducerID != 7 || h.ProducerEpoch != 2 || h.BaseSequence != 40 || h.Count != 3 ||
		h.LastOffsetDelta != 2 || h.BaseTimestamp != base || h.MaxTimestamp != base+2 ||
		h.Attributes != 0 {
		t.Errorf("header %+v", h)
	}
	b.MaybeWritten = true
	b.Forget()
	if b.Sequenced() || !b.MaybeWritten {
		t.Error("Forget left the sequence, or took the doubt")
	}
	b.Identify(7, 3, 0, true)
	again := b.Seal()
	h, _ = wire.ParseBatchHeader(again)
	if h.ProducerEpoch != 3 || h.BaseSequence != 0 || !h.Attributes.Has(wire.Transactional) {
		t.Errorf("header after Identify %+v", h)
	}
	if err := wire.VerifyChecksum(again); err != nil {
		t.Error(err)
	}
}

// A checksum that was taken piece by piece, whatever the batch grew to meanwhile, is
// that of all its bytes; also under a number that it was given later.
func TestChecksumsAreTakenEarly(t *testing.T) {
	for _, records := range []int{0, 1, 40, 700, 6000} {
		b := New(1, "t", 2, make([]byte, 0, 1<<10), 0)
		b.SumEarly()
		for i := range records {
			value := bytes.Repeat([]byte{byte(i)}, 100+i%100)
			for {
				if _, ok := b.Append(int64(i), nil, value, nil, 0); ok {
					break
				}
				b.Grow(make([]byte, 0, 2*b.Capacity()))
			}
		}
		b.Close()
		if _, err := b.Compress(nil, nil); err != nil {
			t.Fatal(err)
		}
		if early := b.sumFrom > FrontRoom+wire.BatchHeaderSize; early != (records >= 40) {
			t.Errorf("%d records: summed up before they are sent: %v", records, early)
		}
		for _, sequence := range []int32{5, 70} {
			b.Identify(7, 1, sequence, false)
			if err := wire.VerifyChecksum(b.Seal()); err != nil {
				t.Errorf("%d records: %v", records, err)
			}
		}
	}
}

// 132: what does not get smaller stays as it is; what does carries its codec.
func TestCompress(t *testing.T) {
	for codec := compression.Gzip; codec.Valid(); codec++ {
		c, err := compression.New(codec, codec.DefaultLevel())
		if err != nil {
			t.Fatal(err)
		}
		b := filled(20, 100)
		b.Close()
		raw := b.Size()
		if _, err := b.Compress(c, nil); err != nil {
			t.Fatal(err)
		}
		if b.Size() >= raw || b.State() != Ready || b.RawSize() != raw-wire.BatchHeaderSize {
			t.Errorf("%v: %d bytes of %d, state %v, raw %d", codec, b.Size(), raw, b.State(), b.RawSize())
		}
		h, _ := wire.ParseBatchHeader(b.Seal())
		if got := compression.Codec(h.Attributes.Codec()); got != codec {
			t.Errorf("%v: the header says %v", codec, got)
		}
		if got := numbers(t, b); len(got) != 20 {
			t.Errorf("%v: %d records", codec, len(got))
		}
		noise := New(0, "t", 0, make([]byte, 0, 400), base)
		noise.Append(base, nil, []byte("a8s7df6a9s8d7f"), nil, 0)
		noise.Close()
		raw = noise.Size()
		if _, err := noise.Compress(c, nil); err != nil || noise.Size() > raw {
			t.Errorf("%v: noise grew to %d bytes, %v", codec, noise.Size(), err)
		}
	}
}

// inFlight makes a batch one that a broker has answered.
func inFlight(b *Batch, c *compression.Compressor) *Batch {
	b.Close()
	if _, err := b.Compress(c, nil); err != nil {
		panic(err)
	}
	b.Move(EventSend)
	b.Attempts = 1
	return b
}

// 129, 142, 143, 234: parts hold the records in order under consecutive numbers,
// each about half, and carry everything else on. Numbers wrap.
// What callbacks need of memory is bounded with the records'.
func TestEntriesAreBounded(t *testing.T) {
	b := New(0, "t", 0, make([]byte, 0, 4096), 0)
	n := 0
	for ; b.TakesEntry(); n++ {
		if _, ok := b.Append(0, nil, nil, nil, 0); !ok {
			t.Fatalf("record %d has no room", n)
		}
		b.Entries = append(b.Entries, Entry{Index: int32(n)})
	}
	if n != 4096/entrySize {
		t.Errorf("%d entries in 4096 bytes, want %d", n, 4096/entrySize)
	}
}

func TestSplit(t *testing.T) {
	lz4, err := compression.New(compression.LZ4, compression.LZ4.DefaultLevel())
	if err != nil {
		t.Fatal(err)
	}
	for _, codec := range []*compression.Compressor{nil, lz4} {
		for count := 2; count < 40; count++ {
			b := filled(count, 20)
			for i := range count {
				b.Entries = append(b.Entries, Entry{Index: int32(i)})
			}
			inFlight(b, codec)
			first := int32(math.MaxInt32 - 2)
			b.Identify(7, 1, first, true)
			b.Order, b.Created, b.Attempts = 9, time.UnixMilli(base), 3
			b.MorePartsFollow = count%2 == 0
			parts, err := b.Split()
			if err != nil {
				t.Fatal(err)
			}
			if len(parts) < 2 || len(parts) > 3 || b.State() != Done {
				t.Fatalf("%d records in %d parts", count, len(parts))
			}
			next := uint32(0)
			for i, p := range parts {
				if p.BaseSequence != wire.AddSequence(first, int32(next)) || p.ProducerEpoch != 1 ||
					p.State() != Closed || p.Order != 9 || p.Attempts != 2 ||
					(p.Charge != 0) != (i == len(parts)-1) ||
					!p.Created.Equal(b.Created) || len(p.Entries) != int(p.Count()) {
					t.Errorf("part %d of %d: %+v", i, count, p)
				}
				if p.MorePartsFollow != (i < len(parts)-1 || count%2 == 0) {
					t.Errorf("part %d of %d: more parts follow: %v", i, len(parts), p.MorePartsFollow)
				}
				for j, n := range numbers(t, p) {
					if n != next || p.Entries[j].Index != int32(j) {
						t.Errorf("part %d has record %d where %d is due", i, n, next)
					}
					next++
				}
			}
			if next != uint32(count) {
				t.Errorf("%d of %d records are in the parts", next, count)
			}
		}
	}
}

// What a split batch was charged is given back with its last part.
func TestSplitKeepsItsMemory(t *testing.T) {
	b := filled(4, 100)
	b.Close()
	if _, err := b.Compress(nil, nil); err != nil {
		t.Fatal(err)
	}
	b.Move(EventSend)
	charge, buf := b.Charge, b.whole
	for b.Count() > 1 {
		parts, err := b.Split()
		if err != nil {
			t.Fatal(err)
		}
		if b.Charge != 0 || len(b.Yield()) != 0 || parts[0].Charge != 0 {
			t.Error("the whole or the first part gives something back")
		}
		b = parts[len(parts)-1]
		b.Move(EventSeal)
		b.Move(EventSend)
	}
	if got := b.Yield(); b.Charge != charge || cap(got) != cap(buf) || &got[:1][0] != &buf[:1][0] {
		t.Errorf("the last part gives %d of %d bytes back, and not what the pool gave", b.Charge, charge)
	}
}

// 140, 150, 364: the whole's outcome is there with the last part's, each record has
// its own part's, however often a part is split again.
func TestSplitOutcome(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := inFlight(filled(8, 20), nil)
		parts, err := b.Split()
		if err != nil {
			t.Fatal(err)
		}
		waited := make(chan error)
		go func() { waited <- b.Outcome.Wait(t.Context()) }()
		ready := func(p *Batch) *Batch {
			p.Uncompressed()
			p.Move(EventSend)
			return p
		}
		ready(parts[0]).Succeed(100, 55)
		again, err := ready(parts[1]).Split()
		if err != nil {
			t.Fatal(err)
		}
		ready(again[0]).Fail(&Failure{Code: errcode.MessageTooLarge})
		synctest.Wait()
		if b.Outcome.Resolved() {
			t.Fatal("resolved before its last part")
		}
		ready(again[1]).Succeed(NoOffset, -1)
		if err := <-waited; err != nil {
			t.Error(err)
		}
		for i := range int32(8) {
			offset, at, f := b.Outcome.Of(i)
			switch {
			case i < 4 && (offset != 100+int64(i) || at != 55 || f != nil),
				i >= 4 && i < 6 && (f == nil || f.Code != errcode.MessageTooLarge || offset != NoOffset),
				i >= 6 && (offset != NoOffset || f != nil):
				t.Errorf("record %d: offset %d, time %d, failure %v", i, offset, at, f)
			}
		}
	})
}

// Records of very different sizes: every split makes progress.
func TestSplitUnevenRecords(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 200 {
		b := New(0, "t", 0, make([]byte, 0, 1<<20), base)
		n := 2 + r.IntN(20)
		for range n {
			b.Append(base, nil, make([]byte, 1<<r.IntN(14)), nil, 0)
		}
		parts, err := inFlight(b, nil).Split()
		if err != nil {
			t.Fatal(err)
		}
		total := int32(0)
		for _, p := range parts {
			total += p.Count()
			if p.Count() == int32(n) {
				t.Fatal("a part is as big as the whole")
			}
		}
		if total != int32(n) {
			t.Fatalf("%d of %d records are in the parts", total, n)
		}
	}
}

// 138, 139, 362: an outcome is published once; who waits is woken, who comes later
// does not wait; a context that ends frees its waiter alone.
func TestOutcome(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := inFlight(filled(2, 5), nil)
		why := errors.New("no more interest")
		ctx, cancel := context.WithCancelCause(t.Context())
		freed, done := make(chan error), make(chan error)
		go func() { freed <- o.Outcome.Wait(ctx) }()
		go func() { done <- o.Outcome.Wait(t.Context()) }()
		synctest.Wait()
		cancel(why)
		if err := <-freed; !errors.Is(err, why) {
			t.Errorf("Wait: %v, want the context's cause", err)
		}
		o.Succeed(10, -1)
		if err := <-done; err != nil {
			t.Error(err)
		}
		if err := o.Outcome.Wait(ctx); err != nil {
			t.Errorf("Wait for what is known, with a context that is over: %v", err)
		}
		<-o.Outcome.Done()
		if offset, _, f := o.Outcome.Of(1); offset != 11 || f != nil {
			t.Errorf("offset %d, %v", offset, f)
		}
		defer func() {
			if recover() == nil {
				t.Error("an outcome was published twice")
			}
		}()
		o.Outcome.fail(&Failure{})
	})
}

// Growing a batch keeps what is in it.
func TestGrow(t *testing.T) {
	b := New(0, "t", 0, make([]byte, 0, 200), base)
	for i := range 2 {
		value := binary.BigEndian.AppendUint32(nil, uint32(i))
		header := []serializer.Header{{Key: "h", Value: []byte{byte(i)}}}
		b.Append(base+int64(i), []byte("k"), value, header,
			wire.HeaderSize("h", []byte{0}))
	}
	old := b.Grow(make([]byte, 50, 400))
	if cap(old) != 200 || b.Charge != 400 || b.Capacity() != 400 {
		t.Errorf("old %d, charge %d, capacity %d", cap(old), b.Charge, b.Capacity())
	}
	if got := numbers(t, b); !slices.Equal(got, []uint32{0, 1}) {
		t.Errorf("records %v", got)
	}
}
