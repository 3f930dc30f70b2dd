package metadata

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/posthaste-go/posthaste/internal/backoff"
	"github.com/posthaste-go/posthaste/internal/errcode"
)

// Numbers in comments are those of docs/scenarios.md.

func brokers(ids ...int32) (out []Broker) {
	for _, id := range ids {
		out = append(out, Broker{ID: id, Host: "h", Port: 9000 + id})
	}
	return out
}

func all(string) bool { return true }

// snapshot is what one answer makes of nothing.
func snapshot(a *Answer) *Snapshot { return (&Snapshot{}).Merge(a, all) }

// 348 to 351, 353, 355, 357: what an answer changes, partition by partition.
func TestMergePartitions(t *testing.T) {
	id1, id2 := TopicID{1}, TopicID{2}
	tests := []struct {
		name     string
		old, new Topic
		brokers  []int32
		want     []Partition
		wantErr  errcode.Code
	}{
		{"a newer epoch replaces the leader",
			Topic{ID: id1, Partitions: []Partition{{Leader: 1, Epoch: 4}}},
			Topic{ID: id1, Partitions: []Partition{{Leader: 2, Epoch: 5}}},
			[]int32{1, 2}, []Partition{{Leader: 2, Epoch: 5}}, 0},
		{"an equal epoch replaces it, too",
			Topic{ID: id1, Partitions: []Partition{{Leader: 1, Epoch: 4}}},
			Topic{ID: id1, Partitions: []Partition{{Leader: NoLeader, Epoch: 4}}},
			[]int32{1}, []Partition{{Leader: NoLeader, Epoch: 4}}, 0},
		{"an older epoch comes from a broker that lags behind",
			Topic{ID: id1, Partitions: []Partition{{Leader: 2, Epoch: 5}}},
			Topic{ID: id1, Partitions: []Partition{{Leader: 1, Epoch: 4}}},
			[]int32{1, 2}, []Partition{{Leader: 2, Epoch: 5}}, 0},
		{"an older epoch of a topic made again is right",
			Topic{ID: id1, Partitions: []Partition{{Leader: 2, Epoch: 5}}},
			Topic{ID: id2, Partitions: []Partition{{Leader: 1, Epoch: 0}}},
			[]int32{1, 2}, []Partition{{Leader: 1, Epoch: 0}}, 0},
		{"and of one whose id was not known",
			Topic{Partitions: []Partition{{Leader: 2, Epoch: 5}}},
			Topic{ID: id2, Partitions: []Partition{{Leader: 1, Epoch: 0}}},
			[]int32{1, 2}, []Partition{{Leader: 1, Epoch: 0}}, 0},
		{"without epochs the answer counts",
			Topic{Partitions: []Partition{{Leader: 2, Epoch: -1}}},
			Topic{Partitions: []Partition{{Leader: 1, Epoch: -1}}},
			[]int32{1, 2}, []Partition{{Leader: 1, Epoch: -1}}, 0},
		{"a leader that is no broker is none",
			Topic{ID: id1, Partitions: []Partition{{Leader: 1, Epoch: 4}}},
			Topic{ID: id1, Partitions: []Partition{{Leader: 9, Epoch: 5}}},
			[]int32{1}, []Partition{{Leader: NoLeader, Epoch: 5}}, 0},
		{"partitions are added",
			Topic{ID: id1, Partitions: []Partition{{Leader: 1, Epoch: 4}}},
			Topic{ID: id1, Partitions: []Partition{{Leader: 1, Epoch: 4}, {Leader: 1, Epoch: 0}}},
			[]int32{1}, []Partition{{Leader: 1, Epoch: 4}, {Leader: 1, Epoch: 0}}, 0},
		{"a topic that is not there just now keeps its partitions, without leaders",
			Topic{ID: id1, Partitions: []Partition{{Leader: 1, Epoch: 4}}},
			Topic{Err: errcode.UnknownTopicOrPartition},
			[]int32{1}, []Partition{{Leader: NoLeader, Epoch: 4}}, errcode.UnknownTopicOrPartition},
		{"a topic that is refused has none",
			Topic{ID: id1, Partitions: []Partition{{Leader: 1, Epoch: 4}}},
			Topic{Err: errcode.TopicAuthorizationFailed},
			[]int32{1}, nil, errcode.TopicAuthorizationFailed},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			tt.old.Name, tt.new.Name = "t", "t"
			old := snapshot(&Answer{Brokers: brokers(1, 2), Topics: []Topic{tt.old}})
			next := old.Merge(&Answer{Brokers: brokers(tt.brokers...), Topics: []Topic{tt.new}}, all)
			got := next.Topics["t"]
			if d := cmp.Diff(tt.want, got.Partitions); d != "" || got.Err != tt.wantErr {
				t.Errorf("error %v, partitions (-want +got):\n%s", got.Err, d)
			}
			if next.Version != old.Version+1 {
				t.Errorf("version %d after %d", next.Version, old.Version)
			}
		})
	}
}

