package posthaste

import (
	"context"
	"fmt"
	"math/bits"
	"net"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/posthaste-go/posthaste/internal/backoff"
	"github.com/posthaste-go/posthaste/internal/clock"
	"github.com/posthaste-go/posthaste/internal/compression"
	"github.com/posthaste-go/posthaste/internal/errcode"
	"github.com/posthaste-go/posthaste/internal/producer/accumulator"
	"github.com/posthaste-go/posthaste/internal/producer/batch"
	"github.com/posthaste-go/posthaste/internal/producer/bufferpool"
	"github.com/posthaste-go/posthaste/internal/producer/conn"
	"github.com/posthaste-go/posthaste/internal/producer/loop"
	"github.com/posthaste-go/posthaste/internal/producer/sender"
	"github.com/posthaste-go/posthaste/partitioner"
)

// resolveTimeout bounds the look-up of bootstrap names when a producer is made.
const resolveTimeout = 10 * time.Second

// resolve checks that a bootstrap name resolves, and replaces names by canonical
// ones if client.dns.lookup says so.
func (p *Producer) resolve() error {
	ctx, cancel := context.WithTimeout(context.Background(), resolveTimeout)
	defer cancel()
	s := &p.settings
	if err := s.checkBootstrap(ctx, net.DefaultResolver.LookupHost); err != nil {
		return err
	}
	if !s.canonicalBootstrap || s.dial != nil {
		return nil
	}
	var canonical []string
	for _, addr := range s.bootstrapServers {
		host, port, err := net.SplitHostPort(addr)
		if err != nil {
			return err
		}
		ips, err := net.DefaultResolver.LookupHost(ctx, host)
		if err != nil {
			s.logger.Warn("bootstrap name does not resolve", "address", addr, "error", err)
			continue
		}
		for _, ip := range ips {
			name := ip
			if names, err := net.DefaultResolver.LookupAddr(ctx, ip); err == nil && len(names) > 0 {
				name = strings.TrimSuffix(names[0], ".")
			}
			canonical = append(canonical, net.JoinHostPort(name, port))
		}
	}
	slices.Sort(canonical)
	s.bootstrapServers = slices.Compact(canonical)
	return nil
}

// wire makes the parts of a producer from its settings.
func (p *Producer) wire() error {
	s := &p.settings
	if _, sticky := s.partitioner.(*partitioner.UniformSticky); sticky {
		// The built-in choice is that very one, and it sees where batches end.
		s.partitioner, s.ignoreKeys, s.adaptive = nil, true, false
	}
	switch s.partitioner.(type) {
	case *partitioner.RoundRobin, *partitioner.Keyed:
		p.bytesOnly = true
	}
	if err := p.resolve(); err != nil {
		return err
	}
	compressor, err := compressorOf(s)
	if err != nil {
		return err
	}
	connection, err := p.connection()
	if err != nil {
		return err
	}
	p.clock = clock.NewCoarse()
	batchSize, behindSize := s.batchSizes()
	pool := bufferpool.New(s.bufferMemory, behindSize+batch.Overhead)
	rack := ""
	if s.rackAware {
		rack = s.clientRack
	}
	p.loop = loop.New(loop.Settings{
		Sender: senderSettings(s), Conn: connection, Complete: p.complete,
		Fatal:       func(f *batch.Failure) { p.goDown(p.fatal(f)) },
		Transaction: p.transactionState,
		Rack:        rack, Logger: s.logger,
		Accumulator: func(n accumulator.Notices) *accumulator.Accumulator {
			return accumulator.New(accumulator.Settings{
				BatchSize: batchSize, BehindSize: behindSize,
				Compressor: compressor, Adaptive: s.adaptive,
				Logger: s.logger, Rand: s.rand, Lanes: lanes(s),
			}, p.clock, pool, n)
		},
	})
	p.acc = p.loop.Accumulator
	return nil
}

// biggestBatch bounds the capacity of a batch whose size nobody set, bytes. It fits
// message.max.bytes of a broker and max.message.bytes of a topic by default.
const biggestBatch = 1 << 20

// batchSizes bounds batches, bytes: those that could go at once, and those behind
// others of their partition. If batch.size was given it is both. If not, records that
// arrive faster than the broker takes them make the latter up to biggestBatch, or a
// sixteenth of buffer.memory. Capacities are then powers of two, as the pool has them.
//
// Without acknowledgements batches do not grow: nobody would hear that one is larger
// than the topic allows.
func (s *settings) batchSizes() (batchSize, behindSize int) {
	most := min(biggestBatch, s.bufferMemory/16, int64(s.maxRequestSize))
	if !s.batchGrows || most < 2*int64(s.batchSize) {
		return s.batchSize, s.batchSize
	}
	powerBelow := func(n int) int { return 1 << (bits.Len(uint(n)) - 1) }
	return powerBelow(s.batchSize) - batch.Overhead, powerBelow(int(most)) - batch.Overhead
}

// lanes is how many sticky partitions goroutines that send at the same moment
// choose from; one where the choice is to be repeatable.
func lanes(s *settings) int {
	if s.rand != nil {
		return 1
	}
	return runtime.GOMAXPROCS(0)
}

