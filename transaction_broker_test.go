package posthaste

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"sync"
	"testing"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/posthaste-go/posthaste/internal/errcode"
	"github.com/posthaste-go/posthaste/internal/protocol"
	"github.com/posthaste-go/posthaste/internal/wire"
)

// coordinating is a cluster of one broker that says yes to everything, but for
// one answer, and writes down what it was asked.
type coordinating struct {
	testing.TB
	version int16 // of transactions, as finalized
	where   string
	code    errcode.Code
	nth     int // of the requests at that place, from 1

	// Answers to hold, which is EndTxn unless set, wait until release is closed; nil
	// for at once.
	release chan struct{}
	hold    protocol.Key
	oldest  bool // the newest TxnOffsetCommit is that of before KIP-447

	mu       sync.Mutex
	seen     int
	requests []string
	epoch    int16
	offset   int64
	conns    sync.WaitGroup
}

// dial connects to the broker, whatever the address is.
func (b *coordinating) dial(context.Context, string, string) (net.Conn, error) {
	client, server := net.Pipe()
	b.conns.Go(func() { b.serve(server) })
	return client, nil
}

func (b *coordinating) serve(nc net.Conn) {
	defer nc.Close()
	for {
		var size [4]byte
		if _, err := io.ReadFull(nc, size[:]); err != nil {
			return
		}
		frame := make([]byte, binary.BigEndian.Uint32(size[:]))
		if _, err := io.ReadFull(nc, frame); err != nil {
			return
		}
		answer := b.answer(frame)
		if answer == nil {
			return
		}
		if _, err := nc.Write(answer); err != nil {
			return
		}
	}
}

func (b *coordinating) answer(frame []byte) []byte {
	h, body, err := protocol.ParseRequestHeader(frame)
	if err != nil {
		b.Error(err)
		return nil
	}
	req := kmsg.RequestForKey(int16(h.Key))
	req.SetVersion(h.Version)
	resp := req.ResponseKind()
	if h.Key == protocol.APIVersions && h.Version > 4 {
		h.Version = 4
		resp.SetVersion(4)
	}
	if err := req.ReadFrom(body); err != nil {
		b.Errorf("%v: %v", h.Key, err)
		return nil
	}
	hold := b.hold
	if hold == 0 {
		hold = protocol.EndTxn
	}
	if h.Key == hold && b.release != nil {
		<-b.release
	}
	b.mu.Lock()
	b.fill(req, resp)
	b.mu.Unlock()
	out := protocol.AppendResponseHeader(make([]byte, 4), h.Key, h.Version, h.CorrelationID)
	out = resp.AppendTo(out)
	binary.BigEndian.PutUint32(out, uint32(len(out)-4))
	return out
}

// note writes a request down and gives the code to answer it with.
func (b *coordinating) note(where, format string, args ...any) int16 {
	b.requests = append(b.requests, fmt.Sprintf(format, args...))
	if where != b.where {
		return 0
	}
	if b.seen++; b.seen == b.nth {
		return int16(b.code)
	}
	return 0
}

func (b *coordinating) fill(req kmsg.Request, resp kmsg.Response) {
	switch req := req.(type) {
	case *kmsg.ApiVersionsRequest:
		b.apiVersions(resp.(*kmsg.ApiVersionsResponse))
	case *kmsg.MetadataRequest:
		metadataOfOne(req, resp.(*kmsg.MetadataResponse))
	case *kmsg.FindCoordinatorRequest:
		where := "FindCoordinator (group)"
		if req.CoordinatorType == 1 {
			where = "FindCoordinator (transaction)"
		}
		co := kmsg.NewFindCoordinatorResponseCoordinator()
		co.Key, co.NodeID, co.Host, co.Port = req.CoordinatorKeys[0], 1, "broker", 9092
		co.ErrorCode = b.note(where, "FindCoordinator v%d type=%d %v",
			req.Version, req.CoordinatorType, req.CoordinatorKeys)
		resp.(*kmsg.FindCoordinatorResponse).Coordinators = append(
			resp.(*kmsg.FindCoordinatorResponse).Coordinators, co)
	case *kmsg.InitProducerIDRequest:
		r := resp.(*kmsg.InitProducerIDResponse)
		r.ErrorCode = b.note("InitProducerId", "InitProducerId v%d txn=%s pid=%d epoch=%d",
			req.Version, *req.TransactionalID, req.ProducerID, req.ProducerEpoch)
		if r.ProducerID, r.ProducerEpoch = -1, -1; r.ErrorCode == 0 {
			b.epoch = req.ProducerEpoch + 1
			r.ProducerID, r.ProducerEpoch = 1000, b.epoch
		}
	case *kmsg.ProduceRequest:
		b.produce(req, resp.(*kmsg.ProduceResponse))
	default:
		b.fillTransactional(req, resp)
	}
}