// 355: an answer about some topics leaves the others, without leaders that left,
// and drops those that nobody wants.
func TestMergeKeepsOtherTopics(t *testing.T) {
	old := snapshot(&Answer{ClusterID: "c", Brokers: brokers(1, 2), Topics: []Topic{
		{Name: "a", Partitions: []Partition{{Leader: 1, Epoch: 1}, {Leader: 2, Epoch: 3}}},
		{Name: "b", Partitions: []Partition{{Leader: 1, Epoch: 1}}},
		{Name: "dropped", Partitions: []Partition{{Leader: 1, Epoch: 1}}},
	}})
	next := old.Merge(&Answer{ClusterID: "c", Controller: 1, Brokers: brokers(1), Topics: []Topic{
		{Name: "new", Partitions: []Partition{{Leader: 1, Epoch: 0}}},
	}}, func(topic string) bool { return topic != "dropped" })
	if len(next.Topics) != 3 || next.Topics["dropped"] != nil || next.Topics["b"] != old.Topics["b"] {
		t.Errorf("topics %v", next.Topics)
	}
	want := []Partition{{Leader: 1, Epoch: 1}, {Leader: NoLeader, Epoch: 3}}
	if d := cmp.Diff(want, next.Topics["a"].Partitions); d != "" {
		t.Errorf("a (-want +got):\n%s", d)
	}
	if l, e := old.Leader("a", 1); l != 2 || e != 3 {
		t.Errorf("the old snapshot changed: leader %d epoch %d", l, e)
	}
	if l, e := next.Leader("a", 7); l != NoLeader || e != -1 {
		t.Errorf("a partition that is not there: leader %d epoch %d", l, e)
	}
}

// 241, 246, 356: a leader from a produce answer changes that partition alone, and
// only if it is news.
func TestWithLeader(t *testing.T) {
	s := snapshot(&Answer{Brokers: brokers(1, 2), Topics: []Topic{{
		Name: "t", ID: TopicID{1}, Partitions: []Partition{{Leader: 1, Epoch: 4}, {Leader: 1, Epoch: 4}},
	}}})
	same := []struct {
		name          string
		topic         string
		index         int32
		leader, epoch int32
	}{
		{"an epoch that is known", "t", 0, 2, 4},
		{"an older epoch", "t", 0, 2, 3},
		{"a broker without address", "t", 0, 9, 5},
		{"another topic", "u", 0, 2, 5},
		{"a partition that is not there", "t", 2, 2, 5},
	}
	for _, tt := range same {
		if s.WithLeader(tt.topic, tt.index, tt.leader, tt.epoch, nil) != s {
			t.Errorf("%s changed the snapshot", tt.name)
		}
	}
	next := s.WithLeader("t", 0, 9, 5, brokers(9))
	if l, e := next.Leader("t", 0); l != 9 || e != 5 || next.Brokers[9].Addr() != "h:9009" {
		t.Errorf("leader %d epoch %d of %v", l, e, next.Brokers)
	}
	if l, e := next.Leader("t", 1); l != 1 || e != 4 || next.Topics["t"].ID != (TopicID{1}) {
		t.Errorf("the other partition: leader %d epoch %d", l, e)
	}
	if l, _ := s.Leader("t", 0); l != 1 || len(s.Brokers) != 2 {
		t.Error("the old snapshot changed")
	}
}

// refresher drives a Refresh on a clock of its own.
type refresher struct {
	*testing.T
	Refresh
	now time.Time
}

func newRefresher(t *testing.T) *refresher {
	return &refresher{T: t, now: time.UnixMilli(1_000_000), Refresh: Refresh{
		MaxAge: 5 * time.Minute, MaxIdle: time.Minute,
		Backoff: backoff.Policy{Initial: 100 * time.Millisecond, Max: time.Second},
	}}
}

// due checks how long until the next request, negative for none.
func (r *refresher) due(want time.Duration) {
	r.Helper()
	at := r.Due(r.now)
	if at.IsZero() {
		if want >= 0 {
			r.Errorf("no request is due, want one in %v", want)
		}
		return
	}
	if got := max(at.Sub(r.now), 0); got != want {
		r.Errorf("due in %v, want %v", got, want)
	}
}

// ask makes the request that is due and checks its topics.
func (r *refresher) ask(want ...string) {
	r.Helper()
	if d := cmp.Diff(want, r.Ask(r.now)); d != "" {
		r.Errorf("topics (-want +got):\n%s", d)
	}
	r.due(-1) // one at a time
}

