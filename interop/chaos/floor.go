//go:build unix

package chaos

import (
	"bufio"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"slices"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/posthaste-go/posthaste/internal/wire"
)

// floorTopic has its replicas where the load's topic has them, and so the same leaders.
const floorTopic = "floor"

const (
	floorAgain    = 2 * time.Millisecond // after a node said that it does not lead
	floorPatience = 10 * time.Second
)

// A floor finds out how soon a new leader's first acknowledgement can be had at all:
// by who hears of the leader from the watcher in that moment, has a connection to
// every node for each partition, and sends one record.
type floor struct {
	batch []byte
	ctx   context.Context // of the run
	logf  func(format string, args ...any)

	mu    sync.Mutex
	lines map[[2]int]*line // by node and partition
	took  []time.Duration  // of all probes that were acknowledged
	wg    sync.WaitGroup
}

// A line is a connection past the proxies that one goroutine uses at a time.
type line struct {
	mu   sync.Mutex
	addr string
	nc   net.Conn
	r    *bufio.Reader
}

// newFloor makes the topic; warm makes the connections.
func newFloor(ctx context.Context, s *stage, logf func(string, ...any)) (*floor, error) {
	all, err := s.partitions(ctx)
	if err != nil {
		return nil, err
	}
	request := kmsg.NewPtrCreateTopicsRequest()
	t := kmsg.NewCreateTopicsRequestTopic()
	t.Topic, t.NumPartitions, t.ReplicationFactor = floorTopic, -1, -1
	for p, where := range all {
		a := kmsg.NewCreateTopicsRequestTopicReplicaAssignment()
		a.Partition, a.Replicas = int32(p), where.Replicas
		t.ReplicaAssignment = append(t.ReplicaAssignment, a)
	}
	request.Topics, request.TimeoutMillis = append(request.Topics, t), 10_000
	client, err := kgo.NewClient(kgo.SeedBrokers(s.cluster.Nodes[0].Addr()))
	if err != nil {
		return nil, err
	}
	defer client.Close()
	answer, err := request.RequestWith(ctx, client)
	if err != nil {
		return nil, err
	}
	if err := kerr.ErrorForCode(answer.Topics[0].ErrorCode); err != nil {
		return nil, fmt.Errorf("create topic %s: %w", floorTopic, err)
	}
	f := &floor{batch: oneRecord(), ctx: ctx, logf: logf, lines: map[[2]int]*line{}}
	for _, n := range s.cluster.Nodes {
		for p := range all {
			f.lines[[2]int{n.ID, p}] = &line{addr: n.Addr()}
		}
	}
	return f, nil
}

// oneRecord is a batch of one record, without a producer id.
func oneRecord() []byte {
	value := []byte("floor")
	body := wire.RecordBodySize(0, 0, nil, value, 0, 0)
	b := wire.AppendRecord(make([]byte, wire.BatchHeaderSize), body, 0, 0, nil, value, 0)
	now := time.Now().UnixMilli()
	h := wire.BatchHeader{LeaderEpoch: wire.NoLeaderEpoch, BaseTimestamp: now, MaxTimestamp: now,
		ProducerID: wire.NoProducerID, ProducerEpoch: wire.NoProducerEpoch,
		BaseSequence: wire.NoSequence, Count: 1}
	h.Seal(b)
	return b
}

// warm has every line connected, and every node know the request. Only leaders take it.
func (f *floor) warm() {
	for key, l := range f.lines {
		_, err := l.send(f.ctx, key[1], f.batch)
		if err != nil { // the connection ended with a process
			_, err = l.send(f.ctx, key[1], f.batch)
		}
		if err != nil {
			f.logf("floor: node %d: %v", key[0], err)
		}
	}
}

// probe sends to a new leader until it acknowledges.
func (f *floor) probe(partition int, leader leadership) {
	f.wg.Go(func() {
		l := f.lines[[2]int{leader.Leader, partition}]
		for l != nil && time.Since(leader.Seen) < floorPatience {
			code, err := l.send(f.ctx, partition, f.batch)
			if err == nil && code == 0 {
				f.mu.Lock()
				f.took = append(f.took, time.Since(leader.Seen))
				f.mu.Unlock()
				return
			}
			if hold(f.ctx, floorAgain) != nil {
				return
			}
		}
		f.logf("floor: partition %d was not acknowledged", partition)
	})
}

// recoveries waits for all probes.
func (f *floor) recoveries() Recoveries {
	f.wg.Wait()
	slices.Sort(f.took)
	for _, l := range f.lines {
		l.hangUp()
	}
	return Recoveries{Took: f.took}
}

// send is one produce request with acks=all, and the answer's error code.
func (l *line) send(ctx context.Context, partition int, batch []byte) (int16, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	code, err := l.exchange(ctx, partition, batch)
	if err != nil {
		l.hangUp()
	}
	return code, err
}

func (l *line) hangUp() {
	if l.nc != nil {
		l.nc.Close() //nolint:errcheck // nothing is expected of it any more
		l.nc = nil
	}
}

func (l *line) exchange(ctx context.Context, partition int, batch []byte) (int16, error) {
	if l.nc == nil {
		dialer := net.Dialer{Timeout: time.Second}
		nc, err := dialer.DialContext(ctx, "tcp", l.addr)
		if err != nil {
			return 0, err
		}
		l.nc, l.r = nc, bufio.NewReader(nc)
	}
	request := kmsg.NewPtrProduceRequest()
	request.SetVersion(9)
	request.Acks, request.TimeoutMillis = -1, int32(floorPatience.Milliseconds())
	t := kmsg.NewProduceRequestTopic()
	t.Topic = floorTopic
	p := kmsg.NewProduceRequestTopicPartition()
	p.Partition, p.Records = int32(partition), batch
	t.Partitions = append(t.Partitions, p)
	request.Topics = append(request.Topics, t)
	frame := kmsg.NewRequestFormatter(kmsg.FormatterClientID(floorTopic)).
		AppendRequest(nil, request, 1)
	if err := l.nc.SetDeadline(time.Now().Add(floorPatience)); err != nil {
		return 0, err
	}
	if _, err := l.nc.Write(frame); err != nil {
		return 0, err
	}
	var size [4]byte
	if _, err := io.ReadFull(l.r, size[:]); err != nil {
		return 0, err
	}
	body := make([]byte, binary.BigEndian.Uint32(size[:]))
	if _, err := io.ReadFull(l.r, body); err != nil {
		return 0, err
	}
	answer := request.ResponseKind().(*kmsg.ProduceResponse)
	answer.SetVersion(9)
	if err := answer.ReadFrom(body[5:]); err != nil { // behind correlation id and tags
		return 0, err
	}
	return answer.Topics[0].Partitions[0].ErrorCode, nil
}
