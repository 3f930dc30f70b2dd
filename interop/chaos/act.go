//go:build unix

package chaos

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"

	"github.com/posthaste-go/posthaste/interop/chaos/load"
	"github.com/posthaste-go/posthaste/interop/chaos/proxy"
	"github.com/posthaste-go/posthaste/interop/kafka"
)

// electionPatience bounds how long a new leader is waited for. A controller that
// is killed or cut off first has to be replaced itself.
const electionPatience = 30 * time.Second

const (
	cutPatience = time.Second            // a node that leads nothing has no bytes to cut at
	betweenCuts = 200 * time.Millisecond // from one cut connection to the next
)

// A Class is what a recovery is a recovery from.
type Class int

// The classes of recoveries.
const (
	Killed   Class = iota // the leader's process died
	Frozen                // the leader stands still, its connections open
	Isolated              // the leader lost the other nodes, but not its clients
	Moved                 // the leader gave way in order
	classes
)

var classNames = [classes]string{"killed", "frozen", "isolated", "moved"}

func (c Class) String() string { return classNames[c] }

// A takeover is a partition's new leader.
type takeover struct {
	Class     Class
	Event     int // number in the plan, from 0
	Partition int
	Seen      time.Time // when the first node knew it
	Ended     time.Time // when what was broken was mended
}

// A director carries out a plan.
type director struct {
	stage     *stage
	watcher   *watcher
	floor     *floor // or nil
	logf      func(format string, args ...any)
	takeovers []takeover
	done      int // events
	cuts      int // connections cut
}

func (d *director) play(ctx context.Context, plan []Event) error {
	for i, e := range plan {
		if err := hold(ctx, e.Gap); err != nil {
			return err
		}
		if err := d.stage.settled(ctx); err != nil {
			return fmt.Errorf("before event %d (%v): %w", i, e, err)
		}
		began := time.Now()
		before := len(d.takeovers)
		if err := d.act(ctx, i, e); err != nil {
			return fmt.Errorf("event %d (%v): %w", i, e, err)
		}
		d.done++
		d.logf("%3d %v: %.1f s, %d new leaders", i, e, time.Since(began).Seconds(),
			len(d.takeovers)-before)
	}
	return d.stage.settled(ctx)
}

func (d *director) act(ctx context.Context, i int, e Event) error {
	all, err := d.stage.partitions(ctx)
	if err != nil {
		return err
	}
	p := e.Partition % len(all)
	node := d.stage.cluster.Nodes[all[p].Leader-1]
	switch e.Kind {
	case KillController:
		if node, err = d.stage.cluster.Controller(ctx); err != nil {
			return err
		}
		return d.kill(ctx, i, e, node)
	case KillCoordinator:
		if node, err = d.coordinator(ctx); err != nil {
			return err
		}
		return d.kill(ctx, i, e, node)
	case KillLeader:
		return d.kill(ctx, i, e, node)
	case RestartLeader:
		return d.moved(ctx, i, func() error { return d.restart(ctx, e, node) })
	case FreezeLeader:
		return d.freeze(ctx, i, e, node)
	case Cut:
		return d.cut(ctx, e.Cuts)
	case CutOff:
		return d.cutOff(ctx, e, node)
	case Isolate:
		return d.isolate(ctx, i, e, node)
	case Elect:
		return d.moved(ctx, i, func() error { return d.elect(ctx, e) })
	case Reassign:
		return d.moved(ctx, i, func() error { return d.reassign(ctx, e, p, all[p]) })
	case Grow:
		return d.grow(ctx, e, len(all))
	case TooFewReplicas:
		return d.tooFewReplicas(ctx, e, node)
	default:
		return fmt.Errorf("no such kind of event: %d", e.Kind)
	}
}

// coordinator is the node that coordinates the load's transactions.
func (d *director) coordinator(ctx context.Context) (*kafka.Node, error) {
	found := d.stage.admin().FindTxnCoordinators(ctx, load.TransactionalID)
	c := found[load.TransactionalID]
	if c.Err != nil || c.NodeID < 1 || int(c.NodeID) > nodes {
		return nil, fmt.Errorf("transaction coordinator: node %d, %w", c.NodeID, c.Err)
	}
	return d.stage.cluster.Nodes[c.NodeID-1], nil
}

