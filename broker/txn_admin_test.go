package broker_test

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/posthaste-go/posthaste/broker"
	"github.com/posthaste-go/posthaste/internal/errcode"
	"github.com/posthaste-go/posthaste/internal/wire"
)

func TestTransactionsThroughTheAdminClient(t *testing.T) {
	b := start(t, map[string]int{"orders": 2})
	a := admin(t, b)
	ctx := t.Context()
	inTransaction(t, transactional(t, b, "done"), kgo.TryCommit, "a", "b")
	open := newV1(t, b, "open")
	open.add(0, "orders", 1, 0)
	open.produce(7, 1, 0, "x")

	described, err := a.DescribeTransactions(ctx, "open", "done", "nothing")
	if err != nil {
		t.Fatal(err)
	}
	d := described["open"]
	if d.Err != nil || d.State != "Ongoing" || d.ProducerID != open.pid || d.TimeoutMillis != 60_000 ||
		fmt.Sprint(d.Topics.Sorted()) != "[{orders [0 1]}]" ||
		time.Since(time.UnixMilli(d.StartTimestamp)) > time.Minute {
		t.Errorf("open is %+v", d)
	}
	if d := described["done"]; d.State != "CompleteCommit" || len(d.Topics) != 0 {
		t.Errorf("done is %+v", d)
	}
	if err := described["nothing"].Err; err == nil {
		t.Error("a transactional id that nobody has is described")
	}
	tests := []struct {
		name    string
		ids     []int64
		states  []string
		pattern string
		want    string
	}{
		{"all", nil, nil, "", "[done open]"},
		{"those of a producer", []int64{open.pid}, nil, "", "[open]"},
		{"those of a state", nil, []string{"CompleteCommit", "Dead"}, "", "[done]"},
		{"those that match", nil, nil, "o.*|nothing", "[open]"},
		{"what matches in part", nil, nil, "pe", "[]"},
	}
	for _, tt := range tests {
		list, err := a.ListTransactionsByTxPattern(ctx, tt.ids, tt.states, tt.pattern)
		if got := fmt.Sprint(list.TransactionalIDs()); err != nil || got != tt.want {
			t.Errorf("%s: %s, %v, want %s", tt.name, got, err, tt.want)
		}
	}
	if _, err := a.ListTransactionsByTxPattern(ctx, nil, nil, "("); err == nil {
		t.Error("a pattern that is none is accepted")
	}
}

func TestListTransactionsByDurationAndUnknownStates(t *testing.T) {
	b := start(t, map[string]int{"orders": 1})
	c := newV1(t, b, "open")
	c.add(0, "orders", 0)
	for millis, want := range map[int64]int{-1: 1, 3_600_000: 0} {
		req := kmsg.NewPtrListTransactionsRequest()
		req.DurationFilterMillis, req.StateFilters = millis, []string{"Ongoing", "Strange"}
		resp := call[*kmsg.ListTransactionsResponse](c.rawClient, 1, req)
		strange := resp.UnknownStateFilters
		if len(resp.TransactionStates) != want || !slices.Equal(strange, []string{"Strange"}) {
			t.Errorf("for %d ms: %+v, %v", millis, resp.TransactionStates, strange)
		}
	}
}

