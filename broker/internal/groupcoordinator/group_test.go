package groupcoordinator

import (
	"context"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/posthaste-go/posthaste/internal/errcode"
)

func TestANewMemberGetsAnIDFirst(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		c := w.consumer("")
		first := w.Join(t.Context(), c.request())
		w.must(first.Code, errcode.MemberIdRequired)
		if !strings.HasPrefix(first.MemberID, "app-") {
			t.Errorf("member id %q does not begin with the client's", first.MemberID)
		}
		c.id = first.MemberID
		w.must(c.join(), errcode.None)
		if !c.leads() || c.joined.Generation != 1 || len(c.joined.Members) != 1 {
			t.Errorf("joined = %+v", c.joined)
		}
		c.id = "made-up"
		w.must(c.join(), errcode.UnknownMemberId)
	})
}

func TestMembersGetWhatTheLeaderAssigns(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		list := w.stable("", "", "")
		if got := w.state(); got != Stable {
			t.Errorf("state = %v", got)
		}
		each(w, list, (*consumer).heartbeat, errcode.None)
		fourth := w.consumer("")
		w.must(fourth.join(), errcode.GroupMaxSizeReached)
	})
}

func TestAMemberThatFallsSilentIsReplaced(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		list := w.stable("", "")
		pass(6 * time.Second)
		w.must(list[0].heartbeat(), errcode.None)
		pass(6 * time.Second) // the second is silent for 12 s
		w.must(list[0].heartbeat(), errcode.RebalanceInProgress)
		w.must(list[1].heartbeat(), errcode.UnknownMemberId)
		w.must(list[0].join(), errcode.None)
		if n := len(list[0].joined.Members); n != 1 {
			t.Errorf("%d members, want 1", n)
		}
	})
}

func TestARebalanceDoesNotWaitLongerThanItsTimeout(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		list := w.stable("", "")
		stop := make(chan struct{})
		var wg sync.WaitGroup
		wg.Go(func() { // it is alive, and will not join again
			for {
				select {
				case <-stop:
					return
				case <-time.After(3 * time.Second):
					list[1].heartbeat()
				}
			}
		})
		third := w.consumer("")
		wg.Go(func() { w.must(third.join(), errcode.None) })
		synctest.Wait()
		start := time.Now()
		w.must(list[0].join(), errcode.None)
		if d := time.Since(start); d != time.Minute {
			t.Errorf("the rebalance took %v, want the rebalance timeout of 1m", d)
		}
		close(stop)
		wg.Wait()
		w.must(list[1].heartbeat(), errcode.UnknownMemberId)
	})
}

// Members that join and then never ask for their assignment are put out.
func TestAMemberThatDoesNotSyncIsPutOut(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		c := w.consumer("")
		w.must(c.join(), errcode.None)
		for range 20 {
			pass(5 * time.Second)
			c.heartbeat()
		}
		if got := w.members(); len(got) != 0 {
			t.Errorf("members = %v", got)
		}
	})
}

func TestTheLeaderMayAskForARebalance(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		list := w.stable("", "")
		leader, other := list[0], list[1]
		if !leader.leads() {
			leader, other = other, leader
		}
		before := other.joined.Generation
		w.must(other.join(), errcode.None) // nothing has changed: answered at once
		if other.joined.Generation != before || w.state() != Stable {
			t.Errorf("a follower that joins again begins generation %d", other.joined.Generation)
		}
		var wg sync.WaitGroup
		wg.Go(func() { w.must(leader.join(), errcode.None) })
		synctest.Wait()
		if got := w.state(); got != PreparingRebalance {
			t.Errorf("state = %v", got)
		}
		w.must(other.join(), errcode.None)
		wg.Wait()
		if leader.joined.Generation != before+1 {
			t.Errorf("generation %d, want %d", leader.joined.Generation, before+1)
		}
	})
}

func TestTheProtocolIsOneThatAllKnow(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		a, b := w.consumer(""), w.consumer("")
		a.protos = []Protocol{{"sticky", nil}, {"range", []byte("a")}}
		b.protos = []Protocol{{"range", []byte("b")}}
		w.must(a.join(), errcode.None)
		if a.joined.Protocol != "sticky" {
			t.Errorf("alone: %s", a.joined.Protocol)
		}
		var wg sync.WaitGroup
		wg.Go(func() { w.must(b.join(), errcode.None) })
		synctest.Wait()
		w.must(a.join(), errcode.None)
		wg.Wait()
		if a.joined.Protocol != "range" {
			t.Errorf("together: %s", a.joined.Protocol)
		}
		for _, m := range a.joined.Members {
			if want := map[string]string{a.id: "a", b.id: "b"}[m.ID]; string(m.Metadata) != want {
				t.Errorf("the leader is told %q of %s", m.Metadata, m.ID)
			}
		}
		c := w.consumer("")
		c.protos = []Protocol{{"roundrobin", nil}}
		w.must(c.join(), errcode.InconsistentGroupProtocol)
	})
}

