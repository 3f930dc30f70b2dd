package sim

import (
	"fmt"
	"io"
	"log/slog"
	"math"
	"math/rand/v2"
	"strings"
	"sync"
	"time"

	"github.com/posthaste-go/posthaste"
	"github.com/posthaste-go/posthaste/internal/simnet"
	"github.com/posthaste-go/posthaste/partitioner"
)

// cluster is what a seed decides of the brokers and of what breaks.
type cluster struct {
	seed   uint64
	net    simnet.Settings
	nodes  int
	topics []topic
	broker map[string]string // settings
	manual bool              // topics are not made for who mentions them
	faults []fault
}

// topic is a topic that is there at the start.
type topic struct {
	name       string
	partitions int
}

// plan is all that a seed decides.
type plan struct {
	cluster
	config  posthaste.Config
	callers []caller
	close   closing
}

// caller is one goroutine that sends.
type caller struct {
	records int
	think   time.Duration // between two records, at most
	burst   int           // records without a pause
	maxSize int           // bytes of a value
	keys    int           // number of different keys; 0: none
	named   bool          // the record names its partition
	mode    mode
	flush   int // every so many records; 0: never
	give    int // every so many records with a context that ends soon; 0: never
	hasty   int // every so many records, a flush whose context ends soon; 0: never
}

// mode is how a caller hears of outcomes.
type mode int

const (
	modeCallback mode = iota
	modeWait          // a goroutine waits for each
	modeSync
	modePoll // looked at after Close
	modes
)

// closing says how the producer is closed.
type closing struct {
	early time.Duration // while callers still send; 0: after them
	limit time.Duration // deadline; 0: none
}

// idempotent reports whether the producer is.
func (p *plan) idempotent() bool {
	return p.config.EnableIdempotence == posthaste.IdempotenceOn
}

// ordered reports whether order is promised.
func (p *plan) ordered() bool { return p.idempotent() || p.config.MaxInFlight == 1 }

// bits is a source of random bits for a producer.
func bits(seed, stream uint64) func() uint32 {
	var mu sync.Mutex
	source := rand.NewPCG(seed, stream)
	return func() uint32 {
		mu.Lock()
		defer mu.Unlock()
		return uint32(source.Uint64())
	}
}

func pick[T any](rng *rand.Rand, choices ...T) T { return choices[rng.IntN(len(choices))] }

// upTo is a duration from 0 to d.
func upTo(rng *rand.Rand, d time.Duration) time.Duration {
	return time.Duration(rng.Int64N(int64(d) + 1)).Truncate(time.Microsecond)
}

// millis is a whole number of milliseconds from least to most.
func millis(rng *rand.Rand, least, most int) time.Duration {
	return time.Duration(least+rng.IntN(most-least+1)) * time.Millisecond
}

func oneIn(rng *rand.Rand, n int) bool { return rng.IntN(n) == 0 }

// newPlan draws a schedule.
func newPlan(seed uint64) *plan {
	rng := rand.New(rand.NewPCG(seed, 0x706f7374))
	p := &plan{}
	p.drawCluster(seed, rng)
	p.drawConfig(rng)
	p.drawLoad(rng)
	p.drawFaults(rng, menu{8, kinds, rules, p.topics})
	p.drawGrowth(rng)
	return p
}

// drawGrowth leaves batch.size as it comes, so that batches behind others grow, for
// callers of which at least one does not pause.
func (p *plan) drawGrowth(rng *rand.Rand) {
	if !oneIn(rng, 10) {
		return
	}
	p.config.BatchSize = posthaste.DefaultConfig().BatchSize
	p.config.BufferMemory = 1 << (20 + rng.IntN(4))
	p.callers[0].maxSize, p.callers[0].think = 2500, 0
}