// An operator ends a transaction that its coordinator does not know: what
// kafka-transactions abort does with DescribeProducers and WriteTxnMarkers.
func TestAHangingTransactionCanBeAborted(t *testing.T) {
	b := broker.Run(t, broker.Config{Topics: map[string]int{"orders": 1},
		Properties: map[string]string{"transaction.partition.verification.enable": "false"}})
	c := newV1(t, b, "hanging")
	if code := c.produce(7, 0, 0, "x"); code != errcode.None {
		t.Fatalf("without verification: %s", code.Name())
	}
	a := admin(t, b)
	describe := func() kadm.DescribedProducer {
		t.Helper()
		list, err := a.DescribeProducers(t.Context(), kadm.TopicsSet{"orders": {0: {}}})
		if err != nil {
			t.Fatal(err)
		}
		return list["orders"].Partitions[0].ActiveProducers[c.pid]
	}
	d := describe()
	if d.CurrentTxnStartOffset != 0 || d.ProducerEpoch != c.epoch || d.LastSequence != 0 {
		t.Errorf("the producer is %+v", d)
	}
	write := func(
		version int16, topic string, change func(*kmsg.WriteTxnMarkersRequestMarker),
	) errcode.Code {
		t.Helper()
		m := kmsg.NewWriteTxnMarkersRequestMarker()
		m.ProducerID, m.ProducerEpoch = c.pid, c.epoch
		m.Topics = []kmsg.WriteTxnMarkersRequestMarkerTopic{{Topic: topic, Partitions: []int32{0}}}
		change(&m)
		req := kmsg.NewPtrWriteTxnMarkersRequest()
		req.Markers = append(req.Markers, m)
		resp := call[*kmsg.WriteTxnMarkersResponse](c.rawClient, version, req)
		return errcode.Code(resp.Markers[0].Topics[0].Partitions[0].ErrorCode)
	}
	same := func(*kmsg.WriteTxnMarkersRequestMarker) {}
	tests := []struct {
		name string
		got  errcode.Code
		want errcode.Code
	}{
		{"a topic that is not there", write(1, "nothing", same), errcode.UnknownTopicOrPartition},
		{"version 2 with the epoch of the records", write(2, "orders",
			func(m *kmsg.WriteTxnMarkersRequestMarker) { m.TransactionVersion = 2 }),
			errcode.InvalidProducerEpoch},
		{"an older epoch", write(1, "orders",
			func(m *kmsg.WriteTxnMarkersRequestMarker) { m.ProducerEpoch-- }), errcode.InvalidProducerEpoch},
		{"the abort", write(1, "orders", same), errcode.None},
	}
	for _, tt := range tests {
		if tt.got != tt.want {
			t.Errorf("%s: %s, want %s", tt.name, tt.got.Name(), tt.want.Name())
		}
	}
	if d := describe(); d.CurrentTxnStartOffset != -1 || d.CoordinatorEpoch != 0 {
		t.Errorf("then the producer is %+v", d)
	}
	if got := visible(t, b, kgo.ReadCommitted()); len(got) != 0 {
		t.Errorf("read_committed sees %q", got)
	}
}

// Time is up: the coordinator aborts, and the producer has lost its epoch.
func TestATransactionThatTakesTooLongIsAborted(t *testing.T) {
	b := broker.Run(t, broker.Config{Topics: map[string]int{"orders": 2},
		Properties: map[string]string{
			"transaction.abort.timed.out.transaction.cleanup.interval.ms": "20"}})
	c := newV1(t, b, "slow")
	c.init(50)
	c.add(1, "orders", 0)
	c.produce(7, 0, 0, "x")
	a := admin(t, b)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	for state := ""; state != "CompleteAbort"; {
		d, err := a.DescribeTransactions(ctx, "slow")
		if err != nil {
			t.Fatal(err)
		}
		state = d["slow"].State
	}
	if got := visible(t, b, kgo.ReadUncommitted()); !slices.Equal(got, []string{"x"}) {
		t.Errorf("read_uncommitted sees %q", got)
	}
	if got := visible(t, b, kgo.ReadCommitted()); len(got) != 0 {
		t.Errorf("read_committed sees %q", got)
	}
	for what, got := range map[string]errcode.Code{"commit": c.end(2, true), "abort": c.end(2, false),
		"add": c.add(2, "orders", 0)} {
		if got != errcode.ProducerFenced {
			t.Errorf("%s of the slow producer: %s", what, got.Name())
		}
	}
	if got := c.produce(7, 0, 1, "y"); got != errcode.InvalidProducerEpoch {
		t.Errorf("a batch of the slow producer: %s", got.Name())
	}
	if code := c.init(60_000); code != errcode.None {
		t.Errorf("it cannot start again: %s", code.Name())
	}
}

