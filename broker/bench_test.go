package broker_test

import (
	"bufio"
	"encoding/binary"
	"io"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/posthaste-go/posthaste/broker"
	"github.com/posthaste-go/posthaste/internal/protocol"
)

// BenchmarkProduce sends batches of 16 KiB, five requests in flight, from a
// client that does nothing else: what is timed is the broker and the loopback.
func BenchmarkProduce(b *testing.B) {
	b.Run("disk", func(b *testing.B) {
		benchmarkProduce(b, broker.Config{DataDir: b.TempDir(),
			Properties: map[string]string{"log.retention.bytes": "0", "log.segment.bytes": "67108864"}})
	})
	b.Run("memory", func(b *testing.B) {
		benchmarkProduce(b, broker.Config{
			Properties: map[string]string{"log.retention.bytes": "0", "log.segment.bytes": "67108864"}})
	})
}

func benchmarkProduce(b *testing.B, cfg broker.Config) {
	const inFlight = 5
	cfg.Topics = map[string]int{"bench": 1}
	br := broker.Run(b, cfg)
	c := dialRaw(b, br.Addr())
	values := make([]string, 150)
	for i := range values {
		values[i] = strings.Repeat("x", 100)
	}
	batch := newBatch(plain(), values...)
	req := produceRequest("bench", topicID(c, "bench"), batch)
	req.SetVersion(13)
	h := protocol.RequestHeader{Key: protocol.Produce, Version: 13, ClientID: []byte("bench")}
	frame := req.AppendTo(h.Append(make([]byte, 4)))
	binary.BigEndian.PutUint32(frame, uint32(len(frame)-4))
	b.SetBytes(int64(len(batch)))
	b.ReportAllocs()

	acks := make(chan struct{}, inFlight)
	failed := make(chan error, 1)
	go func() {
		r := bufio.NewReader(c.conn)
		for range b.N {
			var size [4]byte
			if _, err := io.ReadFull(r, size[:]); err != nil {
				failed <- err
				return
			}
			if _, err := r.Discard(int(binary.BigEndian.Uint32(size[:]))); err != nil {
				failed <- err
				return
			}
			<-acks
		}
		failed <- nil
	}()
	b.ResetTimer()
	for range b.N {
		acks <- struct{}{}
		if _, err := c.conn.Write(frame); err != nil {
			b.Fatal(err)
		}
	}
	if err := <-failed; err != nil {
		b.Fatal(err)
	}
}

// BenchmarkFetch reads 1 MiB at a time from a log of 64 MiB.
func BenchmarkFetch(b *testing.B) {
	br := broker.Run(b, broker.Config{DataDir: b.TempDir(), Topics: map[string]int{"bench": 1}})
	c := dialRaw(b, br.Addr())
	id := topicID(c, "bench")
	values := make([]string, 150)
	for i := range values {
		values[i] = strings.Repeat("x", 100)
	}
	const batches = 4000
	for range batches {
		call[*kmsg.ProduceResponse](c, 13, produceRequest("bench", id, newBatch(plain(), values...)))
	}
	req := fetchRequest("bench", id, 0)
	req.MaxBytes, req.Topics[0].Partitions[0].PartitionMaxBytes = 1<<20, 1<<20
	req.SetVersion(18)
	r := bufio.NewReaderSize(c.conn, 256<<10)
	b.SetBytes(1 << 20)
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		req.Topics[0].Partitions[0].FetchOffset = int64(i%50) * 150 * 64
		c.send(req)
		var size [4]byte
		if _, err := io.ReadFull(r, size[:]); err != nil {
			b.Fatal(err)
		}
		n := int(binary.BigEndian.Uint32(size[:]))
		if n < 1<<19 {
			b.Fatalf("response of %d bytes", n)
		}
		if _, err := r.Discard(n); err != nil {
			b.Fatal(err)
		}
	}
}
