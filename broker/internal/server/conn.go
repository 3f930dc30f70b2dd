package server

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"sync/atomic"
	"time"

	"github.com/posthaste-go/posthaste/internal/protocol"
)

const (
	minReadBuffer = 4 << 10   // of a new connection
	maxReadBuffer = 256 << 10 // of a busy one, if its requests are not larger
	flushAt       = 64 << 10  // bytes of output that are written without waiting for more
	keepOutput    = 8 << 20   // a larger output buffer is left to the garbage collector

	giantsRemembered = 64 // requests after a giant that find its buffer still there
	neverIdle        = -1 << 30
	lingerTime       = time.Second
	lingerBytes      = 1 << 20
)

// conn is one connection.
//
// Ownership: run's goroutine owns the read buffer and, while no request waits,
// out; the waiter's goroutine owns out while one does. idle hands it back.
type conn struct {
	s      *Server
	nc     net.Conn
	peer   Peer
	ctx    context.Context // ends when the connection does, or the server closes
	cancel context.CancelFunc

	buf  []byte // buf[r:w] is read but not handled
	r, w int

	filled bool    // the last read filled the buffer: a busy connection
	giants int     // how long a buffer beyond maxReadBuffer is still kept
	req    Request // the one that is handled inline

	out     *[]byte // nil while there is no output
	broken  error   // the first write error, or why the connection must end
	waiting bool    // a request is with the waiter
	work    chan job
	idle    chan struct{} // receives when the waiter is done

	idleTicks atomic.Int32 // of the sweeper since the last request
}

var errStop = errors.New("connection ends in order")

func newConn(s *Server, nc net.Conn, index int) *conn {
	c := &conn{s: s, nc: nc, buf: make([]byte, minReadBuffer)}
	c.peer = Peer{Listener: index, ID: s.nextID.Add(1),
		Addr: nc.RemoteAddr().String(), Local: nc.LocalAddr().String()}
	c.ctx, c.cancel = context.WithCancel(s.ctx)
	return c
}

// shut ends the connection from outside; run notices.
func (c *conn) shut() {
	c.cancel()
	c.nc.Close() // the error is of no use: the connection is gone either way
}

// stopReading makes run end after what it is doing.
func (c *conn) stopReading() {
	// A connection that cannot take a deadline is cut when the drain time is up.
	_ = c.nc.SetReadDeadline(time.Unix(1, 0))
}

// run serves the connection. Started by: Server.start. Ends: when the client
// leaves, breaks the protocol, or the server closes.
func (c *conn) run() {
	err := c.loop()
	c.cancel()
	if c.waiting {
		<-c.idle
	}
	if c.work != nil {
		close(c.work)
	}
	if c.broken != nil {
		err = c.broken
	}
	if flushed := c.flush(); flushed != nil {
		err = flushed
	}
	if errors.Is(err, errStop) {
		c.linger()
	}
	c.shut()
	c.s.forget(c)
	if !gone(err) && !errors.Is(err, errStop) {
		c.s.cfg.Logger.Warn("connection closed", "peer", c.peer.Addr, "reason", err.Error())
	}
}

// gone reports whether err only says that the other side, or Close, has ended
// the connection, which is no news.
func gone(err error) bool {
	var op *net.OpError
	return errors.Is(err, io.EOF) || errors.Is(err, net.ErrClosed) ||
		errors.Is(err, io.ErrClosedPipe) || errors.Is(err, context.Canceled) ||
		errors.As(err, &op) // reset, broken pipe, deadline of stopReading
}

func (c *conn) loop() error {
	for {
		frame, err := c.next()
		if err != nil {
			return err
		}
		c.idleTicks.Store(0)
		c.req = Request{Peer: &c.peer, Size: len(frame)}
		req := &c.req
		req.Header, req.Body, err = protocol.ParseRequestHeader(frame)
		if err != nil {
			return fmt.Errorf("%w; %s", err, describe(frame))
		}
		if err := c.settle(); err != nil {
			return err
		}
		if c.s.ctx.Err() != nil {
			return errStop
		}
		var around Around
		if c.s.cfg.Intercept != nil {
			around = c.s.cfg.Intercept(req)
		}
		if around != nil || c.s.cfg.Handler.MayWait(req) {
			err = c.handOver(req, around)
		} else {
			err = c.serve(req, nil)
		}
		if err != nil {
			return err
		}
	}
}

// settle waits until no request is with the waiter, and returns what broke.
func (c *conn) settle() error {
	if c.waiting {
		<-c.idle
		c.waiting = false
	}
	return c.broken
}

type job struct {
	req    *Request
	around Around
}

// handOver gives a copy of req to the waiter. Responses to earlier requests go
// out first: they must not wait with it.
func (c *conn) handOver(req *Request, around Around) error {
	if err := c.flush(); err != nil {
		return err
	}
	own := *req
	own.Body = bytes.Clone(req.Body) // long polls are few and small
	own.Header.ClientID = bytes.Clone(req.Header.ClientID)
	if c.work == nil {
		c.work = make(chan job, 1)
		c.idle = make(chan struct{}, 1)
		c.s.wg.Go(c.wait)
	}
	c.waiting = true
	c.idleTicks.Store(neverIdle)
	c.work <- job{&own, around}
	return nil
}

// wait answers requests that may wait. Started by: handOver. Ends: run.
func (c *conn) wait() {
	for j := range c.work {
		err := c.serve(j.req, j.around)
		if err == nil {
			err = c.flush()
		}
		if err != nil {
			c.broken = err
			c.cancel()
			c.stopReading()
		}
		c.idleTicks.Store(0)
		c.idle <- struct{}{}
	}
}