// A transaction goes on at the node that its partition of __transaction_state
// moves to; the one that had it sends clients there.
func TestTheCoordinatorMoves(t *testing.T) {
	for _, version := range []string{"1", "2"} {
		b := broker.Run(t, broker.Config{Nodes: 3, Topics: map[string]int{"orders": 2},
			Properties: map[string]string{"posthaste.transaction.version": version,
				"transaction.state.log.num.partitions": "1"}})
		cl := transactional(t, b, "one")
		var want []string
		for round := range 9 {
			if err := cl.BeginTransaction(); err != nil {
				t.Fatal(err)
			}
			for i := range 2 {
				v := fmt.Sprintf("%d/%d", round, i)
				r := &kgo.Record{Topic: "orders", Partition: int32(i), Value: []byte(v)}
				if err := cl.ProduceSync(t.Context(), r).FirstErr(); err != nil {
					t.Fatal(err)
				}
				if round%3 != 2 {
					want = append(want, v)
				}
			}
			if err := b.MoveLeader("__transaction_state", 0, round%3); err != nil {
				t.Fatal(err)
			}
			if err := b.MoveLeader("orders", int32(round%2), round%3); err != nil {
				t.Fatal(err)
			}
			if err := cl.EndTransaction(t.Context(), kgo.TransactionEndTry(round%3 != 2)); err != nil {
				t.Fatalf("round %d: %v", round, err)
			}
		}
		if got := visible(t, b, kgo.ReadCommitted()); !slices.Equal(got, want) {
			t.Errorf("transaction.version=%s: read_committed sees %q, want %q", version, got, want)
		}
	}
}

// Answers that are lost, errors on purpose and markers that come late do not
// tear a transaction apart.
func TestTransactionsSurviveFaults(t *testing.T) {
	for _, config := range []map[string]string{
		{"posthaste.transaction.version": "1"}, {"posthaste.transaction.version": "2"},
		{"posthaste.transaction.version": "1", "posthaste.transaction.marker.delay.ms": "15"},
		{"posthaste.transaction.version": "2", "posthaste.transaction.marker.delay.ms": "15"},
	} {
		b := broker.Run(t, broker.Config{Topics: map[string]int{"orders": 2}, Properties: config})
		cl := transactional(t, b, "one")
		if _, _, err := cl.ProducerID(t.Context()); err != nil {
			t.Fatal(err)
		}
		for name, code := range map[string]errcode.Code{"Produce": errcode.NotEnoughReplicas,
			"EndTxn": errcode.CoordinatorLoadInProgress, "AddPartitionsToTxn": errcode.NotCoordinator} {
			b.Inject(broker.Request(name).Nth(2).DropResponse())
			b.Inject(broker.Request(name).Nth(4).Error(int16(code)))
		}
		var want []string
		for round := range 6 {
			a, z := fmt.Sprintf("%da", round), fmt.Sprintf("%dz", round)
			inTransaction(t, cl, kgo.TransactionEndTry(round%2 == 0), a, z)
			if round%2 == 0 {
				want = append(want, a, z)
			}
		}
		// Another producer waits for the markers of the last.
		inTransaction(t, transactional(t, b, "one"), kgo.TryCommit, "6")
		if got := visible(t, b, kgo.ReadCommitted()); !slices.Equal(got, append(want, "6")) {
			t.Errorf("%v: read_committed sees %q, want %q", config, got, want)
		}
	}
}

// The partitions of one request are in the transaction with one record of its
// state.
func TestARequestAddsItsPartitionsTogether(t *testing.T) {
	b := broker.Run(t, broker.Config{Topics: map[string]int{"orders": 40},
		Properties: map[string]string{"transaction.state.log.num.partitions": "1"}})
	c := newV1(t, b, "one")
	before := b.End("__transaction_state", 0)
	h := plain()
	h.ProducerID, h.ProducerEpoch, h.BaseSequence = c.pid, c.epoch, 0
	h.Attributes = wire.Transactional
	req := produceRequest("orders", topicID(c.rawClient, "orders"), nil)
	req.TransactionID = &c.id
	req.Topics[0].Partitions = nil
	for n := range int32(40) {
		p := kmsg.NewProduceRequestTopicPartition()
		p.Partition, p.Records = n, newBatch(h, "v")
		req.Topics[0].Partitions = append(req.Topics[0].Partitions, p)
	}
	resp := call[*kmsg.ProduceResponse](c.rawClient, 12, req)
	for _, p := range resp.Topics[0].Partitions {
		if p.ErrorCode != 0 {
			t.Errorf("partition %d: %s", p.Partition, errcode.Code(p.ErrorCode).Name())
		}
	}
	if got := b.End("__transaction_state", 0) - before; got != 1 {
		t.Errorf("%d records of the state, want 1", got)
	}
	if code := c.end(4, true); code != errcode.None {
		t.Errorf("end: %s", code.Name())
	}
	for n := range int32(40) {
		if got := b.End("orders", n); got != 2 {
			t.Errorf("partition %d ends at %d, want a record and a marker", n, got)
		}
	}
}