// succeeded waits until all that node led is led by others, and returns the
// takeovers without their ends.
func (d *director) succeeded(
	ctx context.Context, node *kafka.Node, led map[int]int32, patience time.Duration,
) ([]takeover, error) {
	var found []takeover
	err := d.stage.until(ctx, patience, fmt.Sprintf("node %d is replaced", node.ID),
		func() (bool, error) {
			found = found[:0]
			for p, epoch := range led {
				if l, ok := d.watcher.successor(p, epoch, node.ID); ok {
					found = append(found, takeover{Partition: p, Seen: l.Seen})
				}
			}
			return len(found) == len(led), nil
		})
	return found, err
}

// note keeps the takeovers of an event that has ended just now.
func (d *director) note(class Class, event int, found []takeover) {
	for _, t := range found {
		t.Class, t.Event, t.Ended = class, event, time.Now()
		d.takeovers = append(d.takeovers, t)
	}
}

// keen has the watcher look often while do runs.
func (d *director) keen(do func() error) error {
	d.watcher.keen.Store(true)
	defer d.watcher.keen.Store(false)
	return do()
}

func (d *director) kill(ctx context.Context, i int, e Event, node *kafka.Node) error {
	if d.floor != nil {
		d.floor.warm()
	}
	return d.keen(func() error {
		led := d.watcher.led(node.ID)
		if err := d.stage.down(node, (*kafka.Node).Kill); err != nil {
			return err
		}
		found, err := d.succeeded(ctx, node, led, electionPatience)
		if err != nil {
			return err
		}
		if err := hold(ctx, e.Hold); err != nil {
			return err
		}
		d.note(Killed, i, found)
		if err := d.cut(ctx, e.Cuts); err != nil {
			return err
		}
		return d.stage.up(ctx, node)
	})
}

func (d *director) restart(ctx context.Context, e Event, node *kafka.Node) error {
	led := d.watcher.led(node.ID)
	if err := d.stage.down(node, (*kafka.Node).Stop); err != nil {
		return err
	}
	if _, err := d.succeeded(ctx, node, led, electionPatience); err != nil {
		return err
	}
	if err := hold(ctx, e.Hold); err != nil {
		return err
	}
	if err := d.cut(ctx, e.Cuts); err != nil {
		return err
	}
	return d.stage.up(ctx, node)
}

// freeze stops a node for as long as it was drawn; others need not have been
// elected by then.
func (d *director) freeze(ctx context.Context, i int, e Event, node *kafka.Node) error {
	return d.keen(func() error {
		led := d.watcher.led(node.ID)
		until := time.Now().Add(e.Hold)
		if err := node.Pause(); err != nil {
			return err
		}
		// Others lead, or the time is over; which of the two is seen below.
		_, waited := d.succeeded(ctx, node, led, e.Hold)
		if err := hold(ctx, time.Until(until)); err != nil {
			return err
		}
		var found []takeover
		for p, epoch := range led {
			if l, ok := d.watcher.successor(p, epoch, node.ID); ok {
				found = append(found, takeover{Partition: p, Seen: l.Seen})
			}
		}
		if err := node.Resume(); err != nil {
			return err
		}
		d.note(Frozen, i, found)
		if waited != nil && len(found) > 0 {
			d.logf("    %d of %d partitions had a new leader when node %d thawed", len(found),
				len(led), node.ID)
		}
		return nil
	})
}

func (d *director) isolate(ctx context.Context, i int, e Event, node *kafka.Node) error {
	return d.keen(func() error {
		led := d.watcher.led(node.ID)
		d.stage.isolate(node.ID, true, false)
		found, err := d.succeeded(ctx, node, led, electionPatience)
		if err == nil {
			err = hold(ctx, e.Hold)
		}
		d.note(Isolated, i, found)
		d.stage.isolate(node.ID, false, e.Drop)
		return err
	})
}

// moved carries out what has leaders moved in order, and notes where to.
func (d *director) moved(ctx context.Context, i int, do func() error) error {
	return d.keen(func() error {
		began := time.Now()
		if err := do(); err != nil {
			return err
		}
		now := time.Now()
		for p, l := range d.watcher.moves(began, now) {
			d.note(Moved, i, []takeover{{Partition: p, Seen: l.Seen}})
		}
		return nil
	})
}

