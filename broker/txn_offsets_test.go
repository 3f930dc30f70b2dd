package broker_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/posthaste-go/posthaste/broker"
	"github.com/posthaste-go/posthaste/internal/errcode"
	"github.com/posthaste-go/posthaste/internal/protocol"
	"github.com/posthaste-go/posthaste/internal/wire"
)

// Records and the offsets that they were made from are committed together:
// after an abort the same records come again.
func TestOffsetsAreCommittedWithTheRecords(t *testing.T) {
	for _, version := range []string{"1", "2"} {
		t.Run("transaction.version="+version, func(t *testing.T) {
			b := broker.Run(t, broker.Config{Topics: map[string]int{"in": 1, "orders": 2},
				Properties: map[string]string{"posthaste.transaction.version": version}})
			in := numbered(12)
			mustProduce(t, client(t, b), "in", in...)
			s, err := kgo.NewGroupTransactSession(kgo.SeedBrokers(b.Addr()),
				kgo.TransactionalID("loop"), kgo.ConsumerGroup("readers"), kgo.ConsumeTopics("in"),
				kgo.FetchIsolationLevel(kgo.ReadCommitted()),
				kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()),
				kgo.HeartbeatInterval(50*time.Millisecond))
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
			defer cancel()
			for done, round := 0, 0; done < len(in); round++ {
				fetches := s.PollRecords(ctx, 5)
				if err := fetches.Err(); err != nil {
					t.Fatal(err)
				}
				if err := s.Begin(); err != nil {
					t.Fatal(err)
				}
				var out []*kgo.Record
				fetches.EachRecord(func(r *kgo.Record) {
					out = append(out, &kgo.Record{Topic: "orders", Value: r.Value})
				})
				if err := s.ProduceSync(ctx, out...).FirstErr(); err != nil {
					t.Fatal(err)
				}
				committed, err := s.End(ctx, kgo.TransactionEndTry(round%2 == 1))
				if err != nil {
					t.Fatal(err)
				}
				if committed {
					done += len(out)
				}
			}
			if got := visible(t, b, kgo.ReadCommitted()); !slices.Equal(got, in) {
				t.Errorf("read_committed sees %q, want each number once", got)
			}
		})
	}
}

// v1 is a client of version 1 of transactions, a request at a time.
type v1 struct {
	*rawClient
	broker *broker.Broker
	id     string
	pid    int64
	epoch  int16
}

func newV1(t testing.TB, b *broker.Broker, id string) *v1 {
	t.Helper()
	c := &v1{rawClient: dialRaw(t, b.Addr()), broker: b, id: id}
	if code := c.init(60_000); code != 0 {
		t.Fatalf("InitProducerId: %v", code.Name())
	}
	return c
}

func (c *v1) init(timeoutMillis int32) errcode.Code {
	c.t.Helper()
	for {
		req := kmsg.NewPtrInitProducerIDRequest()
		req.TransactionalID, req.TransactionTimeoutMillis = &c.id, timeoutMillis
		resp := call[*kmsg.InitProducerIDResponse](c.rawClient, 1, req)
		switch code := errcode.Code(resp.ErrorCode); code {
		case errcode.ConcurrentTransactions:
		default:
			c.pid, c.epoch = resp.ProducerID, resp.ProducerEpoch
			return code
		}
	}
}

func (c *v1) add(version int16, topic string, partitions ...int32) errcode.Code {
	c.t.Helper()
	req := kmsg.NewPtrAddPartitionsToTxnRequest()
	req.TransactionalID, req.ProducerID, req.ProducerEpoch = c.id, c.pid, c.epoch
	req.Topics = []kmsg.AddPartitionsToTxnRequestTopic{{Topic: topic, Partitions: partitions}}
	resp := call[*kmsg.AddPartitionsToTxnResponse](c.rawClient, version, req)
	return errcode.Code(resp.Topics[0].Partitions[0].ErrorCode)
}

func (c *v1) produce(version int16, partition, sequence int32, value string) errcode.Code {
	c.t.Helper()
	h := plain()
	h.ProducerID, h.ProducerEpoch, h.BaseSequence = c.pid, c.epoch, sequence
	h.Attributes = wire.Transactional
	req := produceRequest("orders", topicID(c.rawClient, "orders"), newBatch(h, value))
	req.TransactionID = &c.id
	req.Topics[0].Partitions[0].Partition = partition
	resp := call[*kmsg.ProduceResponse](c.rawClient, version, req)
	return errcode.Code(resp.Topics[0].Partitions[0].ErrorCode)
}

