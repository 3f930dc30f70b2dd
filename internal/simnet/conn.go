package simnet

import (
	"io"
	"math/rand/v2"
	"net"
	"os"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/posthaste-go/posthaste/internal/clock"
)

// link is one connection: two ends, two streams.
type link struct {
	host           *host
	net            *Network
	up, down       *stream // to the server, to the client
	client, server *Conn
	ends           atomic.Int32 // that are closed
}

// newLink needs n.mu.
func newLink(n *Network, h *host, number uint64) *link {
	k := &link{host: h, net: n}
	k.up = newStream(k, number<<2|1, h.held&ToServer != 0)
	k.down = newStream(k, number<<2|2, h.held&ToClient != 0)
	client := addr("client:" + strconv.FormatUint(number, 10))
	k.client = &Conn{link: k, in: k.down, out: k.up, local: client, remote: addr(h.addr)}
	k.server = &Conn{link: k, in: k.up, out: k.down, local: addr(h.addr), remote: client}
	return k
}

func (k *link) each(d Direction, do func(*stream)) {
	if d&ToServer != 0 {
		do(k.up)
	}
	if d&ToClient != 0 {
		do(k.down)
	}
}

// reset breaks the connection; what was under way is lost.
func (k *link) reset() {
	k.up.fail(syscall.ECONNRESET)
	k.down.fail(syscall.ECONNRESET)
}

// Conn is one end of a connection. It is a net.Conn with CloseWrite.
type Conn struct {
	link          *link
	in, out       *stream
	local, remote addr
	closed        atomic.Bool
}

// Read reads what has arrived, or waits for it. After a reset it fails with
// ECONNRESET, after the other end's Close with io.EOF.
func (c *Conn) Read(b []byte) (int, error) { return c.in.read(b) }

// Write hands b over to the network, and waits while the buffer is full. Success
// says nothing of arrival.
func (c *Conn) Write(b []byte) (int, error) { return c.out.write(b) }

// Close ends both directions. What was written before still arrives; what
// arrives here is thrown away.
func (c *Conn) Close() error {
	if c.closed.Swap(true) {
		return opError("close", string(c.remote), net.ErrClosed)
	}
	c.out.finish(net.ErrClosed)
	c.in.abandon()
	if c.link.ends.Add(1) == 2 {
		c.link.net.forget(c.link)
	}
	return nil
}

// CloseWrite ends the sending direction: the other end reads io.EOF.
func (c *Conn) CloseWrite() error {
	c.out.finish(syscall.EPIPE)
	return nil
}

// LocalAddr is "client:N" at the end that dialled.
func (c *Conn) LocalAddr() net.Addr { return c.local }

// RemoteAddr is the other end's LocalAddr.
func (c *Conn) RemoteAddr() net.Addr { return c.remote }

// SetDeadline sets both deadlines.
func (c *Conn) SetDeadline(t time.Time) error {
	c.in.setReadDeadline(t)
	c.out.setWriteDeadline(t)
	return nil
}

// SetReadDeadline ends waiting Reads at t.
func (c *Conn) SetReadDeadline(t time.Time) error {
	c.in.setReadDeadline(t)
	return nil
}

// SetWriteDeadline ends waiting Writes at t.
func (c *Conn) SetWriteDeadline(t time.Time) error {
	c.out.setWriteDeadline(t)
	return nil
}

// stream is one direction of a connection.
//
// Locks: mu is a leaf.
type stream struct {
	link *link
	rng  *rand.Rand // of the writer

	mu       sync.Mutex
	changed  chan struct{} // closed and replaced when anything below changes
	segments []segment     // under way, in order of arrival
	size     int           // bytes in them
	last     time.Time     // arrival of the last one
	readErr  error         // once segments are read
	writeErr error
	broken   bool // reads fail at once, segments are lost
	deaf     bool // the reader has closed: what is written is thrown away
	lost     bool // what is written is swallowed
	held     bool
	cut      int // bytes until the connection breaks; -1: none
	readBy   time.Time
	writeBy  time.Time
}

// segment is one write, or the end of the stream (fin, with its error).
type segment struct {
	at   time.Time
	data []byte
	fin  error
}

func newStream(k *link, number uint64, held bool) *stream {
	return &stream{link: k, rng: rand.New(rand.NewPCG(k.net.settings.Seed, number)),
		changed: make(chan struct{}), held: held, cut: -1}
}

func (s *stream) changeLocked() {
	close(s.changed)
	s.changed = make(chan struct{})
}

func (s *stream) change(do func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	do()
	s.changeLocked()
}

func (s *stream) hold(held bool)               { s.change(func() { s.held = held }) }
func (s *stream) lose()                        { s.change(func() { s.lost = true }) }
func (s *stream) cutAfter(bytes int)           { s.change(func() { s.cut = bytes }) }
func (s *stream) setReadDeadline(t time.Time)  { s.change(func() { s.readBy = t }) }
func (s *stream) setWriteDeadline(t time.Time) { s.change(func() { s.writeBy = t }) }

// fail breaks the stream for both ends.
func (s *stream) fail(err error) {
	s.change(func() {
		s.broken, s.segments, s.size = true, nil, 0
		if s.readErr == nil {
			s.readErr = err
		}
		if s.writeErr == nil {
			s.writeErr = err
		}
	})
}

