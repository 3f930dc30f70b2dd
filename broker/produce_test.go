package broker_test

import (
	"errors"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/posthaste-go/posthaste/broker"
	"github.com/posthaste-go/posthaste/internal/errcode"
	"github.com/posthaste-go/posthaste/internal/wire"
)

// produced is the answer for the only partition of a produce request.
func produced(resp *kmsg.ProduceResponse) *kmsg.ProduceResponseTopicPartition {
	return &resp.Topics[0].Partitions[0]
}

func TestProduceAnswersOffsetsInEveryVersion(t *testing.T) {
	b := start(t, map[string]int{"orders": 1})
	c := dialRaw(t, b.Addr())
	id := topicID(c, "orders")
	for version := int16(3); version <= 13; version++ {
		req := produceRequest("orders", id, newBatch(plain(), "a", "b"))
		resp := call[*kmsg.ProduceResponse](c, version, req)
		p := produced(resp)
		if want := int64(version-3) * 2; p.ErrorCode != 0 || p.BaseOffset != want {
			t.Errorf("v%d: error %d, base offset %d, want %d", version, p.ErrorCode, p.BaseOffset, want)
		}
		if version >= 5 && p.LogStartOffset != 0 || p.LogAppendTime != -1 {
			t.Errorf("v%d: %+v", version, p)
		}
		if version < 13 && resp.Topics[0].Topic != "orders" ||
			version >= 13 && resp.Topics[0].TopicID != id {
			t.Errorf("v%d answers for topic %q %x", version, resp.Topics[0].Topic, resp.Topics[0].TopicID)
		}
	}
}

func TestProduceErrors(t *testing.T) {
	b := broker.Run(t, broker.Config{Topics: map[string]int{"orders": 1, "__consumer_offsets": 1},
		Properties: map[string]string{"message.max.bytes": "1000"}})
	c := dialRaw(t, b.Addr())
	admin := dialRaw(t, b.Addr())
	create := kmsg.NewPtrCreateTopicsRequest()
	three := "3"
	create.Topics = []kmsg.CreateTopicsRequestTopic{{Topic: "safe", NumPartitions: 1,
		ReplicationFactor: 1, Configs: []kmsg.CreateTopicsRequestTopicConfig{
			{Name: "min.insync.replicas", Value: &three}}}}
	call[*kmsg.CreateTopicsResponse](admin, 7, create)
	id := topicID(c, "orders")
	zstd := plain()
	zstd.Attributes = zstd.Attributes.WithCodec(4)
	tests := []struct {
		name    string
		version int16
		change  func(*kmsg.ProduceRequest)
		want    errcode.Code
		says    string
	}{
		{"a topic that is not there", 12, func(r *kmsg.ProduceRequest) {
			r.Topics[0].Topic = "nothing"
		}, errcode.UnknownTopicOrPartition, ""},
		{"an id that is not there", 13, func(r *kmsg.ProduceRequest) {
			r.Topics[0].TopicID[0]++
		}, errcode.UnknownTopicId, ""},
		{"a partition that is not there", 13, func(r *kmsg.ProduceRequest) {
			r.Topics[0].Partitions[0].Partition = 1
		}, errcode.UnknownTopicOrPartition, ""},
		{"acks=2", 13, func(r *kmsg.ProduceRequest) { r.Acks = 2 }, errcode.InvalidRequiredAcks, ""},
		{"too few replicas for acks=all", 12, func(r *kmsg.ProduceRequest) {
			r.Topics[0].Topic = "safe"
		}, errcode.NotEnoughReplicas, "min.insync.replicas is 3"},
		{"a batch that is too large", 13, func(r *kmsg.ProduceRequest) {
			r.Topics[0].Partitions[0].Records = newBatch(plain(), strings.Repeat("x", 1000))
		}, errcode.MessageTooLarge, "1000"},
		{"a wrong checksum", 13, func(r *kmsg.ProduceRequest) {
			r.Topics[0].Partitions[0].Records[65] ^= 1
		}, errcode.CorruptMessage, ""},
		{"no batch", 13, func(r *kmsg.ProduceRequest) {
			r.Topics[0].Partitions[0].Records = nil
		}, errcode.InvalidRecord, "one record batch"},
		{"two batches", 13, func(r *kmsg.ProduceRequest) {
			p := &r.Topics[0].Partitions[0]
			p.Records = append(p.Records, p.Records...)
		}, errcode.InvalidRecord, "exactly one"},
		{"zstd from a client that cannot have it", 6, func(r *kmsg.ProduceRequest) {
			r.Topics[0].Partitions[0].Records = newBatch(zstd, "a")
		}, errcode.UnsupportedCompressionType, ""},
		{"a coordinator's topic", 12, func(r *kmsg.ProduceRequest) {
			r.Topics[0].Topic = "__consumer_offsets"
		}, errcode.InvalidTopicException, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			req := produceRequest("orders", id, newBatch(plain(), "a"))
			tt.change(req)
			p := produced(call[*kmsg.ProduceResponse](c, tt.version, req))
			if got := errcode.Code(p.ErrorCode); got != tt.want {
				t.Errorf("error = %v, want %v", got.Name(), tt.want.Name())
			}
			if p.BaseOffset != -1 || p.LogAppendTime != -1 {
				t.Errorf("offset %d and time %d of a batch that was refused", p.BaseOffset, p.LogAppendTime)
			}
			if tt.says != "" && (p.ErrorMessage == nil || !strings.Contains(*p.ErrorMessage, tt.says)) {
				t.Errorf("message = %v, want %q", p.ErrorMessage, tt.says)
			}
		})
	}
	if got := b.End("orders", 0); got != 0 {
		t.Errorf("%d records were written all the same", got)
	}
}

