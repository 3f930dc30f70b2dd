package broker_test

import (
	"errors"
	"fmt"
	"io"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/posthaste-go/posthaste/broker"
	"github.com/posthaste-go/posthaste/internal/errcode"
)

// An idempotent producer gets its record written once, whatever one request
// meets on its way.
func TestAnIdempotentProducerSurvivesEveryFault(t *testing.T) {
	tests := []broker.Fault{
		broker.Produce().Drop(),
		broker.Produce().DropResponse(),
		broker.Produce().Times(3).DropResponse(),
		broker.Produce().CutAt(1),
		broker.Produce().CutAt(9),
		broker.Produce().Delay(20 * time.Millisecond),
		broker.Produce().DelayResponse(20 * time.Millisecond),
		broker.Produce().Error(int16(errcode.NotLeaderOrFollower)),
		broker.Produce().Times(2).Error(int16(errcode.KafkaStorageError)),
		broker.Produce().Pause(20 * time.Millisecond),
		broker.Produce().Restart(),
		broker.Produce().Kill(),
		broker.Produce().MoveLeader("orders", 0, 1),
		broker.Request("InitProducerID").Error(int16(errcode.CoordinatorLoadInProgress)),
		broker.Request("Metadata").Nth(1).Drop(),
		broker.Request("Metadata").Error(int16(errcode.LeaderNotAvailable)),
		broker.Request("ApiVersions").DropResponse(),
		broker.AnyRequest().Nth(7).Drop(), // kgo gives up if the first on a connection is lost
	}
	for _, f := range tests {
		t.Run(f.String(), func(t *testing.T) {
			b := broker.Run(t, broker.Config{Topics: map[string]int{"orders": 1}, Nodes: 2})
			if err := b.MoveLeader("orders", 0, 0); err != nil {
				t.Fatal(err)
			}
			b.Inject(f)
			cl := client(t, b, kgo.UnknownTopicRetries(-1))
			for i := range 5 {
				mustProduce(t, cl, "orders", fmt.Sprint(i))
			}
			if n := b.PendingFaults(); n != 0 {
				t.Errorf("%d faults have not happened", n)
			}
			records, err := b.Records("orders", 0)
			if err != nil {
				t.Fatal(err)
			}
			for i, r := range records {
				if string(r.Value) != fmt.Sprint(i) {
					t.Errorf("offset %d holds %q", i, r.Value)
				}
			}
			if len(records) != 5 {
				t.Errorf("%d records in the log, want 5", len(records))
			}
		})
	}
}

// Without idempotence a lost response shows: it is how a test sees that the
// fault came after the append.
func TestDropResponseComesAfterTheAppend(t *testing.T) {
	b := start(t, map[string]int{"orders": 1})
	b.Inject(broker.Produce().DropResponse())
	cl := client(t, b, kgo.DisableIdempotentWrite())
	mustProduce(t, cl, "orders", "tea")
	if got := b.End("orders", 0); got != 2 {
		t.Errorf("log end offset = %d, want 2: once for each attempt", got)
	}
}

func TestFaultsTakeExactlyAsLongAsTheySay(t *testing.T) {
	tests := []struct {
		fault broker.Fault
		want  time.Duration
	}{
		{broker.Produce().Delay(time.Minute), time.Minute},
		{broker.Produce().DelayResponse(time.Second), time.Second},
		{broker.AnyRequest().Nth(2).Pause(time.Hour), time.Hour},
	}
	for _, tt := range tests {
		t.Run(tt.fault.String(), func(t *testing.T) {
			virtual(t, oneTopic, func(t *testing.T, b *broker.Broker, l *pipes) {
				b.Inject(tt.fault)
				c := l.dial(t)
				id := topicID(c, "orders")
				start := time.Now()
				resp := call[*kmsg.ProduceResponse](c, 13,
					produceRequest("orders", id, newBatch(plain(), "tea")))
				if d := time.Since(start); d != tt.want {
					t.Errorf("answered after %v, want %v", d, tt.want)
				}
				if p := produced(resp); p.ErrorCode != 0 {
					t.Errorf("error %d", p.ErrorCode)
				}
			})
		})
	}
}

// A pause holds up all connections, as a stopped process does.
func TestPauseAndResume(t *testing.T) {
	virtual(t, oneTopic, func(t *testing.T, b *broker.Broker, l *pipes) {
		c := l.dial(t)
		b.Pause()
		time.AfterFunc(5*time.Second, b.Resume)
		start := time.Now()
		call[*kmsg.MetadataResponse](c, 13, kmsg.NewPtrMetadataRequest())
		if d := time.Since(start); d != 5*time.Second {
			t.Errorf("answered after %v, want 5s", d)
		}
	})
}

func TestCutAtWritesThatManyBytes(t *testing.T) {
	b := start(t, nil)
	for _, n := range []int{0, 1, 4, 11} {
		c := dialRaw(t, b.Addr())
		b.Inject(broker.Request("Metadata").CutAt(n))
		req := kmsg.NewPtrMetadataRequest()
		req.SetVersion(13)
		c.send(req)
		got, err := io.ReadAll(c.conn)
		if err != nil || len(got) != n {
			t.Errorf("%d bytes came, %v, want %d", len(got), err, n)
		}
	}
}

