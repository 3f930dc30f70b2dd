package sim

import (
	"fmt"
	"io"
	"log/slog"
	"math"
	"math/rand/v2"
	"strconv"
	"time"

	"github.com/posthaste-go/posthaste"
)

// txnPlan is a schedule with transactions.
type txnPlan struct {
	cluster
	lives   []*life
	readers bool // somebody reads meanwhile
}

// life is one producer of a transactional id, from its start to its end. Lives of
// an id may overlap: then the later one fences the earlier.
type life struct {
	actor, number int           // of the transactional id, of its lives
	start         time.Duration // since the start of the schedule
	stop          time.Duration // ends it after that long, whatever it is at; 0: never
	vanish        bool          // ... as kill -9 ends a process, and not with Close
	config        posthaste.Config
	transactions  int
	records       int           // of a transaction, at most
	think         time.Duration // before a record, at most
	maxSize       int
	abort         int // one in so many is aborted on purpose; 0: none
	offsets       int // one in so many commits offsets
	flush         int
	hasty         int // one in so many commits has a context that ends soon
	named         bool
	whole         bool // with InTransaction
}

func (l *life) id() string { return "tx-" + strconv.Itoa(l.actor) }

// group is the consumer group whose offsets a transactional id commits.
func (l *life) group() string { return "group-" + strconv.Itoa(l.actor) }

// txnKinds are what may break beside what transactions ask for.
var txnKinds = []kind{inject, inject, inject, inject, inject, inject, inject, inject, reset, cut,
	cut, hold, hold, lose, slow, refuse, pause, kill, kill, kill, restart, moveLeader, moveLeader,
	moveLeader, diskFull, grow, grow, recreate, readdress}

// txnRules are as rules are.
var txnRules = []string{
	"produce nth=%n: drop",
	"produce nth=%n times=2: drop-response",
	"produce nth=%n: delay=1500ms",
	"produce nth=%n times=2: error=NOT_LEADER_OR_FOLLOWER",
	"produce nth=%n: error=NOT_ENOUGH_REPLICAS_AFTER_APPEND",
	"produce nth=%n: error=MESSAGE_TOO_LARGE",
	"produce nth=%n: error=INVALID_RECORD",
	"produce nth=%n: drop-response; produce nth=%m: kill",
	"initproducerid nth=%n: drop-response",
	"initproducerid nth=%n times=2: drop",
	"initproducerid nth=%n times=2: delay-response=1200ms",
	"initproducerid nth=%n: error=COORDINATOR_LOAD_IN_PROGRESS",
	"initproducerid nth=%n: error=CONCURRENT_TRANSACTIONS",
	"addpartitionstotxn nth=%n: drop-response",
	"addpartitionstotxn nth=%n: drop",
	"addpartitionstotxn nth=%n: cut-at=9",
	"addpartitionstotxn nth=%n: delay=900ms",
	"addpartitionstotxn nth=%n times=2: error=CONCURRENT_TRANSACTIONS",
	"addpartitionstotxn nth=%n: error=NOT_COORDINATOR",
	"endtxn nth=%n: drop-response",
	"endtxn nth=%n times=2: drop-response",
	"endtxn nth=%n: drop",
	"endtxn nth=%n: cut-at=6",
	"endtxn nth=%n: delay=1s",
	"endtxn nth=%n times=2: delay-response=1s",
	"endtxn nth=%n: delay-response=4s",
	"endtxn nth=%n: error=COORDINATOR_NOT_AVAILABLE",
	"endtxn nth=%n: error=NOT_COORDINATOR",
	"endtxn nth=%n: error=CONCURRENT_TRANSACTIONS",
	"endtxn nth=%n: error=TRANSACTION_ABORTABLE",
	"endtxn nth=%n: kill",
	"endtxn nth=%n: drop-response; any nth=%m: kill",
	"addoffsetstotxn nth=%n: drop-response",
	"addoffsetstotxn nth=%n: delay=900ms",
	"txnoffsetcommit nth=%n: drop-response",
	"txnoffsetcommit nth=%n: drop",
	"txnoffsetcommit nth=%n: delay=900ms",
	"txnoffsetcommit nth=%n: error=COORDINATOR_LOAD_IN_PROGRESS",
	"txnoffsetcommit nth=%n: kill",
	"findcoordinator nth=%n times=2: error=COORDINATOR_NOT_AVAILABLE",
	"findcoordinator nth=%n: drop",
	"metadata nth=%n: drop",
	"any nth=%n: kill",
	"any nth=%n: restart",
	"any nth=%n: pause=700ms",
}

// newTxnPlan draws a schedule with transactions.
func newTxnPlan(seed uint64) *txnPlan {
	rng := rand.New(rand.NewPCG(seed, 0x74786e))
	p := &txnPlan{readers: oneIn(rng, 2)}
	p.drawCluster(seed, rng)
	partitions := strconv.Itoa(1 + rng.IntN(3))
	for name, value := range map[string]string{
		"transaction.state.log.num.partitions":                        partitions,
		"offsets.topic.num.partitions":                                partitions,
		"transaction.abort.timed.out.transaction.cleanup.interval.ms": "500",
		"posthaste.transaction.version":                               pick(rng, "2", "2", "1", "0"),
		"posthaste.transaction.marker.delay.ms":                       pick(rng, "0", "0", "15", "200"),
	} {
		p.broker[name] = value
	}
	for actor := range 1 + rng.IntN(3) {
		p.drawActor(rng, actor)
	}
	states, _ := strconv.Atoi(partitions)
	moved := append([]topic{{"__transaction_state", states}, {"__consumer_offsets", states}},
		p.topics...)
	p.drawFaults(rng, menu{6, txnKinds, txnRules, moved})
	return p
}