// 335, 336, 338: at once at first, then by age; when something is wrong after a
// backoff, which grows while answers bring nothing new.
func TestRefreshByAgeAndOnDemand(t *testing.T) {
	r := newRefresher(t)
	r.due(0)
	r.ask()
	r.Answered(r.now, true)
	r.due(5 * time.Minute)
	r.now = r.now.Add(5 * time.Minute)
	r.due(0)
	for _, wait := range []time.Duration{100, 200, 400, 800, 1000, 1000} {
		r.ask()
		r.Answered(r.now, false)
		r.Stale()
		r.due(wait * time.Millisecond)
		r.now = r.now.Add(wait * time.Millisecond)
	}
	r.ask()
	r.Answered(r.now, true)
	r.Stale()
	r.due(100 * time.Millisecond)
}

// 337: a request that failed is repeated after a backoff, whatever was asked for.
func TestRefreshAfterAFailure(t *testing.T) {
	r := newRefresher(t)
	r.Want("t", r.now)
	r.ask("t")
	for _, wait := range []time.Duration{100, 200, 400} {
		r.Failed()
		r.due(wait * time.Millisecond)
		r.Want("u", r.now) // does not get past the backoff either
		r.due(wait * time.Millisecond)
		r.now = r.now.Add(wait * time.Millisecond)
		r.ask("t", "u")
	}
	r.Answered(r.now, true)
	r.due(5 * time.Minute)
}

// 339 to 343: a new topic is asked for at once and alone; one that comes while a
// request is under way right after it; a known one never.
func TestRefreshForNewTopics(t *testing.T) {
	r := newRefresher(t)
	r.Want("a", r.now)
	r.ask("a")
	r.Want("b", r.now)
	r.Want("a", r.now)
	r.Again("b", r.now) // is being asked for anyway, once its turn comes
	r.Answered(r.now, true)
	r.due(0)
	r.ask("b")
	r.Answered(r.now, true)
	r.due(5 * time.Minute)
	r.Want("a", r.now)
	r.due(5 * time.Minute)
	r.Again("a", r.now)
	r.due(100 * time.Millisecond)
	r.Want("c", r.now) // a full request is wanted, and a new topic does not wait
	r.due(0)
	r.ask("a", "b", "c")
	r.Answered(r.now, true)
	r.due(5 * time.Minute)
}

// 347: a topic that nobody used for long is dropped at a full request, but not
// before its first answer.
func TestRefreshDropsIdleTopics(t *testing.T) {
	r := newRefresher(t)
	r.Want("idle", r.now)
	r.Want("used", r.now)
	r.ask("idle", "used")
	r.Answered(r.now, true)
	r.now = r.now.Add(61 * time.Second)
	r.Want("used", r.now)
	r.Want("new", r.now.Add(-time.Hour))
	r.Stale()
	r.ask("new", "used")
	if r.Wanted("idle") || !r.Wanted("used") || !r.Wanted("new") {
		t.Error("the wrong topics were dropped")
	}
}

// 344, 345, 359: who waits sees the snapshot that contents him, or the context's
// cause; Wake makes him look again.
func TestStoreAwait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := NewStore()
		looked := 0
		found := make(chan error)
		go func() {
			found <- s.Await(t.Context(), func(now *Snapshot) bool {
				looked++
				return now.Version == 2
			})
		}()
		synctest.Wait()
		s.Publish(&Snapshot{Version: 1})
		synctest.Wait()
		s.Wake()
		synctest.Wait()
		s.Publish(&Snapshot{Version: 2})
		if err := <-found; err != nil || looked != 4 {
			t.Errorf("Await: %v after %d looks, want 4", err, looked)
		}
		why := errors.New("no more interest")
		ctx, cancel := context.WithCancelCause(t.Context())
		time.AfterFunc(time.Second, func() { cancel(why) })
		if err := s.Await(ctx, func(*Snapshot) bool { return false }); !errors.Is(err, why) {
			t.Errorf("Await: %v, want the context's cause", err)
		}
		if err := s.Await(ctx, func(*Snapshot) bool { return true }); err != nil {
			t.Errorf("Await with a context that is over, for what is there: %v", err)
		}
	})
}

// Nobody misses a Publish, however many wait and publish.
func TestStoreManyWaiters(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := NewStore()
		var wg sync.WaitGroup
		for i := range 50 {
			wg.Go(func() {
				err := s.Await(t.Context(), func(now *Snapshot) bool { return now.Version >= int64(i) })
				if err != nil {
					t.Error(err)
				}
			})
		}
		for v := range int64(50) {
			s.Publish(&Snapshot{Version: v})
		}
		wg.Wait()
	})
}