// Error answers every API in every version in a form that the client reads,
// with the code where a client looks for it.
func TestErrorAnswersEveryAPI(t *testing.T) {
	b := start(t, map[string]int{"orders": 2})
	c := dialRaw(t, b.Addr())
	id := topicID(c, "orders")
	for key, r := range advertised(c) {
		name := kmsg.NameForKey(key)
		last := min(r.Max, kmsg.RequestForKey(key).MaxVersion()) // kmsg is behind with some
		for v := max(r.Min, 3*min(1, 1-key)); v <= last; v++ {   // Produce from 3 on
			req := kmsg.RequestForKey(key)
			req.SetVersion(v)
			fill(req, id)
			b.Inject(broker.Request(name).Error(int16(errcode.ClusterAuthorizationFailed)))
			if _, err := c.ask(req); err != nil {
				t.Errorf("%s v%d: %v", name, v, err)
				c = dialRaw(t, b.Addr())
			}
		}
	}
	b.Inject(broker.Produce().Error(int16(errcode.TopicAuthorizationFailed)))
	resp := call[*kmsg.ProduceResponse](c, 13, produceRequest("orders", id, newBatch(plain(), "tea")))
	if p := produced(resp); errcode.Code(p.ErrorCode) != errcode.TopicAuthorizationFailed ||
		p.BaseOffset != -1 || resp.Topics[0].TopicID != id {
		t.Errorf("produce: %+v", resp)
	}
}

func TestLeadersMove(t *testing.T) {
	b := broker.Run(t, broker.Config{Topics: map[string]int{"orders": 1}, Nodes: 3})
	addrs := b.Addrs()
	if len(addrs) != 3 {
		t.Fatalf("addresses: %v", addrs)
	}
	c := dialRaw(t, addrs[0])
	id := topicID(c, "orders")
	epoch := int32(-1)
	for round := range 4 {
		leader := round % 3
		if err := b.MoveLeader("orders", 0, leader); err != nil {
			t.Fatal(err)
		}
		meta := call[*kmsg.MetadataResponse](c, 13, kmsg.NewPtrMetadataRequest())
		p := meta.Topics[0].Partitions[0]
		if p.Leader != int32(leader+1) || p.LeaderEpoch <= epoch || len(meta.Brokers) != 3 {
			t.Errorf("metadata says %+v, want node %d under an epoch above %d", p, leader+1, epoch)
		}
		epoch = p.LeaderEpoch
		for node, addr := range addrs {
			nc := dialRaw(t, addr)
			resp := call[*kmsg.ProduceResponse](nc, 13,
				produceRequest("orders", id, newBatch(plain(), "tea")))
			pp := produced(resp)
			if node == leader {
				if pp.ErrorCode != 0 || pp.BaseOffset != int64(round) {
					t.Errorf("the leader answers %+v", pp)
				}
				continue
			}
			if errcode.Code(pp.ErrorCode) != errcode.NotLeaderOrFollower ||
				pp.CurrentLeader.LeaderID != int32(leader+1) ||
				pp.CurrentLeader.LeaderEpoch != epoch || len(resp.Brokers) != 3 {
				t.Errorf("node %d answers %+v with %d endpoints, want a hint to node %d",
					node+1, pp, len(resp.Brokers), leader+1)
			}
			f := fetched(call[*kmsg.FetchResponse](nc, 18, fetchRequest("orders", id, 0)))
			if f.CurrentLeader.LeaderID != int32(leader+1) {
				t.Errorf("node %d hints readers to %+v", node+1, f.CurrentLeader)
			}
		}
	}
}

func TestKillLosesWhatWasNotSyncedOnlyAtAPowerCut(t *testing.T) {
	disk := broker.NewDisk(nil)
	b, err := broker.Start(broker.Config{Disk: disk, Topics: map[string]int{"safe": 1, "fast": 1},
		Properties: map[string]string{"log.flush.interval.messages": "1"}})
	if err != nil {
		t.Fatal(err)
	}
	mustProduce(t, client(t, b), "safe", "tea")
	if err := b.Kill(); err != nil {
		t.Fatal(err)
	}
	disk.PowerCut(1)
	b = broker.Run(t, broker.Config{Disk: disk})
	if got := b.End("safe", 0); got != 1 {
		t.Errorf("a record that was synced is lost: log end offset %d", got)
	}
}

func TestParseFault(t *testing.T) {
	f, err := broker.ParseFault("produce nth=2: error=NOT_LEADER_OR_FOLLOWER")
	if err != nil || f.String() != "produce nth=2: error=NOT_LEADER_OR_FOLLOWER" {
		t.Errorf("%v, %v", f, err)
	}
	if _, err := broker.ParseFault("sell: drop"); err == nil {
		t.Error("an API that is not there was taken")
	}
}

func TestClearFaults(t *testing.T) {
	b := start(t, map[string]int{"orders": 1})
	b.Inject(broker.AnyRequest().Always().Drop())
	c := dialRaw(t, b.Addr())
	req := kmsg.NewPtrMetadataRequest()
	req.SetVersion(13)
	if _, err := c.ask(req); !errors.Is(err, io.EOF) {
		t.Errorf("ask = %v, want the connection closed", err)
	}
	b.ClearFaults()
	mustProduce(t, client(t, b), "orders", "tea")
}