// Of a batch with records that a compacted topic cannot have, the answer names
// these records (KIP-467).
func TestProduceNamesTheRecordsAtFault(t *testing.T) {
	b := broker.Run(t, broker.Config{Topics: map[string]int{"state": 1},
		Properties: map[string]string{"log.cleanup.policy": "compact"}})
	c := dialRaw(t, b.Addr())
	for _, version := range []int16{8, 9, 13} {
		req := produceRequest("state", topicID(c, "state"), newBatch(plain(), "a", "b"))
		p := produced(call[*kmsg.ProduceResponse](c, version, req))
		if got := errcode.Code(p.ErrorCode); got != errcode.InvalidRecord {
			t.Fatalf("v%d: error = %v", version, got.Name())
		}
		var at []int32
		for _, r := range p.ErrorRecords {
			at = append(at, r.RelativeOffset)
		}
		if !slices.Equal(at, []int32{0, 1}) {
			t.Errorf("v%d: records at fault are %v, want 0 and 1", version, at)
		}
	}
}

func TestAcks0HasNoResponse(t *testing.T) {
	b := start(t, map[string]int{"orders": 1})
	c := dialRaw(t, b.Addr())
	id := topicID(c, "orders")
	req := produceRequest("orders", id, newBatch(plain(), "a"))
	req.SetVersion(13)
	req.Acks = 0
	c.send(req)
	// The next response on the connection is the next request's.
	call[*kmsg.MetadataResponse](c, 13, kmsg.NewPtrMetadataRequest())
	if got := b.End("orders", 0); got != 1 {
		t.Errorf("log end offset = %d, want 1", got)
	}
	req.Topics[0].TopicID[0]++
	c.send(req)
	if _, err := c.receive(req); !errors.Is(err, io.EOF) {
		t.Errorf("after an error: %v, want the connection closed", err)
	}
}

// Everything about duplicates that a producer relies on, through the protocol.
func TestIdempotentProduce(t *testing.T) {
	dir := t.TempDir()
	b, err := broker.Start(broker.Config{DataDir: dir, Topics: map[string]int{"orders": 1}})
	if err != nil {
		t.Fatal(err)
	}
	c := dialRaw(t, b.Addr())
	pid := call[*kmsg.InitProducerIDResponse](c, 5, kmsg.NewPtrInitProducerIDRequest())
	if pid.ErrorCode != 0 || pid.ProducerID < 0 || pid.ProducerEpoch != 0 {
		t.Fatalf("InitProducerId = %+v", pid)
	}
	send := func(c *rawClient, sequence int32, values ...string) *kmsg.ProduceResponseTopicPartition {
		h := plain()
		h.ProducerID, h.ProducerEpoch, h.BaseSequence = pid.ProducerID, pid.ProducerEpoch, sequence
		req := produceRequest("orders", topicID(c, "orders"), newBatch(h, values...))
		return produced(call[*kmsg.ProduceResponse](c, 13, req))
	}
	if p := send(c, 0, "a", "b"); p.ErrorCode != 0 || p.BaseOffset != 0 {
		t.Fatalf("first batch: %+v", p)
	}
	if p := send(c, 2, "c"); p.ErrorCode != 0 || p.BaseOffset != 2 {
		t.Fatalf("second batch: %+v", p)
	}
	if p := send(c, 0, "a", "b"); p.ErrorCode != 0 || p.BaseOffset != 0 {
		t.Errorf("the first again: %+v, want its offset 0", p)
	}
	if p := send(c, 9, "x"); errcode.Code(p.ErrorCode) != errcode.OutOfOrderSequenceNumber {
		t.Errorf("a gap: error %d", p.ErrorCode)
	}
	if err := b.Kill(); err != nil {
		t.Fatal(err)
	}
	b = broker.Run(t, broker.Config{DataDir: dir})
	c = dialRaw(t, b.Addr())
	if p := send(c, 2, "c"); p.ErrorCode != 0 || p.BaseOffset != 2 {
		t.Errorf("the second again, after a kill: %+v, want its offset 2", p)
	}
	if got := b.End("orders", 0); got != 3 {
		t.Errorf("log end offset = %d, want 3", got)
	}
	next := call[*kmsg.InitProducerIDResponse](c, 5, kmsg.NewPtrInitProducerIDRequest())
	if next.ProducerID <= pid.ProducerID {
		t.Errorf("producer id %d after %d: it was given out before", next.ProducerID, pid.ProducerID)
	}
}

