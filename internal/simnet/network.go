package simnet

import (
	"context"
	"math/rand/v2"
	"net"
	"slices"
	"strconv"
	"sync"
	"syscall"
	"time"
)

// Settings are of the whole network.
type Settings struct {
	Seed   uint64
	Delay  time.Duration // of every byte, one way
	Jitter time.Duration // at most this much more, drawn for each write
	// Bandwidth of a connection in each direction, bytes a second; 0: unlimited.
	Bandwidth int
	// Buffer is how many bytes may be under way in one direction of a connection
	// before Write waits; 0: 256 KiB.
	Buffer int
}

// Direction is one or both ways of a connection.
type Direction uint8

// The directions.
const (
	ToServer Direction = 1 << iota
	ToClient
	Both = ToServer | ToClient
)

func (d Direction) String() string {
	switch d {
	case ToServer:
		return "to-server"
	case ToClient:
		return "to-client"
	case Both:
		return "both"
	}
	return "Direction(" + strconv.Itoa(int(d)) + ")"
}

// Network is hosts that listen and connections between them. It is safe for
// concurrent use.
//
// Locks: mu comes before a stream's, which are leaves.
type Network struct {
	settings Settings

	mu     sync.Mutex
	hosts  map[string]*host
	dialed uint64
}

// host is what is at one address, or was, or will be.
type host struct {
	addr     string
	listener *Listener // nil while nobody listens
	links    []*link   // open connections, oldest first
	held     Direction
	refusing bool
	delay    time.Duration // on top of the network's
	changed  chan struct{} // closed and replaced when held changes
}

// New makes a network without hosts.
func New(s Settings) *Network {
	if s.Buffer <= 0 {
		s.Buffer = 256 << 10
	}
	return &Network{settings: s, hosts: map[string]*host{}}
}

func (n *Network) hostLocked(addr string) *host {
	h := n.hosts[addr]
	if h == nil {
		h = &host{addr: addr, changed: make(chan struct{})}
		n.hosts[addr] = h
	}
	return h
}

// Listen accepts connections at addr, HOST:PORT, until the listener is closed.
// Then somebody else may listen there, as after the restart of a process.
func (n *Network) Listen(addr string) (*Listener, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	h := n.hostLocked(addr)
	if h.listener != nil {
		return nil, opError("listen", addr, syscall.EADDRINUSE)
	}
	h.listener = &Listener{net: n, addr: addr,
		backlog: make(chan net.Conn, 128), closed: make(chan struct{})}
	return h.listener, nil
}

// Dial connects to addr. It fails at once if nobody listens there or the address
// refuses, and waits while a direction is held. It is a posthaste.DialFunc.
func (n *Network) Dial(ctx context.Context, _, addr string) (net.Conn, error) {
	n.mu.Lock()
	h := n.hostLocked(addr)
	n.dialed++
	number := n.dialed
	n.mu.Unlock()
	rng := rand.New(rand.NewPCG(n.settings.Seed, number<<2))
	if err := n.reach(ctx, h, rng); err != nil {
		return nil, opError("dial", addr, err)
	}
	n.mu.Lock()
	l := h.listener
	if l == nil || h.refusing {
		n.mu.Unlock()
		return nil, opError("dial", addr, syscall.ECONNREFUSED)
	}
	k := newLink(n, h, number)
	h.links = append(h.links, k)
	n.mu.Unlock()
	select {
	case l.backlog <- k.server:
		return k.client, nil
	case <-l.closed:
		k.reset()
		return nil, opError("dial", addr, syscall.ECONNREFUSED)
	case <-ctx.Done():
		k.reset()
		return nil, opError("dial", addr, context.Cause(ctx))
	}
}

