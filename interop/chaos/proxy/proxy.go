// Package proxy is a TCP proxy that breaks connections: closed at a given byte,
// or silent for a while as a network is that lost its way.
//
//	client ──▶ Proxy ──▶ node
//
// One Proxy stands before one listener. Silence holds bytes back without closing
// anything, so both ends see what they see when packets are dropped: nothing.
// With Refuse it is as if nobody listened.
package proxy

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"sync"
	"time"
)

// A Direction is that of bytes through a Proxy.
type Direction int

// The two directions.
const (
	ToNode Direction = iota
	ToClient
)

func (d Direction) String() string { return [...]string{"to the node", "to the client"}[d] }

// Anybody stands for every client in Silence and Heal.
const Anybody = ""

// A Proxy passes bytes between whoever connects to Addr and Target.
//
// Locks: mu is a leaf; no I/O happens under it but closing.
type Proxy struct {
	Addr   string
	Target string

	// name tells who a client is from its client.id, the first time it says so;
	// nil: nobody has a name.
	name func(clientID string) string

	mu       sync.Mutex
	listener net.Listener // nil while refusing
	links    map[*link]struct{}
	silent   map[string]chan struct{} // by name; closed when it heals
	cuts     [2]*cut                  // by direction; nil: none
	count    int                      // connections cut so far
	closed   bool
}

// A cut waits for its byte.
type cut struct {
	after int // bytes that still pass
	reset bool
}

// A link is a client's connection and ours to the target.
type link struct {
	client, node *net.TCPConn // node is nil until it is dialled
	name         string
	ended        chan struct{} // closed with the link
	once         sync.Once
}

// Listen starts a proxy for target on addr, which should be one that nobody else
// takes while it refuses. name tells who a client is from the client.id of its
// first request, for Silence; with nil it is not looked at.
func Listen(addr, target string, name func(clientID string) string) (*Proxy, error) {
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return nil, err
	}
	p := &Proxy{Addr: l.Addr().String(), Target: target, name: name, listener: l,
		links: map[*link]struct{}{}, silent: map[string]chan struct{}{}}
	go p.accept(l)
	return p, nil
}

func (p *Proxy) accept(l net.Listener) {
	for {
		c, err := l.Accept()
		if err != nil {
			return // closed
		}
		k := &link{client: c.(*net.TCPConn), ended: make(chan struct{})}
		p.mu.Lock()
		if p.closed || p.listener != l {
			p.mu.Unlock()
			c.Close()
			continue
		}
		p.links[k] = struct{}{}
		p.mu.Unlock()
		go p.serve(k)
	}
}

func (p *Proxy) serve(k *link) {
	defer p.drop(k, false)
	first, err := p.introduce(k)
	if err != nil || !p.pass(k) {
		return
	}
	c, err := net.DialTimeout("tcp", p.Target, 10*time.Second)
	if err != nil {
		p.drop(k, true) // nobody listens there
		return
	}
	p.mu.Lock()
	k.node = c.(*net.TCPConn)
	_, alive := p.links[k]
	p.mu.Unlock()
	if !alive {
		c.Close()
		return
	}
	go func() {
		defer p.drop(k, false)
		p.pump(k, k.client, k.node, ToClient)
	}()
	if len(first) > 0 && !p.forward(k, k.node, first, ToNode) {
		return
	}
	p.pump(k, k.node, k.client, ToNode)
}

// introduce reads a client's first bytes up to its client.id, if names matter.
func (p *Proxy) introduce(k *link) ([]byte, error) {
	if p.name == nil {
		return nil, nil
	}
	head := make([]byte, 14) // length, key, version, correlation id, length of client.id
	if _, err := io.ReadFull(k.client, head); err != nil {
		return nil, err
	}
	id := make([]byte, max(0, int(int16(binary.BigEndian.Uint16(head[12:])))))
	if _, err := io.ReadFull(k.client, id); err != nil {
		return nil, err
	}
	p.mu.Lock()
	k.name = p.name(string(id))
	p.mu.Unlock()
	return bytes.Join([][]byte{head, id}, nil), nil
}