func TestEveryCodecIsReadBack(t *testing.T) {
	b := start(t, map[string]int{"orders": 1})
	codecs := map[string]kgo.CompressionCodec{"none": kgo.NoCompression(),
		"gzip": kgo.GzipCompression(), "snappy": kgo.SnappyCompression(),
		"lz4": kgo.Lz4Compression(), "zstd": kgo.ZstdCompression()}
	for name, codec := range codecs {
		cl := client(t, b, kgo.ProducerBatchCompression(codec))
		mustProduce(t, cl, "orders", strings.Repeat(name, 500))
	}
	records, err := b.Records("orders", 0)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range records {
		name := r.Batch.Compression
		if string(r.Value) != strings.Repeat(name, 500) {
			t.Errorf("the record at %d, %s, is %.20q", r.Offset, name, r.Value)
		}
		delete(codecs, name)
	}
	if len(codecs) != 0 {
		t.Errorf("not in the log: %v", codecs)
	}
	consumer := client(t, b, kgo.ConsumeTopics("orders"))
	for n := 0; n < 5; {
		fetches := consumer.PollFetches(t.Context())
		if err := fetches.Err(); err != nil {
			t.Fatal(err)
		}
		n += fetches.NumRecords()
	}
}

func TestLogAppendTime(t *testing.T) {
	b := broker.Run(t, broker.Config{Topics: map[string]int{"orders": 1},
		Properties: map[string]string{"log.message.timestamp.type": "LogAppendTime"}})
	c := dialRaw(t, b.Addr())
	old := plain()
	old.BaseTimestamp, old.MaxTimestamp = 1000, 1000
	req := produceRequest("orders", topicID(c, "orders"), newBatch(old, "a"))
	p := produced(call[*kmsg.ProduceResponse](c, 13, req))
	records, err := b.Records("orders", 0)
	if err != nil {
		t.Fatal(err)
	}
	if got := records[0].Timestamp.UnixMilli(); got != p.LogAppendTime || got <= 1000 {
		t.Errorf("the record's time is %d, the answer's %d", got, p.LogAppendTime)
	}
}

func TestAFullDiskRefusesProducersAndServesReaders(t *testing.T) {
	disk := broker.NewDisk(nil)
	b := broker.Run(t, broker.Config{Disk: disk, Topics: map[string]int{"orders": 1}})
	c := dialRaw(t, b.Addr())
	id := topicID(c, "orders")
	produce := func() *kmsg.ProduceResponseTopicPartition {
		req := produceRequest("orders", id, newBatch(plain(), "tea"))
		return produced(call[*kmsg.ProduceResponse](c, 13, req))
	}
	if p := produce(); p.ErrorCode != 0 {
		t.Fatalf("produce: error %d", p.ErrorCode)
	}
	disk.Fill()
	if got := errcode.Code(produce().ErrorCode); got != errcode.KafkaStorageError {
		t.Errorf("produce: %v, want KAFKA_STORAGE_ERROR", got.Name())
	}
	f := fetched(call[*kmsg.FetchResponse](c, 18, fetchRequest("orders", id, 0)))
	if h, err := wire.ParseBatchHeader(f.RecordBatches); err != nil || h.Count != 1 {
		t.Errorf("fetch: error %d, %v", f.ErrorCode, err)
	}
	disk.Free()
	if p := produce(); p.ErrorCode != 0 || p.BaseOffset != 1 {
		t.Errorf("produce with room again: %+v", p)
	}
}