func compressorOf(s *settings) (*compression.Compressor, error) {
	codec, err := compression.Parse(string(s.compression))
	if err != nil || codec == compression.None {
		return nil, err
	}
	return compression.New(codec, s.compressionLevel)
}

// Bounds of the pause: a request costs about as much as compressing 16 KiB does,
// so a batch of that size is worth keeping for it and a much bigger one is not.
const (
	longestPause  = time.Millisecond
	pausedBatches = 64 << 10 // batch.size up to which there are pauses
)

// pause is how long a broker that was sent a request waits for the next while
// little is ready for it: only if records may wait, and not for long.
func pause(s *settings) time.Duration {
	if s.batchSize > pausedBatches {
		return 0
	}
	return min(s.linger/5, longestPause)
}

func senderSettings(s *settings) sender.Settings {
	var chance func() float64 // nil: as good as any
	if s.rand != nil {
		chance = func() float64 { return float64(s.rand()) / (1 << 32) }
	}
	wait := func(initial, most time.Duration) backoff.Policy {
		return backoff.Policy{Initial: initial, Max: most, Jitter: backoff.Jitter, Rand: chance}
	}
	out := sender.Settings{
		Acks: s.acks, Idempotent: s.idempotence, MaxInFlight: s.maxInFlight,
		Transactional:  s.transactionalID != "",
		TwoPhase:       s.twoPhaseCommit,
		MaxRequestSize: s.maxRequestSize, Linger: s.linger, Pause: pause(s),
		DeliveryTimeout: s.deliveryTimeout, RequestTimeout: s.requestTimeout,
		Retries:        s.retries,
		Backoff:        wait(s.retryBackoff, s.retryBackoffMax),
		Reconnect:      wait(s.reconnectBackoff, s.reconnectBackoffMax),
		Setup:          wait(s.connectionSetupTimeout, s.connectionSetupTimeoutMax),
		MaxIdle:        s.connectionsMaxIdle,
		MetadataMaxAge: s.metadataMaxAge, MetadataMaxIdle: s.metadataMaxIdle,
		Bootstrap: s.bootstrapServers, ClusterCheck: s.clusterCheck,
	}
	if s.rebootstrap {
		out.Rebootstrap = s.rebootstrapTrigger
	}
	if s.adaptive {
		out.AvailabilityTimeout = s.availabilityTimeout
	}
	return out
}

// connection is what all connections have in common.
func (p *Producer) connection() (conn.Settings, error) {
	s := &p.settings
	out := conn.Settings{
		ClientID: s.clientID, TransactionalID: s.transactionalID, Window: s.maxInFlight,
		TransactionTimeout: s.transactionTimeout, Dial: s.dial,
	}
	if out.Dial == nil {
		out.Dial = dialTCP(s.sendBuffer, s.receiveBuffer)
	}
	return out, p.secure(&out)
}

// dialTCP is the default dialer. Names are looked up at each dial, so that a
// broker whose address changed is found, and all of its addresses are tried.
func dialTCP(sendBuffer, receiveBuffer int) DialFunc {
	return func(ctx context.Context, network, addr string) (net.Conn, error) {
		var d net.Dialer
		nc, err := d.DialContext(ctx, network, addr)
		if err != nil {
			return nil, err
		}
		tcp, ok := nc.(*net.TCPConn)
		if !ok {
			return nc, nil
		}
		if sendBuffer > 0 {
			err = tcp.SetWriteBuffer(sendBuffer)
		}
		if err == nil && receiveBuffer > 0 {
			err = tcp.SetReadBuffer(receiveBuffer)
		}
		if err != nil {
			nc.Close()
			return nil, fmt.Errorf("set socket buffers: %w", err)
		}
		return nc, nil
	}
}

// fatal is the error of every Send after the producer has failed for good.
func (p *Producer) fatal(f *batch.Failure) error {
	reason := cause(-1, f)
	is := ErrFatal
	if f.Code == errcode.ProducerFenced {
		is = ErrFenced
	}
	return &failure{is: is, cause: reason, text: fmt.Sprintf(
		"producer has failed for good: %v: close it and start a new one", reason)}
}

// complete runs the callbacks of a resolved batch, and tells interceptors.
func (p *Producer) complete(b *batch.Batch) {
	for i := range b.Entries {
		e := &b.Entries[i]
		d := Delivery{
			outcome: b.Outcome, index: e.Index, timestamp: e.Timestamp,
			sizes: makeSizes(e.KeySize, e.ValueSize),
		}
		offset, appendTime, f := b.Outcome.Of(e.Index)
		md := d.metadata(offset, appendTime)
		var err error
		if f != nil {
			err = deliveryError(b.Outcome, e.Index, f)
		}
		if p.chain != nil {
			p.chain.onAcknowledgement(Acknowledgement{Metadata: md, Headers: b.Headers[i], Err: err})
		}
		if done, ok := e.Callback.(Callback); ok && done != nil {
			p.call(done, md, err)
		}
	}
}

// call runs a callback; its panic harms nobody else.
func (p *Producer) call(done Callback, md RecordMetadata, err error) {
	panicked := guard(func() error { done(md, err); return nil })
	if panicked != nil {
		p.settings.logger.Error("callback failed", "topic", md.Topic, "partition", md.Partition,
			"offset", md.Offset, "error", panicked)
	}
}