// serve handles one request and appends its response to the output.
func (c *conn) serve(req *Request, around Around) error {
	if c.out == nil {
		c.out = c.s.out.Get().(*[]byte)
	}
	out := *c.out
	start := len(out)
	h := &req.Header
	out = append(out, 0, 0, 0, 0)
	out = protocol.AppendResponseHeader(out, h.Key, h.Version, h.CorrelationID)
	var err error
	if around != nil {
		out, err = around(c.ctx, req, out, c.s.cfg.Handler.Handle)
	} else {
		out, err = c.s.cfg.Handler.Handle(c.ctx, req, out)
	}
	cut, isCut := errors.AsType[*Cut](err)
	if err != nil && !isCut {
		*c.out = (*c.out)[:start]
		if errors.Is(err, ErrNoResponse) {
			return nil
		}
		return fmt.Errorf("%v v%d from client %q: %w", h.Key, h.Version, h.ClientID, err)
	}
	binary.BigEndian.PutUint32(out[start:], uint32(len(out)-start-4))
	*c.out = out
	if isCut {
		*c.out = out[:min(len(out), start+max(cut.Bytes, 0))]
		return errStop
	}
	if len(out) >= flushAt {
		return c.flush()
	}
	return nil
}

// flush writes the output and gives its buffer back.
func (c *conn) flush() error {
	if c.out == nil {
		return nil
	}
	var err error
	if len(*c.out) > 0 {
		_, err = c.nc.Write(*c.out)
	}
	if cap(*c.out) <= keepOutput {
		*c.out = (*c.out)[:0]
		c.s.out.Put(c.out)
	}
	c.out = nil
	return err
}

// next returns the next frame, which is valid until next is called again.
// Before it waits for the client it sends what there is for it.
func (c *conn) next() ([]byte, error) {
	for {
		need := 4
		if c.w-c.r >= 4 {
			size := int(int32(binary.BigEndian.Uint32(c.buf[c.r:])))
			if size < 0 || size > c.s.cfg.MaxRequestSize {
				return nil, c.junk(size)
			}
			need += size
			if c.w-c.r >= need {
				frame := c.buf[c.r+4 : c.r+need : c.r+need]
				c.r += need
				return frame, nil
			}
		}
		if err := c.fill(need); err != nil {
			return nil, err
		}
	}
}

// junk says what came in place of a request's length.
func (c *conn) junk(size int) error {
	head := c.buf[c.r:c.w]
	if what := protocol.Sniff(head); what != "" {
		return fmt.Errorf("this listener speaks Kafka without TLS, the client sent %s", what)
	}
	return fmt.Errorf("a request of %d bytes is announced, socket.request.max.bytes is %d; %s",
		size, c.s.cfg.MaxRequestSize, describe(head))
}

// describe shows the first bytes of what was not understood.
func describe(b []byte) string {
	if what := protocol.Sniff(b); what != "" {
		return "it looks like " + what
	}
	return fmt.Sprintf("it begins with % x", b[:min(len(b), 16)])
}

// fill reads more into the buffer, in which need bytes from r on must fit.
func (c *conn) fill(need int) error {
	if !c.waiting {
		if err := c.flush(); err != nil {
			return err
		}
	}
	c.makeRoom(need)
	room := c.buf[c.w:]
	if need > maxReadBuffer && c.r+need < len(c.buf) {
		room = c.buf[c.w : c.r+need] // what follows a giant need not be moved later
	}
	n, err := c.nc.Read(room)
	c.w += n
	c.filled = n == len(room)
	if n > 0 {
		return nil
	}
	if err == nil {
		err = io.ErrNoProgress
	}
	return err
}

// makeRoom moves what is buffered to the front, or to a larger buffer. The
// buffer grows with what has arrived, not with what a length field claims.
func (c *conn) makeRoom(need int) {
	if c.r == c.w {
		c.r, c.w = 0, 0
		if len(c.buf) > maxReadBuffer && need <= maxReadBuffer && c.giants == 0 {
			c.buf = make([]byte, maxReadBuffer)
		}
		c.giants = max(c.giants-1, 0)
	}
	if need > maxReadBuffer {
		c.giants = giantsRemembered
	}
	if c.r > 0 && (c.w == len(c.buf) || c.r+need > len(c.buf)) {
		c.w = copy(c.buf, c.buf[c.r:c.w])
		c.r = 0
	}
	if c.w == len(c.buf) || c.filled && len(c.buf) < maxReadBuffer {
		size := min(2*len(c.buf), max(need, maxReadBuffer))
		grown := make([]byte, size)
		copy(grown, c.buf[:c.w])
		c.buf = grown
	}
}

// linger ends the sending side and waits a moment for the client to end its
// own: a close with unread requests would reset the connection, and the client
// could lose the last response.
func (c *conn) linger() {
	half, ok := c.nc.(interface{ CloseWrite() error })
	if !ok || half.CloseWrite() != nil {
		return
	}
	if c.s.ctx.Err() == nil {
		_ = c.nc.SetReadDeadline(time.Time{}) // undoes stopReading
	}
	cut := time.AfterFunc(lingerTime, c.shut)
	defer cut.Stop()
	_, _ = io.CopyN(io.Discard, c.nc, lingerBytes) // whatever ends it, the connection ends
}
