package sim

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/posthaste-go/posthaste/broker"
	"github.com/posthaste-go/posthaste/internal/simnet"
)

// kind is what breaks.
type kind string

const (
	reset      kind = "reset"       // all connections of a node, at once
	cut        kind = "cut"         // ... at a byte
	hold       kind = "hold"        // nothing arrives for a while, nothing is lost
	lose       kind = "lose"        // connections are half open
	slow       kind = "slow"        // everything takes longer for a while
	refuse     kind = "refuse"      // no new connections for a while
	pause      kind = "pause"       // the process is frozen for a while
	kill       kind = "kill"        // kill -9, later started again
	powerCut   kind = "power-cut"   // kill, and what was not synced is lost
	restart    kind = "restart"     // in order
	moveLeader kind = "move-leader" // a partition's, to another node
	diskFull   kind = "disk-full"   // for a while
	recreate   kind = "recreate"    // a topic is deleted, and made again after a while
	grow       kind = "grow"        // a topic gets more partitions
	readdress  kind = "readdress"   // a node comes back under another address
	inject     kind = "inject"      // broker.Inject
)

// fault is one thing that breaks, and when.
type fault struct {
	at, last  time.Duration // since the start
	kind      kind
	node      int
	direction simnet.Direction
	n         int // bytes of a cut, partition of a leader, number of partitions
	topic     string
	rules     []broker.Fault
}

func (f fault) String() string {
	if f.kind == inject {
		return fmt.Sprintf("at %v %v", f.at, f.rules)
	}
	return fmt.Sprintf("at %v %s node=%d %v topic=%s n=%d for %v",
		f.at, f.kind, f.node, f.direction, f.topic, f.n, f.last)
}

// rules are what broker.Inject may be given, %n standing for a number and %m for
// the next one: nothing that a broker would not do.
// An error code is answered in place of the append, so those that promise that
// nothing was appended are true, and the others may be.
var rules = []string{
	"produce nth=%n: drop",
	"produce nth=%n: drop-response",
	"produce nth=%n times=3: drop-response",
	"produce nth=%n: cut-at=7",
	"produce nth=%n: cut-at=40",
	"produce nth=%n: delay=3s",
	"produce nth=%n times=4: delay=150ms",
	"produce nth=%n: delay-response=3s",
	"produce nth=%n times=5: delay-response=120ms",
	"produce nth=%n times=2: error=NOT_LEADER_OR_FOLLOWER",
	"produce nth=%n times=3: error=REQUEST_TIMED_OUT",
	"produce nth=%n times=2: error=NOT_ENOUGH_REPLICAS",
	"produce nth=%n times=2: error=NOT_ENOUGH_REPLICAS_AFTER_APPEND",
	"produce nth=%n times=2: error=KAFKA_STORAGE_ERROR",
	"produce nth=%n times=2: error=UNKNOWN_TOPIC_OR_PARTITION",
	"produce nth=%n times=2: error=LEADER_NOT_AVAILABLE",
	"produce nth=%n times=2: error=CORRUPT_MESSAGE",
	"produce nth=%n: error=UNKNOWN_SERVER_ERROR",
	"produce nth=%n times=3: error=MESSAGE_TOO_LARGE",
	"produce nth=%n: error=MESSAGE_TOO_LARGE",
	"produce nth=%n: error=TOPIC_AUTHORIZATION_FAILED",
	"produce nth=%n: error=INVALID_RECORD",
	"produce nth=%n times=2: throttle=400ms",
	"produce nth=%n times=8: throttle=50ms",
	"metadata nth=%n times=2: delay=700ms",
	"metadata nth=%n times=3: drop",
	"metadata nth=%n times=2: cut-at=30",
	"initproducerid: drop",
	"initproducerid times=2: error=COORDINATOR_LOAD_IN_PROGRESS",
	"initproducerid: delay-response=1s",
	"apiversions nth=%n: drop",
	"apiversions nth=%n: delay=2s",
	"any nth=%n: pause=800ms",
	"any nth=%n: kill",
	"produce nth=%n: drop-response; produce nth=%m: kill", // is what was appended remembered?
	"produce nth=%n: drop-response; produce nth=%m: restart",
	"any nth=%n: restart",
}

// kinds are what may break while records are delivered, the more often the more
// often it stands here.
var kinds = []kind{inject, inject, inject, inject, inject, reset, cut, cut, cut, hold, hold,
	lose, slow, refuse, pause, kill, kill, restart, moveLeader, moveLeader, diskFull,
	recreate, grow, readdress}

// menu is what faults are drawn from.
type menu struct {
	most  int
	kinds []kind
	rules []string
	moved []topic // whose leaders move
}

// drawFaults draws faults within the time that the load takes, and some more.
func (p *cluster) drawFaults(rng *rand.Rand, m menu) {
	horizon := 200*time.Millisecond + upTo(rng, 5*time.Second)
	synced := p.drawSynced(rng)
	for range rng.IntN(m.most + 1) {
		f := fault{at: upTo(rng, horizon), node: rng.IntN(p.nodes),
			direction: pick(rng, simnet.ToServer, simnet.ToClient, simnet.Both)}
		f.last = pick(rng, upTo(rng, 300*time.Millisecond), upTo(rng, 4*time.Second))
		f.kind = pick(rng, m.kinds...)
		t := pick(rng, p.topics...)
		f.topic = t.name
		switch f.kind {
		case inject:
			f.rules = drawRules(rng, m.rules)
		case cut:
			f.n = pick(rng, rng.IntN(8), rng.IntN(100), rng.IntN(3000))
		case moveLeader:
			t = pick(rng, m.moved...)
			f.topic, f.n = t.name, rng.IntN(t.partitions)
		case grow:
			f.n = t.partitions + 1 + rng.IntN(4)
		case recreate:
			f.n = max(1, t.partitions-1+rng.IntN(3))
			f.at += time.Duration(rng.IntN(1000)) // alone at its instant: see world.remove
		case kill:
			if synced && oneIn(rng, 2) {
				f.kind = powerCut
			}
		}
		p.faults = append(p.faults, f)
	}
	slices.SortStableFunc(p.faults, func(a, b fault) int { return int(a.at - b.at) })
}

// drawSynced decides whether the broker syncs what it appends, as it must if a
// power cut is to lose nothing.
func (p *cluster) drawSynced(rng *rand.Rand) bool {
	if !oneIn(rng, 6) {
		return false
	}
	p.broker["log.flush.interval.messages"] = "1"
	return true
}

// drawRules draws faults for broker.Inject.
func drawRules(rng *rand.Rand, rules []string) (list []broker.Fault) {
	n := 1 + rng.IntN(30)
	text := strings.NewReplacer("%n", strconv.Itoa(n), "%m", strconv.Itoa(n+1)).
		Replace(pick(rng, rules...))
	for one := range strings.SplitSeq(text, "; ") {
		f, err := broker.ParseFault(one)
		if err != nil {
			panic(err)
		}
		list = append(list, f)
	}
	return list
}