// reach waits for a round trip to h.
func (n *Network) reach(ctx context.Context, h *host, rng *rand.Rand) error {
	for {
		n.mu.Lock()
		trip := 2 * (n.settings.Delay + h.delay)
		held, changed := h.held != 0, h.changed
		n.mu.Unlock()
		trip += n.jitter(rng)
		var arrived <-chan time.Time
		if !held {
			t := time.NewTimer(trip)
			defer t.Stop()
			arrived = t.C
		}
		select {
		case <-arrived:
			return nil
		case <-changed:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// Hold keeps every byte of a direction where it is, and dials too, until it is
// called with held false: nothing is lost, nothing arrives. Both is a partition
// of the network; ToClient alone, a broker that hears and is not heard.
func (n *Network) Hold(addr string, d Direction, held bool) {
	n.mu.Lock()
	h := n.hostLocked(addr)
	if held {
		h.held |= d
	} else {
		h.held &^= d
	}
	now := h.held
	close(h.changed)
	h.changed = make(chan struct{})
	links := slices.Clone(h.links)
	n.mu.Unlock()
	for _, k := range links {
		k.up.hold(now&ToServer != 0)
		k.down.hold(now&ToClient != 0)
	}
}

// Refuse makes dials to addr fail until it is called with refusing false.
func (n *Network) Refuse(addr string, refusing bool) {
	n.mu.Lock()
	n.hostLocked(addr).refusing = refusing
	n.mu.Unlock()
}

// Slow adds to the delay of addr's connections, for what is written from now on.
func (n *Network) Slow(addr string, extra time.Duration) {
	n.mu.Lock()
	n.hostLocked(addr).delay = extra
	n.mu.Unlock()
}

// Reset breaks all connections to addr; what was under way is lost.
func (n *Network) Reset(addr string) {
	for _, k := range n.links(addr) {
		k.reset()
	}
}

// Lose makes the open connections to addr swallow what is written in a direction
// from now on, for ever: half-open connections, as after a firewall has
// forgotten them. New ones work.
func (n *Network) Lose(addr string, d Direction) {
	for _, k := range n.links(addr) {
		k.each(d, (*stream).lose)
	}
}

// CutAfter lets bytes more bytes of a direction through on each open connection
// to addr; the one after that breaks its connection.
func (n *Network) CutAfter(addr string, d Direction, bytes int) {
	for _, k := range n.links(addr) {
		k.each(d, func(s *stream) { s.cutAfter(bytes) })
	}
}

// Open is the number of connections that are open at either end, in the whole
// network.
func (n *Network) Open() int {
	n.mu.Lock()
	defer n.mu.Unlock()
	open := 0
	for _, h := range n.hosts {
		open += len(h.links)
	}
	return open
}

func (n *Network) links(addr string) []*link {
	n.mu.Lock()
	defer n.mu.Unlock()
	return slices.Clone(n.hostLocked(addr).links)
}

func (n *Network) forget(k *link) {
	n.mu.Lock()
	defer n.mu.Unlock()
	k.host.links = slices.DeleteFunc(k.host.links, func(other *link) bool { return other == k })
}

// delay is how long size bytes take to h without jitter.
func (n *Network) delay(h *host, size int) time.Duration {
	n.mu.Lock()
	defer n.mu.Unlock()
	d := n.settings.Delay + h.delay
	if n.settings.Bandwidth > 0 {
		d += time.Duration(size) * time.Second / time.Duration(n.settings.Bandwidth)
	}
	return d
}

func (n *Network) jitter(rng *rand.Rand) time.Duration {
	return time.Duration(rng.Int64N(int64(n.settings.Jitter) + 1))
}

// Listener is a net.Listener in a Network.
type Listener struct {
	net     *Network
	addr    string
	backlog chan net.Conn
	closed  chan struct{}
}

// Accept waits for a connection. The error after Close matches net.ErrClosed.
func (l *Listener) Accept() (net.Conn, error) {
	select {
	case <-l.closed:
		return nil, opError("accept", l.addr, net.ErrClosed)
	default:
	}
	select {
	case c := <-l.backlog:
		return c, nil
	case <-l.closed:
		return nil, opError("accept", l.addr, net.ErrClosed)
	}
}

// Close ends Accept and resets connections that were not accepted. Those that
// were stay. Closing twice is an error, as it is with TCP.
func (l *Listener) Close() error {
	l.net.mu.Lock()
	h := l.net.hostLocked(l.addr)
	if h.listener != l {
		l.net.mu.Unlock()
		return opError("close", l.addr, net.ErrClosed)
	}
	h.listener = nil
	close(l.closed)
	l.net.mu.Unlock()
	for {
		select {
		case c := <-l.backlog:
			c.(*Conn).link.reset()
		default:
			return nil
		}
	}
}

// Addr is HOST:PORT as given to Listen.
func (l *Listener) Addr() net.Addr { return addr(l.addr) }

type addr string

func (addr) Network() string  { return "sim" }
func (a addr) String() string { return string(a) }

func opError(op, where string, err error) error {
	return &net.OpError{Op: op, Net: "sim", Addr: addr(where), Err: err}
}
