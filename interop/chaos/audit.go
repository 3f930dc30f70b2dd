//go:build unix

package chaos

import (
	"context"
	"fmt"
	"os"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/posthaste-go/posthaste/interop/chaos/load"
)

// Counts is what an audit found. The first group is broken promises; zero is the
// only good figure.
type Counts struct {
	Lost            int // acknowledged, and not in the log
	Duplicated      int // copies beside the first
	Reordered       int // behind a record of the same key that was sent later
	WronglyDenied   int // the client says that no broker has it, and the log has it
	Misplaced       int // not at the partition and offset that the client was told
	WithoutOutcome  int // accepted, and never heard of again
	OutcomeTwice    int // told more than one outcome
	NeverSent       int // in the log, and in no outcome
	TornTxns        int // transactions of which the log shows a part
	WronglyTxns     int // committed ones not in the log, or aborted ones that are
	Sent            int
	Acked           int
	NotWritten      int // failed or refused, and known not to be in the log
	Maybe           int // failed, and perhaps in the log
	Txns            int
	Committed       int
	Aborted         int
	CommitsUnknown  int // the client cannot tell
	RecordsInTheLog int
}

// Broken is how many promises were broken.
func (c Counts) Broken() int {
	return c.Lost + c.Duplicated + c.Reordered + c.WronglyDenied + c.Misplaced +
		c.WithoutOutcome + c.OutcomeTwice + c.NeverSent + c.TornTxns + c.WronglyTxns
}

// fate is what a client was told of a record, and what the log holds.
type fate struct {
	what      byte // 0: nothing was told; else the first letter of the outcome
	seen      uint8
	partition int16 // told
	offset    int64 // told; -1 if not
}

// An audit compares outcomes with the log.
type audit struct {
	counts   Counts
	fates    [][]fate // by key, by number
	txns     map[uint32]string
	acks     map[int][]time.Time // by partition, when acknowledgements came
	why      map[string]int      // reasons of failures
	examples []string            // of what is wrong, the first few
}

func newAudit(keys int) *audit {
	return &audit{fates: make([][]fate, keys), txns: map[uint32]string{},
		acks: map[int][]time.Time{}, why: map[string]int{}}
}

// wrong counts a broken promise and keeps the first as examples.
func (a *audit) wrong(count *int, format string, args ...any) {
	*count++
	if *count <= 3 {
		a.examples = append(a.examples, fmt.Sprintf(format, args...))
	}
}

// at is the fate of a record, made if need be.
func (a *audit) at(key uint32, number uint64) (*fate, error) {
	if int(key) >= len(a.fates) || number > 1<<32 {
		return nil, fmt.Errorf("record %d of key %d is not of this load", number, key)
	}
	for uint64(len(a.fates[key])) <= number {
		a.fates[key] = append(a.fates[key], fate{offset: -1})
	}
	return &a.fates[key][number], nil
}

// readOutcomes takes in what the client was told.
func (a *audit) readOutcomes(file string) error {
	f, err := os.Open(file)
	if err != nil {
		return err
	}
	defer f.Close()
	return load.Read(f, a.told)
}

func (a *audit) told(o load.Outcome) error {
	if o.Why != "" {
		a.why[reason(o)]++
	}
	if o.Txn {
		return a.toldTxn(o)
	}
	f, err := a.at(o.Key, o.Number)
	if err != nil {
		return err
	}
	if f.what != 0 {
		a.wrong(&a.counts.OutcomeTwice, "record %d of key %d: told %s after %q", o.Number, o.Key,
			o.What, f.what)
	}
	f.what, f.partition, f.offset = o.What[0], int16(o.Partition), o.Offset
	a.counts.Sent++
	switch o.What {
	case load.Acked:
		a.counts.Acked++
		a.acked(int(o.Partition), time.UnixMicro(o.Micros))
	case load.NotWritten, load.Refused:
		a.counts.NotWritten++
	default:
		a.counts.Maybe++
	}
	return nil
}

// acked keeps the times of acknowledgements, one a millisecond.
func (a *audit) acked(partition int, at time.Time) {
	times := a.acks[partition]
	if n := len(times); n > 0 && at.Sub(times[n-1]).Abs() < time.Millisecond {
		return
	}
	a.acks[partition] = append(times, at)
}

func (a *audit) toldTxn(o load.Outcome) error {
	a.counts.Txns++
	switch o.What {
	case load.Committed:
		a.counts.Committed++
	case load.Aborted:
		a.counts.Aborted++
	default:
		a.counts.CommitsUnknown++
	}
	a.txns[uint32(o.Number)] = o.What
	return nil
}

