package sim

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/posthaste-go/posthaste"
	"github.com/posthaste-go/posthaste/internal/compression"
	"github.com/posthaste-go/posthaste/internal/errcode"
	"github.com/posthaste-go/posthaste/internal/protocol"
	"github.com/posthaste-go/posthaste/internal/wire"
)

// reader reads partitions as a consumer with isolation.level=read_committed does,
// through the network and with Kafka's own rules of what to show.
// Source: CompletedFetch.
type reader struct {
	world *world
	conn  net.Conn
	node  int // that conn leads to
	id    int32
	limit time.Duration // of an answer
	views map[posthaste.TopicPartition]*view
}

// view is what a reader has seen of a partition.
type view struct {
	position int64
	seen     []shown
	stable   int64 // last stable offset
	end      int64 // high watermark
	polled   bool  // the two above are known
}

type shown struct {
	offset int64
	id     string
}

func newReader(w *world, topics map[string]int) *reader {
	r := &reader{world: w, limit: time.Second, views: map[posthaste.TopicPartition]*view{}}
	for name, n := range topics {
		for i := range n {
			r.views[posthaste.TopicPartition{Topic: name, Partition: int32(i)}] = &view{}
		}
	}
	return r
}

func (r *reader) close() {
	if r.conn != nil {
		r.conn.Close()
		r.conn = nil
	}
}

// ask sends a request to the node that r is connected to.
func (r *reader) ask(req kmsg.Request) (kmsg.Response, error) {
	resp, err := r.exchange(req)
	if err != nil {
		r.close()
	}
	return resp, err
}

func (r *reader) exchange(req kmsg.Request) (kmsg.Response, error) {
	if r.conn == nil {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		c, err := r.world.net.Dial(ctx, "tcp", r.world.addr(r.node))
		if err != nil {
			return nil, err
		}
		r.conn = c
	}
	r.id++
	h := protocol.RequestHeader{Key: protocol.Key(req.Key()), Version: req.GetVersion(),
		CorrelationID: r.id, ClientID: []byte("reader")}
	frame := req.AppendTo(h.Append(make([]byte, 4)))
	binary.BigEndian.PutUint32(frame, uint32(len(frame)-4))
	r.conn.SetDeadline(time.Now().Add(r.limit))
	if _, err := r.conn.Write(frame); err != nil {
		return nil, err
	}
	var size [4]byte
	if _, err := io.ReadFull(r.conn, size[:]); err != nil {
		return nil, err
	}
	frame = make([]byte, binary.BigEndian.Uint32(size[:]))
	if _, err := io.ReadFull(r.conn, frame); err != nil {
		return nil, err
	}
	_, body, err := protocol.ParseResponseHeader(frame, h.Key, h.Version)
	if err != nil {
		return nil, err
	}
	resp := req.ResponseKind()
	resp.SetVersion(h.Version)
	return resp, resp.ReadFrom(body)
}

// elsewhere makes the next request go to the next node.
func (r *reader) elsewhere() {
	r.close()
	r.node = (r.node + 1) % r.world.plan.nodes
}

// everything reads all partitions to their ends, whose errors do not count as
// long as they end.
func (r *reader) everything(within time.Duration) error {
	start := time.Now()
	r.limit = within // a slow network takes its time
	for {
		err := r.poll()
		left := 0
		for _, v := range r.views {
			if !v.polled || v.position < v.stable {
				left++
			}
		}
		switch {
		case left == 0:
			return nil
		case time.Since(start) > within:
			return fmt.Errorf("%d partitions are not read to their ends: %w", left, err)
		}
		r.elsewhere()
	}
}

// follow reads until end is closed, whatever happens.
func (r *reader) follow(end <-chan struct{}) {
	defer r.close()
	t := time.NewTicker(50 * time.Millisecond)
	defer t.Stop()
	for n := 1; ; n++ {
		if r.poll() != nil || n%4 == 0 {
			r.elsewhere()
		}
		select {
		case <-end:
			return
		case <-t.C:
		}
	}
}

