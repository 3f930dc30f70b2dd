package posthaste_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/posthaste-go/posthaste"
	"github.com/posthaste-go/posthaste/internal/errcode"
	"github.com/posthaste-go/posthaste/internal/protocol"
	"github.com/posthaste-go/posthaste/internal/scriptedbroker"
)

// behind is a caller that is 2 MB ahead of a slow broker: what is in the log is what
// was sent, and it returns how many records of 1,000 bytes each batch had.
func behind(t *testing.T, change func(*posthaste.Config), most int) (batches []int) {
	t.Helper()
	play(t, one, change, func(s *scenario) {
		refuse := tooLarge(most, errcode.MessageTooLarge)
		slow := scriptedbroker.Delay(100 * time.Millisecond)
		s.cluster.Always(protocol.Produce, func(x *scriptedbroker.Exchange) {
			counts := scriptedbroker.Counts(x)
			batches = append(batches, counts...)
			if slices.Max(counts) > most {
				refuse(x)
			} else {
				slow(x)
			}
		})
		var want, got []string
		for i := range 2000 {
			want = append(want, fmt.Sprintf("%04d", i))
			s.send("t", want[i]+strings.Repeat("x", 996))
		}
		s.flush()
		for _, value := range s.cluster.Values("t", 0) {
			got = append(got, value[:4])
		}
		if d := cmp.Diff(want, got); d != "" {
			s.Errorf("log (-want +got):\n%s", d)
		}
	})
	return batches
}

// Records that wait behind others of their partition make bigger batches, within
// what a broker allows by default.
func TestBatchesBehindOthersGrow(t *testing.T) {
	batches := behind(t, nil, 1<<20)
	if batches[0] > 16 {
		t.Errorf("the first batch has %d records, which is above batch.size", batches[0])
	}
	if biggest := slices.Max(batches); biggest < 500 || biggest > 1040 {
		t.Errorf("the biggest batch of a long queue has %d KB, want 500 to 1040", biggest)
	}
}

// A batch.size that was given is kept, also one that is the default.
func TestAGivenBatchSizeIsKept(t *testing.T) {
	for _, size := range []string{"16384", "40000"} {
		batches := behind(t, func(c *posthaste.Config) {
			if err := c.Set("batch.size", size); err != nil {
				t.Fatal(err)
			}
		}, 1<<20)
		if biggest := slices.Max(batches); biggest > 40 {
			t.Errorf("batch.size=%s: a batch has %d KB", size, biggest)
		}
	}
}

// Where a topic's max.message.bytes is below what batches grow to, those that it
// refuses are split, and no more are made.
func TestBatchesStopGrowingForATopic(t *testing.T) {
	batches := behind(t, nil, 100)
	refused := 0
	for _, n := range batches {
		if n > 100 {
			refused++
		}
	}
	// 2 MB fit two batches of a megabyte, which takes four halvings each, and
	// what was queued before.
	if refused == 0 || refused > 40 {
		t.Errorf("%d of %d batches were above what the topic allows, want 1 to 40",
			refused, len(batches))
	}
	play(t, one, nil, func(s *scenario) {
		s.cluster.Always(protocol.Produce, tooLarge(100, errcode.MessageTooLarge))
		value := strings.Repeat("x", 1000)
		for range 3000 {
			s.send("t", value)
		}
		s.flush()
		splits := s.p.Metrics().Splits
		for range 3000 {
			s.send("t", value)
		}
		s.flush()
		if m := s.p.Metrics(); splits == 0 || m.Splits != splits {
			s.Errorf("%d splits at first, %d more later, want some and none", splits, m.Splits-splits)
		}
	})
}
