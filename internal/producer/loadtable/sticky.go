package loadtable

import "fmt"

// Sticky counts the bytes that went to the partition in use and says when to
// draw another one. It is not safe for concurrent use: it belongs under the lock
// of the partition's open batch, together with a check that the partition is
// still the one in use.
type Sticky struct {
	limit int
	bytes int
}

// NewSticky returns a Sticky that spends about limit bytes on a partition;
// limit is batch.size and at least 1.
func NewSticky(limit int) (Sticky, error) {
	if limit < 1 {
		return Sticky{}, fmt.Errorf("sticky limit must be at least 1 byte, but is %d", limit)
	}
	return Sticky{limit: limit}, nil
}

// Add counts bytes that were appended to the partition in use and reports
// whether another partition is to be drawn, for which it starts from 0.
//
// whole says that no batch of the partition can still take records. Switching
// then leaves no fraction of a batch behind, so past the limit Sticky waits for
// it, at most until twice the limit.
func (s *Sticky) Add(bytes int, whole bool) (spent bool) {
	s.bytes += bytes
	if s.bytes >= 2*s.limit || whole && s.bytes >= s.limit {
		s.bytes = 0
		return true
	}
	return false
}