// readLog takes in every record of the topic; with committed only those of
// committed transactions.
func (a *audit) readLog(ctx context.Context, bootstrap []string, committed bool) error {
	isolation := kgo.ReadUncommitted()
	if committed {
		isolation = kgo.ReadCommitted()
	}
	client, err := kgo.NewClient(kgo.SeedBrokers(bootstrap...), kgo.FetchIsolationLevel(isolation),
		kgo.KeepControlRecords(), kgo.DisableClientMetrics())
	if err != nil {
		return err
	}
	defer client.Close()
	ends, err := kadm.NewClient(client).ListEndOffsets(ctx, topic)
	if err != nil {
		return err
	}
	left, start := map[int32]int64{}, map[int32]kgo.Offset{}
	ends.Each(func(o kadm.ListedOffset) {
		if o.Offset > 0 {
			left[o.Partition], start[o.Partition] = o.Offset, kgo.NewOffset().AtStart()
		}
	})
	client.AddConsumePartitions(map[string]map[int32]kgo.Offset{topic: start})
	last := map[[2]uint32]uint64{} // of key and partition, plus one
	for len(left) > 0 {
		fetches := client.PollFetches(ctx)
		if err := fetches.Err(); err != nil {
			return fmt.Errorf("read the log, partitions %v left: %w", left, err)
		}
		for r := range fetches.RecordsAll() {
			if !r.Attrs.IsControl() {
				if err := a.found(r, last); err != nil {
					return err
				}
			}
			if r.Offset+1 >= left[r.Partition] {
				delete(left, r.Partition)
			}
		}
	}
	return nil
}

// logged is a record as it stands in the log.
type logged struct {
	load.Record
	partition int32
	offset    int64
}

func (l logged) String() string {
	return fmt.Sprintf("record %d of key %d at partition %d, offset %d", l.Number, l.Key,
		l.partition, l.offset)
}

func (a *audit) found(r *kgo.Record, last map[[2]uint32]uint64) error {
	record, err := load.Parse(r.Value)
	if err != nil {
		return fmt.Errorf("partition %d, offset %d: %w", r.Partition, r.Offset, err)
	}
	f, err := a.at(record.Key, record.Number)
	if err != nil {
		return err
	}
	a.counts.RecordsInTheLog++
	place := logged{record, r.Partition, r.Offset}
	if f.seen > 0 {
		a.wrong(&a.counts.Duplicated, "%v is a copy; told %q at %d-%d", place, f.what,
			f.partition, f.offset)
		return nil
	}
	f.seen++
	lane := [2]uint32{record.Key, uint32(r.Partition)}
	if next := last[lane]; record.Number+1 <= next {
		a.wrong(&a.counts.Reordered, "%v stands behind %d; told %q", place, next-1, f.what)
	} else {
		last[lane] = record.Number + 1
	}
	switch {
	case f.what == 0:
		a.wrong(&a.counts.NeverSent, "%v: the client has not told of it", place)
	case f.what == load.NotWritten[0] || f.what == load.Refused[0]:
		a.wrong(&a.counts.WronglyDenied, "%v: told %q", place, f.what)
	case f.what == load.Acked[0] && f.offset >= 0 &&
		(f.offset != r.Offset || int32(f.partition) != r.Partition):
		a.wrong(&a.counts.Misplaced, "%v: told %d-%d", place, f.partition, f.offset)
	}
	return nil
}

// conclude counts what is missing. With transactions only what belongs to a
// committed one has to be there.
func (a *audit) conclude(transactions bool) {
	for key, fates := range a.fates {
		for number, f := range fates {
			if f.what == 0 && f.seen == 0 {
				a.wrong(&a.counts.WithoutOutcome, "record %d of key %d has no outcome", number, key)
			}
			if f.what == load.Acked[0] && f.seen == 0 && !transactions {
				a.wrong(&a.counts.Lost, "record %d of key %d, acknowledged at partition %d, offset %d,"+
					" is not in the log", number, key, f.partition, f.offset)
			}
		}
	}
}

// concludeTxns looks for transactions of which a part is visible, by sending the
// load of s once more in thought.
func (a *audit) concludeTxns(s load.Spec) error {
	g := load.NewGenerator(s)
	for txn := uint32(1); int(txn) <= len(a.txns); txn++ {
		size, _ := g.TxnSize(s.TxnRecords)
		seen := 0
		for range size {
			r := g.Next()
			f, err := a.at(r.Key, r.Number)
			if err != nil {
				return err
			}
			if f.seen > 0 {
				seen++
			}
		}
		what := a.txns[txn]
		switch {
		case seen != 0 && seen != size:
			a.wrong(&a.counts.TornTxns, "%d of %d records of transaction %d (%s) are visible", seen,
				size, txn, what)
		case what == load.Committed && seen == 0 || what == load.Aborted && seen > 0:
			a.wrong(&a.counts.WronglyTxns, "%d of %d records of transaction %d (%s) are visible",
				seen, size, txn, what)
		}
	}
	return nil
}
