package broker_test

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/posthaste-go/posthaste/broker"
)

// groupMember reads as one of a group until its context ends.
func groupMember(t *testing.T, b *broker.Broker, opts ...kgo.Opt) *kgo.Client {
	t.Helper()
	return client(t, b, append([]kgo.Opt{kgo.ConsumerGroup("readers"), kgo.ConsumeTopics("orders"),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()),
		kgo.HeartbeatInterval(50 * time.Millisecond), kgo.DisableAutoCommit(),
		kgo.FetchMaxWait(250 * time.Millisecond)}, opts...)...)
}

// poll reads n records and returns their values.
func poll(t *testing.T, cl *kgo.Client, n int) []string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	var values []string
	for len(values) < n {
		fetches := cl.PollFetches(ctx)
		if err := fetches.Err(); err != nil {
			t.Fatalf("after %d of %d records: %v", len(values), n, err)
		}
		fetches.EachRecord(func(r *kgo.Record) { values = append(values, string(r.Value)) })
	}
	return values
}

func numbered(n int) []string {
	var list []string
	for i := range n {
		list = append(list, fmt.Sprintf("%03d", i))
	}
	return list
}

func TestAGroupGoesOnWhereItStopped(t *testing.T) {
	dir := t.TempDir()
	b, err := broker.Start(broker.Config{DataDir: dir, Topics: map[string]int{"orders": 3}})
	if err != nil {
		t.Fatal(err)
	}
	want := numbered(20)
	mustProduce(t, client(t, b), "orders", want[:10]...)
	cl := groupMember(t, b)
	got := poll(t, cl, 10)
	if err := cl.CommitUncommittedOffsets(t.Context()); err != nil {
		t.Fatal(err)
	}
	cl.Close()
	if err := b.Kill(); err != nil {
		t.Fatal(err)
	}

	b = broker.Run(t, broker.Config{DataDir: dir})
	mustProduce(t, client(t, b), "orders", want[10:]...)
	got = append(got, poll(t, groupMember(t, b), 10)...)
	slices.Sort(got)
	if !slices.Equal(got, want) {
		t.Errorf("read %v, want each number once", got)
	}
}

// While members come and go, each record is read by one of them, or by two if
// its reader left before it could commit.
func TestMembersShareThePartitions(t *testing.T) {
	b := start(t, map[string]int{"orders": 4})
	want := numbered(90)
	var mu sync.Mutex
	seen := make(map[string]bool)
	complete := make(chan struct{})
	read := func(cl *kgo.Client, stop <-chan struct{}) {
		for {
			select {
			case <-stop:
				return
			default:
			}
			fetches := cl.PollFetches(t.Context())
			mu.Lock()
			before := len(seen)
			fetches.EachRecord(func(r *kgo.Record) { seen[string(r.Value)] = true })
			if len(seen) == len(want) && before < len(want) {
				close(complete)
			}
			mu.Unlock()
			if cl.CommitUncommittedOffsets(t.Context()) != nil {
				continue // a rebalance: the next reader reads it again
			}
		}
	}
	stop := make(chan struct{})
	var wg sync.WaitGroup
	var members []*kgo.Client
	join := func() {
		cl := groupMember(t, b)
		members = append(members, cl)
		wg.Go(func() { read(cl, stop) })
	}
	writer := client(t, b, kgo.RecordPartitioner(kgo.RoundRobinPartitioner()))
	join()
	mustProduce(t, writer, "orders", want[:30]...)
	join()
	mustProduce(t, writer, "orders", want[30:60]...)
	members[0].LeaveGroup()
	mustProduce(t, writer, "orders", want[60:]...)
	select {
	case <-complete:
	case <-time.After(30 * time.Second):
		mu.Lock()
		t.Errorf("%d of %d records were read", len(seen), len(want))
		mu.Unlock()
	}
	close(stop)
	for _, cl := range members {
		cl.Close()
	}
	wg.Wait()
}

func TestGroupsThroughTheAdminClient(t *testing.T) {
	b := start(t, map[string]int{"orders": 1})
	a := admin(t, b)
	ctx := t.Context()
	var offsets kadm.Offsets
	offsets.Add(kadm.Offset{Topic: "orders", Partition: 0, At: 7, LeaderEpoch: -1, Metadata: "m"})
	committed, err := a.CommitOffsets(ctx, "simple", offsets)
	if err != nil || committed.Error() != nil {
		t.Fatalf("CommitOffsets = %v, %v", committed, err)
	}
	fetched, err := a.FetchOffsets(ctx, "simple")
	if o, ok := fetched.Lookup("orders", 0); err != nil || !ok || o.At != 7 || o.Metadata != "m" {
		t.Errorf("FetchOffsets = %+v, %v", fetched, err)
	}
	mustProduce(t, client(t, b), "orders", "tea")
	member := groupMember(t, b, kgo.InstanceID("one"))
	poll(t, member, 1)
	described, err := a.DescribeGroups(ctx, "readers", "simple", "nothing")
	if err != nil {
		t.Fatal(err)
	}
	if g := described["readers"]; g.State != "Stable" || len(g.Members) != 1 ||
		*g.Members[0].InstanceID != "one" {
		t.Errorf("readers = %+v", g)
	}
	if g := described["simple"]; g.State != "Empty" || g.Err != nil {
		t.Errorf("simple = %+v", g)
	}
	if g := described["nothing"]; g.State != "Dead" {
		t.Errorf("nothing = %+v", g)
	}
	listed, err := a.ListGroups(ctx)
	if err != nil || len(listed) != 2 {
		t.Errorf("ListGroups = %v, %v", listed, err)
	}
	if stable, err := a.ListGroups(ctx, "stable"); err != nil || len(stable) != 1 {
		t.Errorf("ListGroups of stable ones = %v, %v", stable, err)
	}
	lag, err := a.Lag(ctx, "simple")
	if err != nil || lag.Error() != nil {
		t.Errorf("Lag = %v, %v", lag, err)
	}
	if _, err := a.DeleteGroup(ctx, "readers"); err == nil {
		t.Error("a group with members was deleted")
	}
	if _, err := a.DeleteGroup(ctx, "simple"); err != nil {
		t.Errorf("DeleteGroup: %v", err)
	}
}