func (c *v1) end(version int16, commit bool) errcode.Code {
	c.t.Helper()
	req := kmsg.NewPtrEndTxnRequest()
	req.TransactionalID, req.ProducerID, req.ProducerEpoch = c.id, c.pid, c.epoch
	req.Commit = commit
	return errcode.Code(call[*kmsg.EndTxnResponse](c.rawClient, version, req).ErrorCode)
}

func (c *v1) addOffsets(version int16, group string) errcode.Code {
	c.t.Helper()
	req := kmsg.NewPtrAddOffsetsToTxnRequest()
	req.TransactionalID, req.ProducerID, req.ProducerEpoch = c.id, c.pid, c.epoch
	req.Group = group
	return errcode.Code(call[*kmsg.AddOffsetsToTxnResponse](c.rawClient, version, req).ErrorCode)
}

func (c *v1) commitOffset(version int16, group string, offset int64) errcode.Code {
	c.t.Helper()
	req := kmsg.NewPtrTxnOffsetCommitRequest()
	req.TransactionalID, req.ProducerID, req.ProducerEpoch = c.id, c.pid, c.epoch
	req.Group, req.Generation = group, -1
	p := kmsg.NewTxnOffsetCommitRequestTopicPartition()
	p.Offset = offset
	req.Topics = []kmsg.TxnOffsetCommitRequestTopic{{Topic: "orders",
		Partitions: []kmsg.TxnOffsetCommitRequestTopicPartition{p}}}
	resp := call[*kmsg.TxnOffsetCommitResponse](c.rawClient, version, req)
	return errcode.Code(resp.Topics[0].Partitions[0].ErrorCode)
}

// offset is what a consumer is told that asks for stable offsets, and the code.
func (c *v1) offset(group string) (int64, errcode.Code) {
	c.t.Helper()
	req := kmsg.NewPtrOffsetFetchRequest()
	req.RequireStable = true
	g := kmsg.NewOffsetFetchRequestGroup()
	g.Group = group
	g.Topics = []kmsg.OffsetFetchRequestGroupTopic{{Topic: "orders", Partitions: []int32{0}}}
	req.Groups = append(req.Groups, g)
	resp := call[*kmsg.OffsetFetchResponse](c.rawClient, 8, req)
	p := resp.Groups[0].Topics[0].Partitions[0]
	return p.Offset, errcode.Code(p.ErrorCode)
}

// Version 6 of InitProducerId, byte by byte: kmsg does not know it.
func TestTwoPhaseCommit(t *testing.T) {
	for _, enabled := range []bool{false, true} {
		b := broker.Run(t, broker.Config{Properties: map[string]string{
			"transaction.two.phase.commit.enable": fmt.Sprint(enabled)}})
		want := errcode.TransactionalIdAuthorizationFailed
		if enabled {
			want = errcode.None
		}
		for _, tt := range []struct {
			name               string
			timeout            int32
			twoPhase, prepared byte
			want               errcode.Code
		}{
			{"without", 60_000, 0, 0, errcode.None},
			{"with", 60_000, 1, 0, want},
			{"and a transaction that is to stay", 60_000, 0, 1, errcode.UnsupportedVersion},
			{"without a timeout", 0, 0, 0, errcode.InvalidTransactionTimeout},
		} {
			c := dialRaw(t, b.Addr())
			body := protocol.AppendCompactString(nil, "one")
			body = binary.BigEndian.AppendUint32(body, uint32(tt.timeout))
			body = append(body, bytes.Repeat([]byte{0xff}, 8+2)...) // no producer
			body = append(body, tt.twoPhase, tt.prepared, 0)
			resp := c.bytes(protocol.InitProducerID, 6, body)
			code := errcode.Code(binary.BigEndian.Uint16(resp[4:]))
			id := int64(binary.BigEndian.Uint64(resp[6:]))
			if len(resp) != 4+2+2*(8+2)+1 || code != tt.want || (id >= 0) != (code == errcode.None) {
				t.Errorf("enabled %v, %s: %s, producer %d in %d bytes, want %s",
					enabled, tt.name, code.Name(), id, len(resp), tt.want.Name())
			}
		}
	}
}

