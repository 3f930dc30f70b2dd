package groupcoordinator

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/posthaste-go/posthaste/internal/errcode"
)

var nobody = MemberRef{Group: "readers", Generation: -1}

func TestOffsetsSurviveARestart(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		want := []Offset{
			{Topic: "a", Partition: 0, Offset: 3, LeaderEpoch: 1, Metadata: "here"},
			{Topic: "a", Partition: 1, Offset: 4, LeaderEpoch: -1},
		}
		for _, code := range w.Commit(nobody, 0, slices.Clone(want)) {
			w.must(code, errcode.None)
		}
		w.restart()
		got, code := w.fetch("readers", nil)
		w.must(code, errcode.None)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("offsets (-want +got):\n%s", diff)
		}
		got, _ = w.fetch("readers", []Offset{{Topic: "a", Partition: 1}, {Topic: "b"}})
		if got[0].Offset != 4 || got[1].Offset != -1 {
			t.Errorf("asked for two: %+v", got)
		}
		if got, code := w.fetch("nothing", nil); code != errcode.None || len(got) != 0 {
			t.Errorf("of no group: %v, %v", got, code.Name())
		}
	})
}

// Members keep their assignment over a restart of the broker, if they come back
// within their session.
func TestAStableGroupSurvivesARestart(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		list := w.stable("", "two")
		w.restart()
		each(w, list, (*consumer).heartbeat, errcode.None)
		if got, code := list[1].sync(); code != errcode.None || got != "for "+list[1].id {
			t.Errorf("assignment = %q, %v", got, code.Name())
		}
		pass(11 * time.Second)
		each(w, list, (*consumer).heartbeat, errcode.UnknownMemberId)
	})
}

func TestCommitRules(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		long := Offset{Topic: "t", Metadata: strings.Repeat("x", 11)}
		codes := w.Commit(nobody, 0, []Offset{long, {Topic: "t", Partition: 1}})
		w.must(codes[0], errcode.OffsetMetadataTooLarge)
		w.must(codes[1], errcode.None)

		c := w.stable("")[0]
		w.must(w.Commit(c.ref(), 0, []Offset{{Topic: "t"}})[0], errcode.None)
		w.must(w.Commit(nobody, 0, []Offset{{Topic: "t"}})[0], errcode.UnknownMemberId)

		w.log.full = true
		w.must(w.Commit(c.ref(), 0, []Offset{{Topic: "t", Offset: 9}})[0],
			errcode.CoordinatorNotAvailable)
		got, _ := w.fetch("readers", []Offset{{Topic: "t"}})
		if got[0].Offset != 0 {
			t.Error("an offset that could not be stored is in force")
		}
	})
}

func TestOffsetsExpireWithTheirGroup(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		c := w.stable("")[0]
		w.must(w.Commit(c.ref(), 0, []Offset{{Topic: "t"}})[0], errcode.None)
		w.must(w.Commit(c.ref(), time.Hour, []Offset{{Topic: "short"}})[0], errcode.None)
		beat := func(d time.Duration) {
			for range int(d / (5 * time.Second)) {
				pass(5 * time.Second)
				w.must(c.heartbeat(), errcode.None)
			}
			w.Expire(time.Now())
		}
		topics := func() (list []string) {
			offsets, _ := w.fetch("readers", nil)
			for _, o := range offsets {
				list = append(list, o.Topic)
			}
			return list
		}
		beat(25 * time.Hour)
		if got := topics(); !slices.Equal(got, []string{"t"}) {
			t.Errorf("of a living group are left %v, want t", got)
		}
		pass(time.Minute) // the member is gone
		w.Expire(time.Now())
		if got := topics(); !slices.Equal(got, []string{"t"}) {
			t.Errorf("of a group that was just left, there are %v", got)
		}
		pass(24 * time.Hour)
		w.Expire(time.Now())
		if got, _ := w.List(); len(got) != 0 {
			t.Errorf("a day later there are %v", got)
		}
		w.restart()
		if got, _ := w.List(); len(got) != 0 {
			t.Errorf("after a restart there are %v", got)
		}
	})
}