func TestAStaticMemberComesBackWithoutARebalance(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		list := w.stable("one", "two")
		old := *list[1]
		list[1].id = "" // the process has started anew
		w.must(list[1].join(), errcode.None)
		if list[1].id == old.id || list[1].joined.Generation != old.joined.Generation {
			t.Errorf("came back as %s in generation %d", list[1].id, list[1].joined.Generation)
		}
		if got, code := list[1].sync(); code != errcode.None || got != "for "+old.id {
			t.Errorf("assignment = %q, %v, want its old one", got, code.Name())
		}
		w.must(old.heartbeat(), errcode.FencedInstanceId)
		w.must(list[0].heartbeat(), errcode.None)
	})
}

func TestLeaving(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		list := w.stable("", "two")
		codes, code := w.Leave("readers", []MemberRef{
			{MemberID: "nobody"}, {InstanceID: "two"}, {MemberID: list[0].id}})
		w.must(code, errcode.None)
		for i, want := range []errcode.Code{errcode.UnknownMemberId, errcode.None, errcode.None} {
			w.must(codes[i], want)
		}
		if got := w.state(); got != Empty {
			t.Errorf("state = %v", got)
		}
		codes, _ = w.Leave("nothing", []MemberRef{{MemberID: "x"}})
		w.must(codes[0], errcode.UnknownMemberId)
	})
}

func TestRequestsOfAnotherGeneration(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		c := w.stable("")[0]
		c.joined.Generation--
		w.must(c.heartbeat(), errcode.IllegalGeneration)
		_, code := c.sync()
		w.must(code, errcode.IllegalGeneration)
		w.must(w.Commit(c.ref(), 0, []Offset{{Topic: "t"}})[0], errcode.IllegalGeneration)
	})
}

func TestJoinIsRefused(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		tests := []struct {
			name   string
			change func(*JoinRequest)
			want   errcode.Code
		}{
			{"a session that is too short", func(r *JoinRequest) { r.SessionTimeout = 1 },
				errcode.InvalidSessionTimeout},
			{"a session that is too long", func(r *JoinRequest) { r.SessionTimeout = 2 * time.Hour },
				errcode.InvalidSessionTimeout},
			{"no group", func(r *JoinRequest) { r.Group = "" }, errcode.InvalidGroupId},
			{"no protocols", func(r *JoinRequest) { r.Protocols = nil },
				errcode.InconsistentGroupProtocol},
		}
		for _, tt := range tests {
			r := w.consumer("").request()
			tt.change(&r)
			if got := w.Join(t.Context(), r).Code; got != tt.want {
				t.Errorf("%s: %v, want %v", tt.name, got.Name(), tt.want.Name())
			}
		}
		w.must(w.Heartbeat(MemberRef{Group: "nothing"}), errcode.UnknownMemberId)
	})
}

func TestAnEmptyGroupWaitsForMoreMembers(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		w.cfg.InitialRebalanceDelay = 3 * time.Second
		w.restart()
		a, b := w.consumer(""), w.consumer("")
		start := time.Now()
		var wg sync.WaitGroup
		wg.Go(func() { w.must(a.join(), errcode.None) })
		wg.Go(func() {
			pass(2 * time.Second)
			w.must(b.join(), errcode.None)
		})
		wg.Wait()
		// Somebody came during the first three seconds, so three more were waited.
		if d := time.Since(start); d != 6*time.Second || a.joined.Generation != 1 {
			t.Errorf("generation %d after %v, want the first after 6s", a.joined.Generation, d)
		}
	})
}

func TestCloseEndsWaiting(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		list := w.stable("", "")
		var wg sync.WaitGroup
		wg.Go(func() { w.must(list[0].join(), errcode.CoordinatorNotAvailable) })
		synctest.Wait()
		if list[0].leads() {
			w.Close()
		} else {
			ctx, cancel := context.WithCancel(t.Context())
			cancel()
			w.must(w.Join(ctx, list[1].request()).Code, errcode.CoordinatorNotAvailable)
			w.Close()
		}
		wg.Wait()
	})
}
