package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/posthaste-go/posthaste/internal/protocol"
)

// Handler answers requests. It is called from many connections at once, and
// for one connection in turn.
type Handler interface {
	// Handle appends the body of the response to out, which begins with what
	// must stay, and returns it. ErrNoResponse means that none is sent; any other
	// error closes the connection.
	//
	// ctx ends when the client has left or the server closes. req and its bytes
	// are the handler's until it returns; it may overwrite them.
	Handle(ctx context.Context, req *Request, out []byte) ([]byte, error)
	// MayWait reports whether Handle may wait for something other than the disk.
	MayWait(req *Request) bool
}

// ErrNoResponse is returned by a Handler whose request has no response: a
// Produce with acks=0.
var ErrNoResponse = errors.New("request has no response")

// Request is one request of a connection.
type Request struct {
	Header protocol.RequestHeader
	Body   []byte // what follows the header
	Size   int    // of the whole frame, without its length
	Peer   *Peer
	// Throttle is what the answer tells the client of its quota.
	Throttle time.Duration
}

// Peer is the client at the other end of a connection.
type Peer struct {
	Addr     string // remote address
	Local    string // the address it connected to
	Listener int    // index of the listener, in the order of Serve
	ID       uint64 // of the connection, unique in this server

	// What ApiVersions said (KIP-511); only Handle of this connection uses them.
	Software, SoftwareVersion string
}

// HandleFunc is the form of Handler.Handle.
type HandleFunc func(ctx context.Context, req *Request, out []byte) ([]byte, error)

// Around runs in place of the handler and may call next, which is the handler.
// It may wait. A *Cut as its error ends the connection after a part of the
// response.
type Around func(
	ctx context.Context, req *Request, out []byte, next HandleFunc,
) ([]byte, error)

// Cut is an error that writes the first Bytes of the response, its length field
// included, and then closes the connection.
type Cut struct{ Bytes int }

func (c *Cut) Error() string { return fmt.Sprintf("response cut after %d bytes", c.Bytes) }

// Config is what a Server needs.
type Config struct {
	Handler Handler
	// Intercept is asked about every request; nil, or a nil answer, means that
	// nothing happens to it. It is how faults are injected.
	Intercept func(req *Request) Around
	Logger    *slog.Logger

	MaxRequestSize int           // bytes of a request; socket.request.max.bytes
	MaxIdle        time.Duration // connections.max.idle.ms; 0 means for ever
	MaxConnections int           // max.connections; 0 means any number
}

// Server serves any number of listeners until Close.
//
// Locks: mu is a leaf and guards the lists of what must end.
type Server struct {
	cfg    Config
	ctx    context.Context // ends when Close begins
	cancel context.CancelFunc
	out    sync.Pool // *[]byte, output buffers
	nextID atomic.Uint64

	mu        sync.Mutex
	closed    bool
	listeners []net.Listener
	conns     map[*conn]struct{}
	wg        sync.WaitGroup // accept loops, connections, the sweeper
}

// New makes a server that does not listen yet.
func New(cfg Config) *Server {
	s := &Server{cfg: cfg, conns: make(map[*conn]struct{})}
	s.ctx, s.cancel = context.WithCancel(context.Background())
	s.out.New = func() any { b := make([]byte, 0, 4<<10); return &b }
	if cfg.MaxIdle > 0 {
		s.wg.Go(s.sweep)
	}
	return s
}

// Serve accepts connections from l until Close, which closes l. It returns at
// once.
func (s *Server) Serve(l net.Listener) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return errors.Join(net.ErrClosed, l.Close())
	}
	index := len(s.listeners)
	s.listeners = append(s.listeners, l)
	s.wg.Go(func() { s.accept(l, index) })
	return nil
}

// accept owns l. Started by: Serve. Ends: Close, or when l fails for good.
func (s *Server) accept(l net.Listener, index int) {
	for {
		nc, err := l.Accept()
		if err != nil {
			if s.ctx.Err() != nil || errors.Is(err, net.ErrClosed) {
				return
			}
			// Most likely no file descriptor is left: that passes when clients go.
			s.cfg.Logger.Error("accept failed", "listener", l.Addr().String(), "error", err)
			if !s.pause(100 * time.Millisecond) {
				return
			}
			continue
		}
		s.start(nc, index)
	}
}

// pause waits, and reports false if the server closes first.
func (s *Server) pause(d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-s.ctx.Done():
		return false
	}
}

func (s *Server) start(nc net.Conn, index int) {
	c := newConn(s, nc, index)
	s.mu.Lock()
	refused := s.closed || s.cfg.MaxConnections > 0 && len(s.conns) >= s.cfg.MaxConnections
	if !refused {
		s.conns[c] = struct{}{}
		s.wg.Go(c.run)
	}
	s.mu.Unlock()
	if refused {
		s.cfg.Logger.Warn("connection refused: max.connections are open", "peer", c.peer.Addr)
		c.shut()
	}
}

func (s *Server) forget(c *conn) {
	s.mu.Lock()
	delete(s.conns, c)
	s.mu.Unlock()
}

func (s *Server) snapshot() []*conn {
	s.mu.Lock()
	defer s.mu.Unlock()
	list := make([]*conn, 0, len(s.conns))
	for c := range s.conns {
		list = append(list, c)
	}
	return list
}

// Connections is the number of open connections.
func (s *Server) Connections() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.conns)
}

// DropConnections closes every connection at once, as a broker that dies does.
// The listeners stay.
func (s *Server) DropConnections() {
	for _, c := range s.snapshot() {
		c.shut()
	}
}

// Close stops accepting, lets requests under way be answered, and closes every
// connection; those that take longer than drain are cut. It returns when no
// goroutine of the server is left.
func (s *Server) Close(drain time.Duration) error {
	s.mu.Lock()
	already := s.closed
	s.closed = true
	listeners := s.listeners
	s.mu.Unlock()
	if already {
		return nil
	}
	s.cancel()
	var errs []error
	for _, l := range listeners {
		if err := l.Close(); err != nil && !errors.Is(err, net.ErrClosed) {
			errs = append(errs, fmt.Errorf("close listener %v: %w", l.Addr(), err))
		}
	}
	for _, c := range s.snapshot() {
		c.stopReading()
	}
	cut := time.AfterFunc(drain, s.DropConnections)
	s.wg.Wait()
	cut.Stop()
	return errors.Join(errs...)
}

// sweep closes idle connections. A connection is marked idle at one tick and
// closed at a later one, so it lives between once and one and a half times
// MaxIdle. Started by: New. Ends: Close.
func (s *Server) sweep() {
	for s.pause(s.cfg.MaxIdle / 2) {
		for _, c := range s.snapshot() {
			if c.idleTicks.Add(1) > 2 {
				s.cfg.Logger.Debug("connection closed: idle", "peer", c.peer.Addr,
					"limit", s.cfg.MaxIdle)
				c.shut()
			}
		}
	}
}