// drawActor draws the lives of a transactional id.
func (p *txnPlan) drawActor(rng *rand.Rand, actor int) {
	start := upTo(rng, 100*time.Millisecond)
	for number := range pick(rng, 1, 1, 2, 2, 3) {
		l := &life{actor: actor, number: number, start: start, config: p.drawProducer(rng),
			transactions: 1 + rng.IntN(8), records: pick(rng, 1, 5, 20, 60),
			think:   pick(rng, 0, upTo(rng, time.Millisecond), upTo(rng, 20*time.Millisecond)),
			maxSize: pick(rng, 10, 100, 300, 1500),
			abort:   pick(rng, 0, 3, 6), offsets: pick(rng, 0, 1, 3), flush: pick(rng, 0, 0, 3),
			hasty: pick(rng, 0, 0, 0, 3), named: oneIn(rng, 3), whole: oneIn(rng, 4)}
		l.config.TransactionalID = l.id()
		l.config.ClientID = fmt.Sprintf("%s.%d", l.id(), number)
		if oneIn(rng, 3) {
			l.stop, l.vanish = upTo(rng, 3*time.Second), oneIn(rng, 2)
		}
		p.lives = append(p.lives, l)
		start += upTo(rng, pick(rng, 300*time.Millisecond, 2*time.Second, 4*time.Second))
	}
}

func (p *txnPlan) drawProducer(rng *rand.Rand) posthaste.Config {
	c := posthaste.DefaultConfig()
	c.Logger = slog.New(slog.DiscardHandler)
	name := pick(rng, address, bootstrap)
	for i := range p.nodes {
		c.BootstrapServers = append(c.BootstrapServers, name(i))
	}
	c.MaxInFlight = 1 + rng.IntN(5)
	c.Retries = pick(rng, math.MaxInt32, math.MaxInt32, math.MaxInt32, 1+rng.IntN(4))
	c.Linger = pick(rng, 0, 0, millis(rng, 1, 5), millis(rng, 1, 100))
	c.BatchSize = pick(rng, 64<<rng.IntN(7), 16<<10)
	c.BufferMemory = int64(max(6000, c.BatchSize+200) + rng.IntN(8*c.BatchSize+1))
	c.MaxBlock = pick(rng, millis(rng, 50, 1000), millis(rng, 500, 3000), 5*time.Second)
	c.RequestTimeout = pick(rng, millis(rng, 20, 200), millis(rng, 100, 2000))
	c.DeliveryTimeout = c.Linger + c.RequestTimeout +
		pick(rng, millis(rng, 0, 500), millis(rng, 100, 5000), 30*time.Second)
	c.TransactionTimeout = pick(rng, millis(rng, 100, 1000), millis(rng, 500, 4000), 6*time.Second)
	c.RetryBackoff = millis(rng, 0, 100)
	c.RetryBackoffMax = max(c.RetryBackoff, millis(rng, 50, 1000))
	c.ReconnectBackoff = millis(rng, 1, 50)
	c.ReconnectBackoffMax = max(c.ReconnectBackoff, millis(rng, 50, 1000))
	c.SocketConnectionSetupTimeout = millis(rng, 100, 2000)
	c.SocketConnectionSetupTimeoutMax = c.SocketConnectionSetupTimeout + millis(rng, 0, 3000)
	c.MetadataMaxAge = pick(rng, 5*time.Minute, millis(rng, 200, 3000))
	c.MetadataRecoveryRebootstrapTrigger = pick(rng, 5*time.Minute, millis(rng, 200, 5000))
	if oneIn(rng, 5) {
		c.ConnectionsMaxIdle = millis(rng, 50, 1000)
	}
	if oneIn(rng, 3) {
		c.CompressionType = pick(rng, codecs...)
	}
	return c
}

func (p *txnPlan) String() string {
	return describe(func(w io.Writer) {
		p.cluster.describe(w)
		for _, l := range p.lives {
			c := &l.config
			fmt.Fprintf(w, "life %s.%d from %v (stop %v vanish %v): %d transactions of %d records,"+
				" think=%v size=%d abort=%d offsets=%d flush=%d hasty=%d named=%v whole=%v\n", l.id(), l.number,
				l.start, l.stop, l.vanish, l.transactions, l.records, l.think, l.maxSize, l.abort,
				l.offsets, l.flush, l.hasty, l.named, l.whole)
			fmt.Fprintf(w, "  in.flight=%d retries=%d linger=%v batch=%d memory=%d block=%v request=%v"+
				" delivery=%v transaction=%v backoff=%v..%v max.age=%v rebootstrap=%v compression=%s\n",
				c.MaxInFlight, c.Retries, c.Linger, c.BatchSize, c.BufferMemory, c.MaxBlock,
				c.RequestTimeout, c.DeliveryTimeout, c.TransactionTimeout, c.RetryBackoff,
				c.RetryBackoffMax, c.MetadataMaxAge, c.MetadataRecoveryRebootstrapTrigger,
				c.CompressionType)
		}
		p.describeFaults(w)
	})
}