func (p *cluster) drawCluster(seed uint64, rng *rand.Rand) {
	p.seed = seed
	p.net = simnet.Settings{Seed: seed, Delay: upTo(rng, 4*time.Millisecond),
		Jitter: pick(rng, 0, upTo(rng, time.Millisecond), upTo(rng, 30*time.Millisecond))}
	if oneIn(rng, 5) {
		p.net.Bandwidth = 50_000 << rng.IntN(6)
	}
	if oneIn(rng, 5) {
		p.net.Buffer = 64 << rng.IntN(6)
	}
	p.nodes = 1 + rng.IntN(3)
	for _, name := range []string{"orders", "payments", "audit"}[:pick(rng, 1, 1, 2, 3)] {
		p.topics = append(p.topics, topic{name, 1 + rng.IntN(6)})
	}
	p.manual = oneIn(rng, 2)
	p.broker = map[string]string{}
	if oneIn(rng, 2) {
		p.broker["log.segment.bytes"] = pick(rng, "8192", "32768")
	}
	if oneIn(rng, 20) {
		p.broker["compression.type"] = pick(rng, "gzip", "lz4", "uncompressed")
	}
	if oneIn(rng, 10) {
		p.broker["message.max.bytes"] = pick(rng, "1000", "4000")
	}
}

func (p *plan) drawConfig(rng *rand.Rand) {
	c := posthaste.DefaultConfig()
	c.ClientID = "sim"
	c.Logger = slog.New(slog.DiscardHandler)
	name := pick(rng, address, bootstrap)
	for i := range p.nodes {
		c.BootstrapServers = append(c.BootstrapServers, name(i))
	}
	p.drawWaits(rng, &c)
	if oneIn(rng, 2) {
		c.CompressionType = pick(rng, codecs...)
	}
	p.drawPartitioner(rng, &c)
	p.config = c
}

// codecs are drawn from; zstd takes its time to set up.
var codecs = func() []posthaste.Compression {
	var list []posthaste.Compression
	for range 5 {
		list = append(list, posthaste.CompressionGzip, posthaste.CompressionSnappy,
			posthaste.CompressionLz4, posthaste.CompressionSnappy, posthaste.CompressionLz4)
	}
	return append(list, posthaste.CompressionZstd)
}()

func (p *plan) drawPartitioner(rng *rand.Rand, c *posthaste.Config) {
	c.PartitionerAdaptive = oneIn(rng, 2)
	if oneIn(rng, 6) {
		c.PartitionerAvailabilityTimeout = millis(rng, 1, 200)
	}
	c.PartitionerIgnoreKeys = oneIn(rng, 8)
	if oneIn(rng, 8) {
		c.Partitioner = pick[partitioner.Partitioner](rng, &partitioner.RoundRobin{},
			&partitioner.UniformSticky{})
	}
}

// drawWaits draws what decides how much is sent when, and how long it may take.
func (p *plan) drawWaits(rng *rand.Rand, c *posthaste.Config) {
	c.EnableIdempotence, c.Acks = posthaste.IdempotenceOn, posthaste.AcksAll
	c.MaxInFlight = 1 + rng.IntN(5)
	c.Retries = pick(rng, math.MaxInt32, math.MaxInt32, math.MaxInt32, 1+rng.IntN(4))
	if oneIn(rng, 4) {
		c.EnableIdempotence = posthaste.IdempotenceOff
		c.Acks = pick(rng, posthaste.AcksAll, posthaste.AcksLeader, posthaste.AcksLeader,
			posthaste.AcksNone)
		c.MaxInFlight = pick(rng, 1, 1, 1+rng.IntN(8))
		c.Retries = pick(rng, math.MaxInt32, c.Retries, 0)
	}
	c.Linger = pick(rng, 0, 0, 0, 0, millis(rng, 1, 5), millis(rng, 1, 5), millis(rng, 1, 100),
		millis(rng, 1, 100), millis(rng, 500, 5000))
	c.BatchSize = pick(rng, 64<<rng.IntN(7), 64<<rng.IntN(7), 64<<rng.IntN(7), 64<<rng.IntN(7),
		rng.IntN(3), 16<<10, 1<<20)
	c.BufferMemory = int64(max(6000, c.BatchSize+200) + rng.IntN(8*c.BatchSize+1))
	if oneIn(rng, 8) {
		c.MaxRequestSize = 500 + rng.IntN(4000)
	}
	c.MaxBlock = pick(rng, millis(rng, 0, 50), millis(rng, 100, 2000), 5*time.Second)
	c.RequestTimeout = pick(rng, millis(rng, 20, 200), millis(rng, 100, 2000))
	c.DeliveryTimeout = c.Linger + c.RequestTimeout +
		pick(rng, 0, millis(rng, 0, 500), millis(rng, 100, 5000), 30*time.Second)
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
	if oneIn(rng, 8) {
		c.MetadataRecoveryStrategy = posthaste.RecoveryNone
	}
	if oneIn(rng, 10) {
		c.MetadataMaxIdle = 5 * time.Second
	}
}