// cut closes connections, one after the other. One whose byte does not come is
// called off: it would come with a later event, and be taken for its doing.
func (d *director) cut(ctx context.Context, cuts []ConnectionCut) error {
	for _, c := range cuts {
		if d.stage.cluster.Nodes[c.Node-1].PID() == 0 {
			continue // nobody is connected to a dead node
		}
		p := d.stage.clients[c.Node]
		before := p.CutCount()
		p.Cut(c.Direction, c.After, c.Reset)
		// Whether it came is counted, and the end of ctx is seen by hold.
		_ = d.stage.until(ctx, cutPatience, "a connection is cut", func() (bool, error) {
			return p.CutCount() > before, nil
		})
		p.Uncut(c.Direction)
		d.cuts += p.CutCount() - before
		if err := hold(ctx, betweenCuts); err != nil {
			return err
		}
	}
	return nil
}

func (d *director) cutOff(ctx context.Context, e Event, node *kafka.Node) error {
	p := d.stage.clients[node.ID]
	p.Silence(proxy.Anybody)
	err := hold(ctx, e.Hold)
	p.Heal(proxy.Anybody, e.Drop)
	return err
}

func (d *director) elect(ctx context.Context, e Event) error {
	results, err := d.stage.admin().ElectLeaders(ctx, kadm.ElectPreferredReplica, nil)
	if err != nil {
		return err
	}
	for _, partitions := range results {
		for _, r := range partitions {
			if r.Err != nil {
				d.logf("    preferred leader of %s-%d: %v", r.Topic, r.Partition, r.Err)
			}
		}
	}
	return hold(ctx, e.Hold)
}

// reassign takes a partition from its leader and gives it back as its last
// replica.
func (d *director) reassign(ctx context.Context, e Event, p int, now partition) error {
	leader := int32(now.Leader)
	others := slices.DeleteFunc(slices.Clone(now.Replicas),
		func(id int32) bool { return id == leader })
	for _, replicas := range [][]int32{others, append(slices.Clone(others), leader)} {
		request := kadm.AlterPartitionAssignmentsReq{}
		request.Assign(topic, int32(p), replicas)
		responses, err := d.stage.admin().AlterPartitionAssignments(ctx, request)
		if err == nil {
			err = responses.Error()
		}
		if err != nil {
			return fmt.Errorf("reassign %d to %v: %w", p, replicas, err)
		}
		err = d.stage.until(ctx, time.Minute, "the reassignment ends", func() (bool, error) {
			all, err := d.stage.partitions(ctx)
			return err == nil && slices.Equal(all[p].Replicas, replicas) &&
				len(all[p].ISR) == len(replicas), nil
		})
		if err == nil {
			err = hold(ctx, e.Hold)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (d *director) grow(ctx context.Context, e Event, partitions int) error {
	if partitions >= mostPartitions {
		return d.elect(ctx, e)
	}
	responses, err := d.stage.admin().CreatePartitions(ctx, 1, topic)
	if err == nil {
		err = responses.Error()
	}
	if err != nil {
		return err
	}
	return hold(ctx, e.Hold)
}

// tooFewReplicas has every partition refuse for a while.
func (d *director) tooFewReplicas(ctx context.Context, e Event, node *kafka.Node) error {
	if err := d.minISR(ctx, "3"); err != nil {
		return err
	}
	led := d.watcher.led(node.ID)
	if err := d.stage.down(node, (*kafka.Node).Kill); err != nil {
		return err
	}
	if _, err := d.succeeded(ctx, node, led, electionPatience); err != nil {
		return err
	}
	if err := hold(ctx, e.Hold); err != nil {
		return err
	}
	if err := d.minISR(ctx, "2"); err != nil {
		return err
	}
	return d.stage.up(ctx, node)
}

func (d *director) minISR(ctx context.Context, n string) error {
	responses, err := d.stage.admin().AlterTopicConfigs(ctx,
		[]kadm.AlterConfig{{Op: kadm.SetConfig, Name: "min.insync.replicas", Value: &n}}, topic)
	for _, r := range responses {
		if err == nil {
			err = r.Err
		}
	}
	return err
}
