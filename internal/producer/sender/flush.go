package sender

import (
	"github.com/posthaste-go/posthaste/internal/mutation"
	"github.com/posthaste-go/posthaste/internal/producer/batch"
)

// flush is one Flush under way: every partition in it still has a batch from
// before the flush began.
type flush struct {
	done    *batch.Flush
	targets map[*partition]int64 // resolved batches at which the partition is through
}

// flushAll sends everything that was accepted before, without lingering.
func (c *Core) flushAll(done *batch.Flush) {
	f := &flush{done: done, targets: map[*partition]int64{}}
	for _, p := range c.partitions {
		if p == nil {
			continue
		}
		w := c.source.Look(p.id)
		if w.Opened > p.resolved {
			f.targets[p] = w.Opened
			p.flushTo = w.Opened
		}
	}
	if len(f.targets) == 0 {
		c.do(Effect{Do: FlushDone, Flush: done})
		return
	}
	c.flushes = append(c.flushes, f) // before batches can be resolved
	for _, p := range c.partitions {
		if p != nil {
			c.evaluate(p)
		}
	}
}

// checkFlushes ends flushes that waited for p.
func (c *Core) checkFlushes(p *partition) {
	if len(c.flushes) == 0 {
		return
	}
	kept := c.flushes[:0]
	for _, f := range c.flushes {
		target, waits := f.targets[p]
		if mutation.On(mutation.DroppedAtClose) {
			target--
		}
		if waits && p.resolved >= target {
			delete(f.targets, p)
		}
		if len(f.targets) == 0 {
			c.do(Effect{Do: FlushDone, Flush: f.done})
			continue
		}
		kept = append(kept, f)
	}
	clear(c.flushes[len(kept):])
	c.flushes = kept
}