func (p *Proxy) pump(k *link, to, from *net.TCPConn, d Direction) {
	buffer := make([]byte, 32<<10)
	for {
		n, err := from.Read(buffer)
		if n > 0 && !p.forward(k, to, buffer[:n], d) {
			return
		}
		if err != nil {
			// An end is passed on like the bytes before it; while silent, nothing is.
			p.pass(k)
			return
		}
	}
}

// forward passes bytes on, if need be once silence has ended, and reports
// whether the link lives.
func (p *Proxy) forward(k *link, to *net.TCPConn, b []byte, d Direction) bool {
	if !p.pass(k) {
		return false
	}
	p.mu.Lock()
	c := p.cuts[d]
	now := c != nil && c.after < len(b)
	switch {
	case now:
		p.cuts[d] = nil
		p.count++
		b = b[:c.after]
	case c != nil:
		c.after -= len(b)
	}
	p.mu.Unlock()
	_, err := to.Write(b)
	if now {
		p.drop(k, c.reset)
		return false
	}
	return err == nil
}

// pass waits while the link is silent and reports whether it lives.
func (p *Proxy) pass(k *link) bool {
	for {
		p.mu.Lock()
		_, alive := p.links[k]
		healed := p.silent[Anybody]
		if healed == nil && k.name != Anybody {
			healed = p.silent[k.name]
		}
		p.mu.Unlock()
		if !alive || healed == nil {
			return alive
		}
		select {
		case <-healed:
		case <-k.ended:
			return false
		}
	}
}

// drop ends a link: with reset by RST, otherwise by FIN.
func (p *Proxy) drop(k *link, reset bool) {
	k.once.Do(func() { close(k.ended) })
	p.mu.Lock()
	node := k.node
	delete(p.links, k)
	p.mu.Unlock()
	for _, c := range []*net.TCPConn{k.client, node} {
		if c == nil {
			continue
		}
		if reset {
			_ = c.SetLinger(0) // fails on a closed connection only
		}
		c.Close()
	}
}

// Cut closes the next connection that has carried after more bytes in direction
// d, counted over all connections: in the midst of a request or an answer.
func (p *Proxy) Cut(d Direction, after int, reset bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.cuts[d] = &cut{after: after, reset: reset}
}

// Uncut calls off a Cut that has not come to pass.
func (p *Proxy) Uncut(d Direction) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.cuts[d] = nil
}

// CutCount is how many connections Cut has closed so far.
func (p *Proxy) CutCount() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.count
}

// Silence holds back everything to and from the named clients.
func (p *Proxy) Silence(name string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.silent[name] == nil {
		p.silent[name] = make(chan struct{})
	}
}

// Heal ends a silence: what was held back goes on, or, with drop, its
// connections are reset.
func (p *Proxy) Heal(name string, drop bool) {
	p.mu.Lock()
	healed := p.silent[name]
	delete(p.silent, name)
	var doomed []*link
	for k := range p.links {
		if healed != nil && drop && (name == Anybody || k.name == name) {
			doomed = append(doomed, k)
		}
	}
	p.mu.Unlock()
	for _, k := range doomed {
		p.drop(k, true)
	}
	if healed != nil {
		close(healed)
	}
}

// Refuse resets all connections and refuses new ones, as when the target's
// process has died, until Accept.
func (p *Proxy) Refuse() error {
	p.mu.Lock()
	l := p.listener
	p.listener = nil
	links := p.links
	p.links = map[*link]struct{}{}
	p.mu.Unlock()
	for k := range links {
		p.drop(k, true)
	}
	if l == nil {
		return nil
	}
	return l.Close()
}

// Accept ends Refuse.
func (p *Proxy) Accept() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed || p.listener != nil {
		return nil
	}
	l, err := net.Listen("tcp", p.Addr)
	if err != nil {
		return fmt.Errorf("proxy of %s: %w", p.Target, err)
	}
	p.listener = l
	go p.accept(l)
	return nil
}

// Close ends all connections and the proxy.
func (p *Proxy) Close() error {
	p.mu.Lock()
	p.closed = true
	p.mu.Unlock()
	return p.Refuse()
}
