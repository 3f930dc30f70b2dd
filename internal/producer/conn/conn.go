// Package conn is one connection to one broker: it is dialled, secured and
// authenticated, learns the broker's versions, and then writes requests and
// reads answers until either side ends it.
//
//	Core's effects ─▶ queue ─▶ writer ══ broker ══ reader ─▶ Core's events
//	                              └──── pending ────▶┘
//
// It decides nothing. A connection that fails says so once, with ConnDown, when
// neither of its goroutines can touch a batch any more; what becomes of the
// requests that it had is Core's business.
package conn

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"sync/atomic"
	"time"

	"github.com/posthaste-go/posthaste/internal/errcode"
	"github.com/posthaste-go/posthaste/internal/producer/sender"
	"github.com/posthaste-go/posthaste/internal/protocol"
)

// Settings are common to all connections of a producer.
type Settings struct {
	ClientID        string
	TransactionalID string // empty for none
	// TransactionTimeout is what the coordinator is told.
	TransactionTimeout time.Duration
	Window             int // produce requests that may be under way: max.in.flight
	// Dial opens a TCP connection, or what stands for one.
	Dial func(ctx context.Context, network, addr string) (net.Conn, error)
	// Secure makes a plain connection an encrypted one; nil for plaintext.
	Secure func(ctx context.Context, plain net.Conn, addr string) (net.Conn, error)
	// Mechanism starts a SASL exchange; nil for none.
	Mechanism func(ctx context.Context) (Mechanism, error)
	// Events takes what happens. It must not block.
	Events func(sender.Event)
}

// Target is where a connection goes.
type Target struct {
	Addr    string
	Setup   time.Duration // bounds everything before the first request; ≤ 0 for no bound
	Cluster string        // the cluster that the broker must be of; empty to not ask
	Node    int32         // ... and its id
}

// controls is how many requests that are not produce requests may be queued
// beside those.
const controls = 8

// Conn is one connection. Its methods may be called by one goroutine at a time
// and do not block.
type Conn struct {
	id       sender.ConnID
	addr     string
	settings *Settings
	to       Target
	cancel   context.CancelCauseFunc
	queue    chan message // to the writer
	pending  chan message // written, not answered; from writer to reader
	versions versions
	session  time.Duration // how long the broker takes our credentials; 0 for ever
	ended    chan struct{} // closed when the reader has ended
	written  atomic.Int64  // bytes

	// The writer's tools: the writer's while queued is not 0, otherwise those of
	// the goroutine that calls Produce. Set before ConnUp.
	writer *writer
	direct *direct      // nil if the connection is not a plain socket
	queued atomic.Int32 // messages that the writer has not written yet
}

// message is one request on its way.
type message struct {
	produce     *sender.Request
	control     control
	version     int16
	correlation int32
	rest        []byte // what is left of a request that was written in part
	unanswered  bool   // acks=0: it is done when it is written
}

// ErrHungUp is the reason of a connection that Core gave up.
var ErrHungUp = errors.New("connection closed by this client")

// Start opens a connection in the background; ConnUp or ConnDown follows.
func Start(s *Settings, id sender.ConnID, to Target) *Conn {
	ctx, cancel := context.WithCancelCause(context.Background())
	c := &Conn{
		id: id, addr: to.Addr, to: to, settings: s, cancel: cancel,
		queue:   make(chan message, s.Window+controls),
		pending: make(chan message, s.Window+controls),
		ended:   make(chan struct{}),
	}
	go c.run(ctx)
	return c
}

// Produce sends a produce request: at once, on this goroutine, if it is small and
// the writer has nothing to do and the socket takes it without waiting; that
// saves waking the writer, which costs more than the write.
func (c *Conn) Produce(r *sender.Request) {
	if c.direct != nil && c.queued.Load() == 0 && small(r) {
		c.writer.sendNow(message{produce: r})
		return
	}
	c.enqueue(message{produce: r})
}

func (c *Conn) enqueue(m message) {
	c.queued.Add(1)
	c.queue <- m
}

// Close ends the connection; ConnDown follows.
func (c *Conn) Close() { c.cancel(ErrHungUp) }

// run is the connection's life. It dials, then becomes the writer.
//
// Started by: Start. Ends: when the connection fails, or Close. Runs user code:
// Settings.Dial, and SASL callbacks.
func (c *Conn) run(ctx context.Context) {
	nc, err := c.open(ctx)
	if err != nil {
		c.cancel(err)
		c.settings.Events(&sender.ConnDown{
			Conn: c.id, Err: err, Fatal: hopeless(err),
			Misrouted: errors.Is(err, errcode.RebootstrapRequired),
		})
		return
	}
	stop := context.AfterFunc(ctx, func() { nc.Close() })
	c.direct = newDirect(nc)
	c.writer = &writer{conn: c, nc: nc, vectored: c.direct != nil, correlation: handshakes}
	c.settings.Events(&sender.ConnUp{
		Conn: c.id, Idempotent: c.versions.has(protocol.InitProducerID), Session: c.session,
		FeaturesEpoch:      c.versions.featuresEpoch,
		TransactionVersion: c.versions.transactionVersion,
	})
	go c.read(nc)
	c.write(ctx)
	nc.Close()
	<-c.ended
	stop()
	c.settings.Events(&sender.ConnDown{Conn: c.id, Err: context.Cause(ctx)})
}

// hopeless reports whether trying again is of no use: our credentials were
// refused, or the broker's certificate was.
func hopeless(err error) bool {
	var refused *AuthenticationError
	var certificate *tls.CertificateVerificationError
	return errors.As(err, &refused) || errors.As(err, &certificate)
}

// open dials and does everything that comes before the first request.
func (c *Conn) open(ctx context.Context) (net.Conn, error) {
	setup := ctx
	if c.to.Setup > 0 {
		var cancel context.CancelFunc
		setup, cancel = context.WithTimeoutCause(ctx, c.to.Setup, fmt.Errorf(
			"no connection within %v (socket.connection.setup.timeout.ms)",
			c.to.Setup.Round(time.Millisecond)))
		defer cancel()
	}
	nc, err := c.settings.Dial(setup, "tcp", c.addr)
	if err != nil {
		if setup.Err() != nil {
			err = context.Cause(setup)
		}
		return nil, fmt.Errorf("connect to %s: %w", c.addr, err)
	}
	stop := context.AfterFunc(setup, func() { nc.Close() })
	secured, err := c.handshake(setup, nc)
	if !stop() && err == nil {
		err = context.Cause(setup)
	}
	if err != nil {
		if setup.Err() != nil {
			err = fmt.Errorf("%s: %w", c.addr, context.Cause(setup))
		}
		nc.Close()
		return nil, err
	}
	return secured, nil
}

func (c *Conn) handshake(ctx context.Context, nc net.Conn) (net.Conn, error) {
	if c.settings.Secure != nil {
		secured, err := c.settings.Secure(ctx, nc, c.addr)
		if err != nil {
			return nil, fmt.Errorf("TLS with %s: %w", c.addr, err)
		}
		nc = secured
	}
	if err := c.learnVersions(nc); err != nil {
		return nil, err
	}
	if c.settings.Mechanism != nil {
		if err := c.authenticate(ctx, nc); err != nil {
			return nil, err
		}
	}
	return nc, nil
}

// fail ends the connection because of err.
func (c *Conn) fail(err error) { c.cancel(fmt.Errorf("%s: %w", c.addr, err)) }
