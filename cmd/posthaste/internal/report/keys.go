package report

import (
	"cmp"
	"fmt"
	"hash/maphash"
	"slices"
	"strings"
)

// mostKeys is how many different keys a Keys tells apart. A key column with
// more of them spreads well unless one key has much of the data, and such a key
// is among the first that many.
const mostKeys = 4096

// fewRecords is how many records Keys must have seen before it judges.
const fewRecords = 100

// Keys watches the keys of records for the two ways in which keys spoil the
// spread over partitions: too few different ones, and one that has too much.
//
// Not safe for concurrent use.
type Keys struct {
	seed    maphash.Seed
	counts  map[uint64]*keyCount
	records int64 // with a key
	nulls   int64
	more    bool // there are keys beyond those in counts
}

type keyCount struct {
	key string
	n   int64
}

// NewKeys returns a Keys that has seen nothing.
func NewKeys() *Keys {
	return &Keys{seed: maphash.MakeSeed(), counts: make(map[uint64]*keyCount)}
}

// Add counts the key of one record; nil is none. It allocates only for a key
// that is new.
func (k *Keys) Add(key []byte) {
	if key == nil {
		k.nulls++
		return
	}
	k.records++
	h := maphash.Bytes(k.seed, key)
	if c := k.counts[h]; c != nil {
		c.n++
		return
	}
	if len(k.counts) >= mostKeys {
		k.more = true
		return
	}
	k.counts[h] = &keyCount{key: shorten(key), n: 1}
}

// shorten keeps a key showable.
func shorten(key []byte) string {
	const most = 40
	if len(key) > most {
		return fmt.Sprintf("%q…", key[:most])
	}
	return fmt.Sprintf("%q", key)
}

// Distinct returns how many different keys there were; exact is false if there
// were more.
func (k *Keys) Distinct() (n int, exact bool) { return len(k.counts), !k.more }

// Warning says, as an experienced colleague would, what is wrong with the keys
// for a topic with so many records in each partition; "" if nothing is. column
// names where the keys came from.
func (k *Keys) Warning(column string, partitions []int64) string {
	n := len(partitions)
	if n < 2 || k.records < fewRecords {
		return ""
	}
	distinct, exact := k.Distinct()
	top := slices.MaxFunc(keys(k.counts), func(a, b *keyCount) int { return cmp.Compare(a.n, b.n) })
	share := float64(top.n) / float64(k.records)
	const remedy = "choose a key with more values, or none if order within a key does not matter"
	switch {
	case exact && distinct < 2*n:
		return fmt.Sprintf("%s has only %s for %d partitions, so the keys cannot spread: %s; %s",
			column, Plural(int64(distinct), "different value"), n, loads(partitions), remedy)
	case share > 2/float64(n) && share > 0.1:
		return fmt.Sprintf("%s is %s in %.0f %% of the records, all of which share one of %d "+
			"partitions: %s; expect that one to lag, or choose another key", column, top.key,
			100*share, n, loads(partitions))
	}
	return ""
}

func keys(m map[uint64]*keyCount) []*keyCount {
	all := make([]*keyCount, 0, len(m))
	for _, c := range m {
		all = append(all, c)
	}
	return all
}

// loads says which partitions get most and how many get nothing.
func loads(partitions []int64) string {
	type load struct {
		p int
		n int64
	}
	var all []load
	var total int64
	empty := 0
	for p, n := range partitions {
		total += n
		if n == 0 {
			empty++
		}
		all = append(all, load{p, n})
	}
	slices.SortStableFunc(all, func(a, b load) int { return cmp.Compare(b.n, a.n) })
	var parts []string
	for _, l := range all[:min(3, len(all))] {
		if l.n > 0 {
			parts = append(parts, fmt.Sprintf("partition %d gets %.0f %%", l.p,
				100*float64(l.n)/float64(max(total, 1))))
		}
	}
	switch {
	case empty == 1:
		parts = append(parts, "1 gets nothing")
	case empty > 1:
		parts = append(parts, fmt.Sprintf("%d get nothing", empty))
	}
	return strings.Join(parts, ", ")
}