func TestPendingOffsetsAreUnstableUntilTheMarker(t *testing.T) {
	b := start(t, map[string]int{"orders": 1})
	c := newV1(t, b, "one")
	expect := func(what string, got, want errcode.Code) {
		t.Helper()
		if got != want {
			t.Errorf("%s: %s, want %s", what, got.Name(), want.Name())
		}
	}
	expect("before AddOffsetsToTxn", c.commitOffset(3, "readers", 4), errcode.InvalidTxnState)
	expect("the same to a newer client", c.commitOffset(4, "readers", 4), errcode.TransactionAbortable)
	expect("add", c.addOffsets(3, "readers"), errcode.None)
	expect("commit", c.commitOffset(3, "readers", 4), errcode.None)
	if _, code := c.offset("readers"); code != errcode.UnstableOffsetCommit {
		t.Errorf("while it is open: %s", code.Name())
	}
	expect("end", c.end(3, true), errcode.None)
	if o, code := c.offset("readers"); o != 4 || code != errcode.None {
		t.Errorf("after the commit: %d, %s", o, code.Name())
	}
	expect("implicitly", c.commitOffset(5, "readers", 9), errcode.None)
	expect("abort", c.end(3, false), errcode.None)
	if o, code := c.offset("readers"); o != 4 || code != errcode.None {
		t.Errorf("after the abort: %d, %s", o, code.Name())
	}
}

// Version 1, as librdkafka, KafkaJS and sarama speak it.
func TestClientsOfVersion1(t *testing.T) {
	b := start(t, map[string]int{"orders": 2})
	c := newV1(t, b, "one")
	tests := []struct {
		name string
		got  errcode.Code
		want errcode.Code
	}{
		{"a batch for a partition that was not added", c.produce(7, 0, 0, "x"), errcode.InvalidTxnState},
		{"the same to one that knows KIP-890", c.produce(11, 0, 0, "x"), errcode.TransactionAbortable},
		{"no transaction to end", c.end(1, true), errcode.InvalidTxnState},
		{"a partition that is not there", c.add(1, "orders", 7), errcode.UnknownTopicOrPartition},
		{"a partition is added", c.add(0, "orders", 0), errcode.None},
		{"again", c.add(3, "orders", 0), errcode.None},
		{"its batch", c.produce(7, 0, 0, "a"), errcode.None},
		{"another partition's", c.produce(7, 1, 0, "x"), errcode.InvalidTxnState},
		{"the commit", c.end(1, true), errcode.None},
		{"the commit again", c.end(1, true), errcode.None},
		{"an abort after the commit", c.end(1, false), errcode.InvalidTxnState},
		{"a batch after the commit", c.produce(7, 0, 1, "x"), errcode.InvalidTxnState},
		{"the next transaction", c.add(1, "orders", 0, 1), errcode.None},
		{"goes on with its sequences", c.produce(7, 0, 1, "y"), errcode.None},
		{"in both partitions", c.produce(9, 1, 0, "y"), errcode.None},
		{"the abort", c.end(3, false), errcode.None},
		{"the third", c.add(1, "orders", 1), errcode.None},
		{"its batch", c.produce(7, 1, 1, "b"), errcode.None},
		{"its commit", c.end(1, true), errcode.None},
	}
	for _, tt := range tests {
		if tt.got != tt.want {
			t.Errorf("%s: %s, want %s", tt.name, tt.got.Name(), tt.want.Name())
		}
	}
	if got := visible(t, b, kgo.ReadCommitted()); !slices.Equal(got, []string{"a", "b"}) {
		t.Errorf("read_committed sees %q", got)
	}
	old := *c
	if code := c.init(60_000); code != 0 || c.pid != old.pid || c.epoch != old.epoch+1 {
		t.Errorf("init again: producer %d epoch %d after %d, %d: %s",
			c.pid, c.epoch, old.pid, old.epoch, code.Name())
	}
	for _, version := range []int16{0, 1, 2, 3} {
		want := errcode.ProducerFenced
		if version < 2 {
			want = errcode.InvalidProducerEpoch
		}
		if got := old.add(version, "orders", 0); got != want {
			t.Errorf("add v%d of a fenced producer: %s, want %s", version, got.Name(), want.Name())
		}
		if got := old.end(version, true); got != want {
			t.Errorf("end v%d of a fenced producer: %s, want %s", version, got.Name(), want.Name())
		}
	}
	if got := old.produce(7, 0, 2, "x"); got != errcode.InvalidProducerEpoch {
		t.Errorf("a batch of a fenced producer: %s", got.Name())
	}
}