func (b *coordinating) fillTransactional(req kmsg.Request, resp kmsg.Response) {
	switch req := req.(type) {
	case *kmsg.AddPartitionsToTxnRequest:
		code := b.note("AddPartitionsToTxn", "AddPartitionsToTxn v%d pid=%d epoch=%d [t-0]",
			req.Version, req.ProducerID, req.ProducerEpoch)
		t := kmsg.NewAddPartitionsToTxnResponseTopic()
		t.Topic = "t"
		t.Partitions = []kmsg.AddPartitionsToTxnResponseTopicPartition{{ErrorCode: code}}
		resp.(*kmsg.AddPartitionsToTxnResponse).Topics = append(
			resp.(*kmsg.AddPartitionsToTxnResponse).Topics, t)
	case *kmsg.AddOffsetsToTxnRequest:
		resp.(*kmsg.AddOffsetsToTxnResponse).ErrorCode = b.note("AddOffsetsToTxn",
			"AddOffsetsToTxn v%d group=%s epoch=%d", req.Version, req.Group, req.ProducerEpoch)
	case *kmsg.TxnOffsetCommitRequest:
		code := b.note("TxnOffsetCommit", "TxnOffsetCommit v%d group=%s epoch=%d member=%s gen=%d n=%d",
			req.Version, req.Group, req.ProducerEpoch, req.MemberID, req.Generation, len(req.Topics))
		if req.InstanceID != nil {
			b.requests[len(b.requests)-1] += " instance=" + *req.InstanceID
		}
		t := kmsg.NewTxnOffsetCommitResponseTopic()
		t.Topic, t.TopicID = req.Topics[0].Topic, req.Topics[0].TopicID
		t.Partitions = []kmsg.TxnOffsetCommitResponseTopicPartition{{ErrorCode: code}}
		resp.(*kmsg.TxnOffsetCommitResponse).Topics = append(
			resp.(*kmsg.TxnOffsetCommitResponse).Topics, t)
	case *kmsg.EndTxnRequest:
		end := "abort"
		if req.Commit {
			end = "commit"
		}
		r := resp.(*kmsg.EndTxnResponse)
		r.ErrorCode = b.note("EndTxn ("+end+")", "EndTxn v%d %s pid=%d epoch=%d",
			req.Version, end, req.ProducerID, req.ProducerEpoch)
		if r.ProducerID, r.ProducerEpoch = -1, -1; r.ErrorCode == 0 && req.Version >= 5 {
			b.epoch = req.ProducerEpoch + 1
			r.ProducerID, r.ProducerEpoch = 1000, b.epoch
		}
	default:
		b.Errorf("unexpected request %T", req)
	}
}

func (b *coordinating) produce(req *kmsg.ProduceRequest, resp *kmsg.ProduceResponse) {
	batch := req.Topics[0].Partitions[0].Records
	h, err := wire.ParseBatchHeader(batch)
	if err != nil {
		b.Error(err)
	}
	if h.ProducerEpoch != b.epoch {
		b.Errorf("a batch of epoch %d came in epoch %d", h.ProducerEpoch, b.epoch)
	}
	flag := ""
	if h.Attributes&wire.Transactional != 0 {
		flag = " T"
	}
	code := b.note("Produce", "Produce v%d txn=%s [t-0 pid=%d epoch=%d seq=%d n=%d%s]", req.Version,
		*req.TransactionID, h.ProducerID, h.ProducerEpoch, h.BaseSequence, h.Count, flag)
	t := kmsg.NewProduceResponseTopic()
	t.Topic = "t"
	p := kmsg.NewProduceResponseTopicPartition()
	p.ErrorCode, p.BaseOffset, p.LogAppendTime, p.LogStartOffset = code, -1, -1, -1
	if code == 0 {
		p.BaseOffset = b.offset
		b.offset += int64(h.Count)
	}
	t.Partitions = append(t.Partitions, p)
	resp.Topics = append(resp.Topics, t)
}

func (b *coordinating) apiVersions(r *kmsg.ApiVersionsResponse) {
	for key, newest := range map[protocol.Key]int16{
		protocol.Produce: 12, protocol.Metadata: 10, protocol.FindCoordinator: 6,
		protocol.APIVersions: 4, protocol.InitProducerID: 5, protocol.AddPartitionsToTxn: 5,
		protocol.AddOffsetsToTxn: 4, protocol.EndTxn: 5, protocol.TxnOffsetCommit: 6,
	} {
		k := kmsg.NewApiVersionsResponseApiKey()
		k.ApiKey, k.MaxVersion = int16(key), newest
		if b.oldest && key == protocol.TxnOffsetCommit {
			k.MaxVersion = 2
		}
		r.ApiKeys = append(r.ApiKeys, k)
	}
	f := kmsg.NewApiVersionsResponseFinalizedFeature()
	f.Name, f.MinVersionLevel, f.MaxVersionLevel = "transaction.version", b.version, b.version
	r.FinalizedFeaturesEpoch = 7
	r.FinalizedFeatures = append(r.FinalizedFeatures, f)
}

func metadataOfOne(req *kmsg.MetadataRequest, r *kmsg.MetadataResponse) {
	broker := kmsg.NewMetadataResponseBroker()
	broker.NodeID, broker.Host, broker.Port = 1, "broker", 9092
	r.Brokers, r.ControllerID = append(r.Brokers, broker), 1
	for _, topic := range req.Topics {
		t := kmsg.NewMetadataResponseTopic()
		t.Topic, t.TopicID = topic.Topic, [16]byte{1}
		p := kmsg.NewMetadataResponseTopicPartition()
		p.Leader, p.LeaderEpoch = 1, 1
		t.Partitions = append(t.Partitions, p)
		r.Topics = append(r.Topics, t)
	}
}