func (p *plan) drawLoad(rng *rand.Rand) {
	total := 50 + rng.IntN(200)
	n := 1 + rng.IntN(4)
	for range n {
		c := caller{
			records: 1 + total/n, think: pick(rng, upTo(rng, time.Millisecond),
				upTo(rng, 20*time.Millisecond), upTo(rng, 100*time.Millisecond)),
			burst: 1 + rng.IntN(20), maxSize: pick(rng, 10, 100, 300, 2500),
			mode: mode(rng.IntN(int(modes))),
		}
		switch rng.IntN(3) {
		case 0:
			c.keys = 1 + rng.IntN(20)
		case 1:
			c.named = true
		}
		if c.mode == modeSync {
			c.records = min(c.records, 30)
		}
		if oneIn(rng, 4) {
			c.flush = 5 + rng.IntN(30)
		}
		if oneIn(rng, 4) {
			c.give = 2 + rng.IntN(10)
		}
		if oneIn(rng, 6) {
			c.hasty = 5 + rng.IntN(30)
		}
		p.callers = append(p.callers, c)
	}
	if oneIn(rng, 4) {
		p.close.early = upTo(rng, 2*time.Second)
	}
	if oneIn(rng, 4) {
		p.close.limit = 1 + upTo(rng, 2*time.Second)
	}
}

// describe writes the plan down, for whoever looks for a bug.
func (p *plan) describe(w io.Writer) {
	c := &p.config
	p.cluster.describe(w)
	fmt.Fprintf(w, "acks=%v idempotence=%v in.flight=%d retries=%d linger=%v batch=%d memory=%d"+
		" block=%v\n", c.Acks, c.EnableIdempotence, c.MaxInFlight, c.Retries, c.Linger, c.BatchSize,
		c.BufferMemory, c.MaxBlock)
	fmt.Fprintf(w, "request.timeout=%v delivery.timeout=%v backoff=%v..%v reconnect=%v..%v"+
		" max.idle=%v max.age=%v setup=%v rebootstrap=%v compression=%s recovery=%v"+
		" max.request=%d adaptive=%v availability=%v partitioner=%T\n",
		c.RequestTimeout, c.DeliveryTimeout, c.RetryBackoff, c.RetryBackoffMax, c.ReconnectBackoff,
		c.ReconnectBackoffMax, c.ConnectionsMaxIdle, c.MetadataMaxAge,
		c.SocketConnectionSetupTimeout, c.MetadataRecoveryRebootstrapTrigger, c.CompressionType,
		c.MetadataRecoveryStrategy, c.MaxRequestSize, c.PartitionerAdaptive,
		c.PartitionerAvailabilityTimeout, c.Partitioner)
	for i, c := range p.callers {
		fmt.Fprintf(w, "caller %d: %+v\n", i, c)
	}
	p.describeFaults(w)
	fmt.Fprintf(w, "close %+v\n", p.close)
}

func (p *cluster) describe(w io.Writer) {
	fmt.Fprintf(w, "seed %d: %d nodes, topics %v, net %+v, broker %v manual=%v\n",
		p.seed, p.nodes, p.topics, p.net, p.broker, p.manual)
}

func (p *cluster) describeFaults(w io.Writer) {
	for _, f := range p.faults {
		fmt.Fprintf(w, "fault %v\n", f)
	}
}

func (p *plan) String() string { return describe(p.describe) }

func describe(write func(io.Writer)) string {
	var b strings.Builder
	write(&b)
	return b.String()
}
