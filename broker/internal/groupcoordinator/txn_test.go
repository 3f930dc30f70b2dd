package groupcoordinator

import (
	"maps"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/posthaste-go/posthaste/internal/errcode"
)

// end writes the marker of a transaction and tells the coordinator.
func (w *world) end(producerID int64, commit bool) {
	p := PartitionFor("readers", 50)
	w.log.mu.Lock()
	w.log.entries[p] = append(w.log.entries[p], Entry{ProducerID: producerID,
		Offset: int64(len(w.log.entries[p])), Ends: true, Commits: commit})
	w.log.mu.Unlock()
	w.EndTransaction(p, producerID, commit)
}

// offsets is what is told of the group's topic t, by partition: -2 is unstable.
func (w *world) offsets(stable bool, partitions ...int32) map[int32]int64 {
	var wanted []Offset
	for _, p := range partitions {
		wanted = append(wanted, Offset{Topic: "t", Partition: p})
	}
	list, code := w.Fetch("readers", wanted, stable)
	w.must(code, errcode.None)
	m := make(map[int32]int64)
	for _, f := range list {
		if m[f.Partition] = f.Offset.Offset; f.Unstable {
			m[f.Partition] = -2
		}
	}
	return m
}

func at(partition int32, offset int64) []Offset {
	return []Offset{{Topic: "t", Partition: partition, Offset: offset, LeaderEpoch: -1}}
}

// What offsets of transactions are, at each step and after a restart there.
func TestOffsetsOfTransactionsCountWhenTheyAreCommitted(t *testing.T) {
	type step struct {
		name           string
		do             func(w *world)
		stable, others map[int32]int64
	}
	commit := func(producer int64, partition int32, offset int64) func(*world) {
		return func(w *world) {
			w.t.Helper()
			codes := w.CommitInTransaction(nobody, Txn{ProducerID: producer}, at(partition, offset))
			w.must(codes[0], errcode.None)
		}
	}
	plainly := func(partition int32, offset int64) func(*world) {
		return func(w *world) { w.must(w.Commit(nobody, 0, at(partition, offset))[0], errcode.None) }
	}
	end := func(producer int64, commit bool) func(*world) {
		return func(w *world) { w.end(producer, commit) }
	}
	same := func(name string, do func(*world), want map[int32]int64) step {
		return step{name, do, want, want}
	}
	steps := []step{
		same("committed without a transaction", plainly(0, 5), map[int32]int64{0: 5, 1: -1}),
		{"one is open", commit(1, 0, 7), map[int32]int64{0: -2, 1: -1}, map[int32]int64{0: 5, 1: -1}},
		{"two are open", commit(2, 1, 3), map[int32]int64{0: -2, 1: -2}, map[int32]int64{0: 5, 1: -1}},
		{"one is committed", end(1, true), map[int32]int64{0: 7, 1: -2}, map[int32]int64{0: 7, 1: -1}},
		same("the other is aborted", end(2, false), map[int32]int64{0: 7, 1: -1}),
		same("a marker for nothing", end(9, true), map[int32]int64{0: 7, 1: -1}),
		{"a third", commit(3, 0, 8), map[int32]int64{0: -2, 1: -1}, map[int32]int64{0: 7, 1: -1}},
		{"is overtaken", plainly(0, 9), map[int32]int64{0: -2, 1: -1}, map[int32]int64{0: 9, 1: -1}},
		same("and comes too late", end(3, true), map[int32]int64{0: 9, 1: -1}),
		{"a fourth", commit(4, 1, 8), map[int32]int64{0: 9, 1: -2}, map[int32]int64{0: 9, 1: -1}},
		same("whose topic is deleted", func(w *world) { w.ForgetTopic("t") },
			map[int32]int64{0: -1, 1: -1}),
		same("has nothing to commit", end(4, true), map[int32]int64{0: -1, 1: -1}),
		{"a fifth", commit(5, 1, 8), map[int32]int64{0: -1, 1: -2}, map[int32]int64{0: -1, 1: -1}},
		same("whose group is deleted", func(w *world) { w.must(w.Delete("readers"), errcode.None) },
			map[int32]int64{0: -1, 1: -1}),
		same("has nothing to commit either", end(5, true), map[int32]int64{0: -1, 1: -1}),
	}
	for _, restart := range []bool{false, true} {
		bubble(t, func(t *testing.T, w *world) {
			for _, s := range steps {
				s.do(w)
				if restart {
					w.restart()
				}
				for _, stable := range []bool{true, false} {
					want := s.others
					if stable {
						want = s.stable
					}
					got := w.offsets(stable, slices.Collect(maps.Keys(want))...)
					if diff := cmp.Diff(want, got); diff != "" {
						t.Errorf("%s, restarts %v, stable %v (-want +got):\n%s", s.name, restart, stable, diff)
					}
				}
			}
		})
	}
}

// A member that was replaced must not commit what its successor reads (KIP-447).
func TestWhoMayCommitInATransaction(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		c := w.stable("one")[0]
		other := func(change func(*MemberRef)) MemberRef {
			r := c.ref()
			change(&r)
			return r
		}
		tests := []struct {
			name string
			ref  MemberRef
			want errcode.Code
		}{
			{"a member", c.ref(), errcode.None},
			{"a caller that names no member", nobody, errcode.None},
			{"a member of another generation", other(func(r *MemberRef) { r.Generation-- }),
				errcode.IllegalGeneration},
			{"a member that is not known", other(func(r *MemberRef) { r.MemberID, r.InstanceID = "x", "" }),
				errcode.UnknownMemberId},
			{"a member whose instance is another's", other(func(r *MemberRef) { r.MemberID = "x" }),
				errcode.FencedInstanceId},
			{"a member of a group that never was", other(func(r *MemberRef) { r.Group = "new" }),
				errcode.IllegalGeneration},
		}
		for _, tt := range tests {
			if got := w.CommitInTransaction(tt.ref, Txn{ProducerID: 1}, at(0, 1))[0]; got != tt.want {
				t.Errorf("%s: %s, want %s", tt.name, got.Name(), tt.want.Name())
			}
		}
	})
}