func TestGroupsAreListedDescribedAndDeleted(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		c := w.stable("one")[0]
		simple := MemberRef{Group: "simple", Generation: -1}
		w.must(w.Commit(simple, 0, []Offset{{Topic: "t"}})[0], errcode.None)
		got, code := w.List()
		w.must(code, errcode.None)
		want := []Summary{{"readers", "consumer", Stable}, {"simple", "", Empty}}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("List (-want +got):\n%s", diff)
		}
		d, _ := w.Describe("readers")
		wantMember := MemberDescription{ID: c.id, InstanceID: "one", ClientID: "app",
			ClientHost: "/127.0.0.1", Metadata: []byte("r"), Assignment: []byte("for " + c.id)}
		if diff := cmp.Diff([]MemberDescription{wantMember}, d.Members); diff != "" {
			t.Errorf("members (-want +got):\n%s", diff)
		}
		w.must(w.Delete("readers"), errcode.NonEmptyGroup)
		w.must(w.Delete("simple"), errcode.None)
		w.must(w.Delete("simple"), errcode.GroupIdNotFound)
		w.restart()
		if _, code := w.Describe("simple"); code != errcode.GroupIdNotFound {
			t.Errorf("after a restart: %v", code.Name())
		}
	})
}

func TestOffsetsOfTopicsThatAreReadCannotBeDeleted(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		c := w.stable("")[0]
		list := []Offset{{Topic: "read"}, {Topic: "left"}}
		for _, code := range w.Commit(c.ref(), 0, list) {
			w.must(code, errcode.None)
		}
		subscribed := func([]byte) []string { return []string{"read"} }
		codes, code := w.DeleteOffsets("readers", list, subscribed)
		w.must(code, errcode.None)
		w.must(codes[0], errcode.GroupSubscribedToTopic)
		w.must(codes[1], errcode.None)
		got, _ := w.fetch("readers", nil)
		if len(got) != 1 || got[0].Topic != "read" {
			t.Errorf("left are %v", got)
		}
		_, code = w.DeleteOffsets("nothing", list, subscribed)
		w.must(code, errcode.GroupIdNotFound)
		w.ForgetTopic("read")
		if got, _ := w.fetch("readers", nil); len(got) != 0 {
			t.Errorf("of a deleted topic are left %v", got)
		}
	})
}

// The partition of a group is where Kafka looks for it: the values are those of
// Java's String.hashCode.
func TestPartitionFor(t *testing.T) {
	tests := []struct {
		group string
		hash  int64 // as Java has it
	}{
		{"", 0}, {"a", 97}, {"readers", 1080410128}, {"my-group", -1906497762}, {"ä", 228},
		{"polygenelubricants", -2147483648},
	}
	for _, tt := range tests {
		want := max(tt.hash, -tt.hash)
		if tt.hash == -2147483648 {
			want = 0
		}
		if got := PartitionFor(tt.group, 50); got != int32(want%50) {
			t.Errorf("PartitionFor(%q) = %d, want %d", tt.group, got, want%50)
		}
	}
}

// A log that another program wrote, or a disk spoiled, must not stop the broker.
func FuzzReplay(f *testing.F) {
	f.Add(offsetKey("g", "t", 1), (&committed{expireMillis: -1}).encode())
	f.Add(groupKey("g"), []byte{0, 3, 0, 0, 0, 0, 0, 1, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0, 0, 0, 0, 0,
		0, 0, 0, 0})
	f.Fuzz(func(t *testing.T, key, value []byte) {
		c := New(Config{Now: time.Now})
		// Any answer will do but a panic.
		for _, producer := range []int64{-1, 1} {
			e := Entry{Record: Record{key, value}, ProducerID: producer}
			_ = c.replay(make(map[string]*group), 0, e)
		}
	})
}