// poll fetches once from the node that r is connected to.
func (r *reader) poll() error {
	req := kmsg.NewPtrFetchRequest()
	req.SetVersion(11)
	req.IsolationLevel = 1
	req.MaxBytes, req.MinBytes = 64<<10, 0
	req.SessionEpoch = -1
	for tp, v := range r.views {
		p := kmsg.NewFetchRequestTopicPartition()
		p.Partition, p.FetchOffset, p.PartitionMaxBytes = tp.Partition, v.position, 1<<20
		req.Topics = append(req.Topics, kmsg.FetchRequestTopic{Topic: tp.Topic,
			Partitions: []kmsg.FetchRequestTopicPartition{p}})
	}
	resp, err := r.ask(req)
	if err != nil {
		return err
	}
	f := resp.(*kmsg.FetchResponse)
	if f.ErrorCode != 0 {
		return errcode.Code(f.ErrorCode)
	}
	for i := range f.Topics {
		for j := range f.Topics[i].Partitions {
			got := &f.Topics[i].Partitions[j]
			if got.ErrorCode != 0 {
				err = errcode.Code(got.ErrorCode) // as that another node leads it
				continue
			}
			v := r.views[posthaste.TopicPartition{Topic: f.Topics[i].Topic, Partition: got.Partition}]
			v.stable, v.end, v.polled = got.LastStableOffset, got.HighWatermark, true
			if bad := v.take(got); bad != nil {
				return bad
			}
		}
	}
	if r.world.plan.nodes > 1 {
		return nil
	}
	return err
}

// take shows what is committed of a fetch.
func (v *view) take(got *kmsg.FetchResponseTopicPartition) error {
	list := got.AbortedTransactions
	slices.SortStableFunc(list, func(a, b kmsg.FetchResponseTopicPartitionAbortedTransaction) int {
		return int(a.FirstOffset - b.FirstOffset)
	})
	hidden := map[int64]bool{} // producers
	rest := got.RecordBatches
	for len(rest) >= wire.BatchHeaderSize {
		h, batch, after, err := wire.CutBatch(rest)
		if err != nil {
			return err
		}
		rest = after
		for len(list) > 0 && list[0].FirstOffset <= h.LastOffset() {
			hidden[list[0].ProducerID] = true
			list = list[1:]
		}
		if err := v.batch(&h, batch[wire.BatchHeaderSize:], hidden); err != nil {
			return err
		}
		v.position = max(v.position, h.LastOffset()+1)
	}
	return nil
}

func (v *view) batch(h *wire.BatchHeader, records []byte, hidden map[int64]bool) error {
	control := h.Attributes.Has(wire.Control)
	if !control && h.Attributes.Has(wire.Transactional) && hidden[h.ProducerID] {
		return nil
	}
	if codec := compression.Codec(h.Attributes.Codec()); codec != compression.None {
		var err error
		if records, err = compression.Decompress(nil, records, codec, 1<<26); err != nil {
			return err
		}
	}
	it := wire.NewIterator(h.Count, records)
	for it.Next() {
		rec := it.Record()
		if control {
			m, err := wire.ParseEndTxnMarker(rec.Key, rec.Value)
			if err != nil {
				return err
			}
			if m.Type == wire.Abort {
				delete(hidden, h.ProducerID)
			}
			continue
		}
		if offset := h.BaseOffset + int64(rec.OffsetDelta); offset >= v.position {
			id, _, _ := bytes.Cut(rec.Value, []byte("|"))
			v.seen = append(v.seen, shown{offset, string(id)})
		}
	}
	return it.Err()
}

// committedOffset is the offset that a group has committed for a partition; -1 if
// none.
func (r *reader) committedOffset(group string, tp posthaste.TopicPartition) (int64, error) {
	var last error
	for range 20 {
		req := kmsg.NewPtrOffsetFetchRequest()
		req.SetVersion(7)
		req.Group, req.RequireStable = group, true
		req.Topics = append(req.Topics, kmsg.OffsetFetchRequestTopic{Topic: tp.Topic,
			Partitions: []int32{tp.Partition}})
		resp, err := r.ask(req)
		if err == nil {
			f := resp.(*kmsg.OffsetFetchResponse)
			code := errcode.Code(f.ErrorCode)
			if code == errcode.None && len(f.Topics) == 1 {
				p := &f.Topics[0].Partitions[0]
				if code = errcode.Code(p.ErrorCode); code == errcode.None {
					return p.Offset, nil
				}
			}
			err = code
		}
		last = err
		r.elsewhere()
		time.Sleep(50 * time.Millisecond)
	}
	return -1, fmt.Errorf("offsets of %s: %w", group, last)
}