// finish ends the stream in order; later writes fail with err.
func (s *stream) finish(err error) {
	delay := s.link.net.delay(s.link.host, 0)
	s.change(func() {
		if s.writeErr == nil && !s.lost {
			s.pushLocked(delay, segment{fin: io.EOF})
		}
		s.writeErr = err
	})
}

// abandon is the reader's Close.
func (s *stream) abandon() {
	s.change(func() {
		s.deaf, s.broken, s.segments, s.size = true, true, nil, 0
		s.readErr = net.ErrClosed
	})
}

func (s *stream) pushLocked(delay time.Duration, g segment) {
	g.at = clock.Now().Add(delay + s.link.net.jitter(s.rng))
	if g.at.Before(s.last) { // jitter does not reorder a stream
		g.at = s.last
	}
	s.last = g.at
	s.segments = append(s.segments, g)
	s.size += len(g.data)
}

func (s *stream) write(b []byte) (written int, err error) {
	for {
		delay := s.link.net.delay(s.link.host, len(b))
		s.mu.Lock()
		n, done, err := s.acceptLocked(b[written:], delay)
		written += n
		if n > 0 || err != nil {
			s.changeLocked()
		}
		changed, by := s.changed, s.writeBy
		s.mu.Unlock()
		switch {
		case err == errCut:
			s.link.cut(s)
			return written, opError("write", s.link.host.addr, syscall.ECONNRESET)
		case err != nil:
			return written, opError("write", s.link.host.addr, err)
		case done:
			return written, nil
		}
		if n == 0 && !await(changed, by, time.Time{}) {
			return written, opError("write", s.link.host.addr, os.ErrDeadlineExceeded)
		}
	}
}

var errCut = &net.OpError{Op: "cut"} // of acceptLocked to write

// acceptLocked takes as much of b as there is room for.
func (s *stream) acceptLocked(b []byte, delay time.Duration) (n int, done bool, err error) {
	if s.writeErr != nil {
		return 0, false, s.writeErr
	}
	n = min(len(b), s.link.net.settings.Buffer-s.size)
	if s.cut >= 0 {
		n = min(n, s.cut)
	}
	if n > 0 && !s.lost && !s.deaf {
		s.pushLocked(delay, segment{data: append([]byte(nil), b[:n]...)})
	}
	if s.cut >= 0 {
		if s.cut -= n; s.cut == 0 && n < len(b) {
			return n, false, errCut
		}
	}
	return n, n == len(b), nil
}

// cut breaks the connection at the byte that one of its streams has come to:
// what was written before arrives, what came the other way is lost.
func (k *link) cut(s *stream) {
	delay := k.net.delay(k.host, 0)
	s.change(func() {
		if !s.lost && !s.deaf {
			s.pushLocked(delay, segment{fin: syscall.ECONNRESET})
		}
		s.writeErr = syscall.ECONNRESET
	})
	other := k.up
	if s == k.up {
		other = k.down
	}
	other.fail(syscall.ECONNRESET)
}

func (s *stream) read(b []byte) (int, error) {
	for {
		s.mu.Lock()
		n, next, err := s.takeLocked(b)
		if n > 0 {
			s.changeLocked()
		}
		changed, by := s.changed, s.readBy
		s.mu.Unlock()
		switch {
		case err == io.EOF:
			return n, io.EOF
		case err != nil:
			return n, opError("read", s.link.host.addr, err)
		case n > 0 || len(b) == 0:
			return n, nil
		}
		if !await(changed, by, next) {
			return 0, opError("read", s.link.host.addr, os.ErrDeadlineExceeded)
		}
	}
}

// takeLocked fills b with what has arrived. If nothing has, next is when
// something will, zero if nothing is under way.
func (s *stream) takeLocked(b []byte) (n int, next time.Time, err error) {
	if s.broken { // whatever is held, or comes in still
		return 0, time.Time{}, s.readErr
	}
	now := clock.Now()
	if !s.readBy.IsZero() && !now.Before(s.readBy) {
		return 0, time.Time{}, os.ErrDeadlineExceeded
	}
	for n < len(b) && len(s.segments) > 0 && !s.held && !s.segments[0].at.After(now) {
		g := &s.segments[0]
		if g.fin != nil {
			if s.readErr == nil {
				s.readErr = g.fin
			}
			s.segments, s.size = nil, 0
			break
		}
		k := copy(b[n:], g.data)
		n += k
		s.size -= k
		if g.data = g.data[k:]; len(g.data) == 0 {
			s.segments[0] = segment{}
			s.segments = s.segments[1:]
		}
	}
	if n > 0 {
		return n, next, nil
	}
	if s.readErr != nil && len(s.segments) == 0 {
		return 0, next, s.readErr
	}
	if len(s.segments) > 0 && !s.held {
		next = s.segments[0].at
	}
	return 0, next, nil
}

// await waits for changed or next. It reports false if by came first.
func await(changed <-chan struct{}, by, next time.Time) bool {
	limited := !by.IsZero() && (next.IsZero() || by.Before(next))
	if limited {
		next = by
	}
	if next.IsZero() {
		<-changed
		return true
	}
	t := time.NewTimer(next.Sub(clock.Now()))
	defer t.Stop()
	select {
	case <-changed:
		return true
	case <-t.C:
		return !limited
	}
}
