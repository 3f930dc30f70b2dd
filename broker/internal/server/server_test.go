package server

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/posthaste-go/posthaste/internal/protocol"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// echo answers with the request's body. A Fetch waits for release, or for its
// context; a Metadata has no response; a Heartbeat is an error.
type echo struct {
	release chan struct{}
	mu      sync.Mutex
	handled []string
}

func (e *echo) MayWait(req *Request) bool { return req.Header.Key == protocol.Fetch }

func (e *echo) Handle(ctx context.Context, req *Request, out []byte) ([]byte, error) {
	e.mu.Lock()
	e.handled = append(e.handled, string(req.Body))
	e.mu.Unlock()
	switch req.Header.Key {
	case protocol.Fetch:
		select {
		case <-e.release:
		case <-ctx.Done():
			return append(out, "gone"...), nil
		}
	case protocol.Metadata:
		return out, ErrNoResponse
	case protocol.Heartbeat:
		return out, errors.New("no heart")
	}
	return append(out, req.Body...), nil
}

// pipeListener is a listener whose connections are pipes in memory.
type pipeListener struct {
	conns  chan net.Conn
	closed chan struct{}
	once   sync.Once
}

func newPipeListener() *pipeListener {
	return &pipeListener{conns: make(chan net.Conn), closed: make(chan struct{})}
}

func (l *pipeListener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

func (l *pipeListener) Close() error   { l.once.Do(func() { close(l.closed) }); return nil }
func (l *pipeListener) Addr() net.Addr { return pipeAddr{} }

func (l *pipeListener) dial() net.Conn {
	client, server := net.Pipe()
	l.conns <- server
	return client
}

type pipeAddr struct{}

func (pipeAddr) Network() string { return "pipe" }
func (pipeAddr) String() string  { return "pipe" }

// logged collects log lines.
type logged struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logged) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logged) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

type setup struct {
	*Server
	l    *pipeListener
	h    *echo
	logs *logged
}

// bubble runs a test with a server on pipes, in virtual time.
func bubble(t *testing.T, change func(*Config), test func(t *testing.T, s setup)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		s := setup{l: newPipeListener(), h: &echo{release: make(chan struct{})}, logs: &logged{}}
		cfg := Config{Handler: s.h, Logger: slog.New(slog.NewTextHandler(s.logs, nil)),
			MaxRequestSize: 1 << 20}
		if change != nil {
			change(&cfg)
		}
		s.Server = New(cfg)
		if err := s.Serve(s.l); err != nil {
			t.Fatal(err)
		}
		test(t, s)
		if err := s.Close(time.Second); err != nil {
			t.Error(err)
		}
	})
}

// request is a frame. Version 0 of all APIs has the plain header.
func request(k protocol.Key, id int32, body string) []byte {
	h := protocol.RequestHeader{Key: k, CorrelationID: id, ClientID: []byte("test")}
	frame := append(h.Append(make([]byte, 4)), body...)
	binary.BigEndian.PutUint32(frame, uint32(len(frame)-4))
	return frame
}

func mustWrite(t *testing.T, c net.Conn, b []byte) {
	t.Helper()
	if _, err := c.Write(b); err != nil {
		t.Fatal(err)
	}
}

// mustRead reads a response and returns "id body".
func mustRead(t *testing.T, c net.Conn) string {
	t.Helper()
	s, err := readResponse(c)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func readResponse(c net.Conn) (string, error) {
	var size [4]byte
	if _, err := io.ReadFull(c, size[:]); err != nil {
		return "", err
	}
	frame := make([]byte, binary.BigEndian.Uint32(size[:]))
	if _, err := io.ReadFull(c, frame); err != nil {
		return "", err
	}
	return fmt.Sprintf("%d %s", binary.BigEndian.Uint32(frame), frame[4:]), nil
}

func TestRequestsOfOneWriteAreAnsweredInOrder(t *testing.T) {
	bubble(t, nil, func(t *testing.T, s setup) {
		c := s.l.dial()
		var all []byte
		for i := range 50 {
			all = append(all, request(protocol.Produce, int32(i), strings.Repeat("x", i*100))...)
		}
		go c.Write(all)
		for i := range 50 {
			want := fmt.Sprintf("%d %s", i, strings.Repeat("x", i*100))
			if got := mustRead(t, c); got != want {
				t.Fatalf("response %d = %.20q", i, got)
			}
		}
		c.Close()
	})
}

// A long poll must not hold up what was asked before it, and what is asked
// after it waits for its answer.
func TestALongPollKeepsTheOrder(t *testing.T) {
	bubble(t, nil, func(t *testing.T, s setup) {
		c := s.l.dial()
		all := request(protocol.Produce, 1, "before")
		all = append(all, request(protocol.Fetch, 2, "poll")...)
		all = append(all, request(protocol.Produce, 3, "after")...)
		go c.Write(all)
		if got := mustRead(t, c); got != "1 before" {
			t.Fatalf("first response = %q", got)
		}
		synctest.Wait()
		if n := len(s.h.handled); n != 2 {
			t.Fatalf("%d requests were handled while the poll waits, want 2", n)
		}
		close(s.h.release)
		if a, b := mustRead(t, c), mustRead(t, c); a != "2 poll" || b != "3 after" {
			t.Errorf("then came %q and %q", a, b)
		}
		c.Close()
	})
}

func TestALongPollEndsWhenTheClientLeaves(t *testing.T) {
	bubble(t, nil, func(t *testing.T, s setup) {
		c := s.l.dial()
		mustWrite(t, c, request(protocol.Fetch, 1, "poll"))
		synctest.Wait()
		c.Close()
		synctest.Wait()
		if n := s.Connections(); n != 0 {
			t.Errorf("%d connections are left", n)
		}
	})
}

func TestCloseAnswersWhatIsUnderWay(t *testing.T) {
	bubble(t, nil, func(t *testing.T, s setup) {
		c := s.l.dial()
		mustWrite(t, c, request(protocol.Fetch, 7, "poll"))
		synctest.Wait()
		go s.Close(time.Minute)
		if got := mustRead(t, c); got != "7 gone" {
			t.Errorf("response = %q, want that of a poll that was cut short", got)
		}
		if _, err := readResponse(c); !errors.Is(err, io.EOF) {
			t.Errorf("then came %v, want the end", err)
		}
		c.Close()
	})
}

// A client that does not read its answers must not hold up Close for ever.
func TestCloseCutsWhoDoesNotRead(t *testing.T) {
	bubble(t, nil, func(t *testing.T, s setup) {
		c := s.l.dial()
		mustWrite(t, c, request(protocol.Produce, 1, "never read"))
		synctest.Wait()
		start := time.Now()
		if err := s.Close(3 * time.Second); err != nil {
			t.Error(err)
		}
		if d := time.Since(start); d != 3*time.Second {
			t.Errorf("Close took %v, want the drain time of 3s", d)
		}
		c.Close()
	})
}

func TestNoResponseLeavesTheConnectionOpen(t *testing.T) {
	bubble(t, nil, func(t *testing.T, s setup) {
		c := s.l.dial()
		go c.Write(append(request(protocol.Metadata, 1, "silent"), request(protocol.Produce, 2, "b")...))
		if got := mustRead(t, c); got != "2 b" {
			t.Errorf("response = %q", got)
		}
		c.Close()
	})
}

func TestTheLogSaysWhyAConnectionWasClosed(t *testing.T) {
	tests := []struct {
		name, sent, want string
	}{
		{"a TLS client", "\x16\x03\x01\x02\x00\x01\x00\x01", "a TLS ClientHello"},
		{"a browser", "GET / HTTP/1.1\r\n\r\n", "an HTTP request"},
		{"a request beyond the limit", "\x7f\x00\x00\x00\x00\x12", "socket.request.max.bytes is 1048576"},
		{"a header cut short", "\x00\x00\x00\x03\x00\x12\x00", "malformed message"},
		{"a request that the handler refuses", string(request(protocol.Heartbeat, 1, "")), "no heart"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			bubble(t, nil, func(t *testing.T, s setup) {
				c := s.l.dial()
				mustWrite(t, c, []byte(tt.sent))
				if _, err := readResponse(c); err == nil {
					t.Error("the connection was not closed")
				}
				synctest.Wait()
				if got := s.logs.String(); !strings.Contains(got, tt.want) {
					t.Errorf("log %q does not contain %q", got, tt.want)
				}
			})
		})
	}
}

func TestAClientThatLeavesIsNoNews(t *testing.T) {
	bubble(t, nil, func(t *testing.T, s setup) {
		c := s.l.dial()
		mustWrite(t, c, request(protocol.Produce, 1, "x")[:9])
		c.Close()
		synctest.Wait()
		if got := s.logs.String(); got != "" {
			t.Errorf("the log says %q", got)
		}
	})
}

func TestIdleConnectionsAreClosed(t *testing.T) {
	idle := func(c *Config) { c.MaxIdle = 10 * time.Minute }
	bubble(t, idle, func(t *testing.T, s setup) {
		quiet, busy, polling := s.l.dial(), s.l.dial(), s.l.dial()
		mustWrite(t, polling, request(protocol.Fetch, 1, "poll"))
		for range 5 {
			time.Sleep(4 * time.Minute)
			mustWrite(t, busy, request(protocol.Produce, 1, "b"))
			mustRead(t, busy)
		}
		synctest.Wait()
		if n := s.Connections(); n != 2 {
			t.Errorf("%d connections are open, want the busy and the polling one", n)
		}
		for _, c := range []net.Conn{quiet, busy, polling} {
			c.Close()
		}
	})
}

func TestMaxConnections(t *testing.T) {
	one := func(c *Config) { c.MaxConnections = 1 }
	bubble(t, one, func(t *testing.T, s setup) {
		first, second := s.l.dial(), s.l.dial()
		if _, err := readResponse(second); err == nil {
			t.Error("a second connection is served")
		}
		mustWrite(t, first, request(protocol.Produce, 1, "a"))
		if got := mustRead(t, first); got != "1 a" {
			t.Errorf("response = %q", got)
		}
		first.Close()
	})
}

func TestAroundCanCutAndDelay(t *testing.T) {
	tests := []struct {
		name   string
		around Around
		want   string // what comes before the connection closes
	}{
		{"nothing of the response", func(ctx context.Context, req *Request, out []byte,
			next HandleFunc) ([]byte, error) {
			return out, &Cut{}
		}, ""},
		{"six bytes of it", func(ctx context.Context, req *Request, out []byte,
			next HandleFunc) ([]byte, error) {
			out, err := next(ctx, req, out)
			return out, errors.Join(err, &Cut{Bytes: 6})
		}, "\x00\x00\x00\x08\x00\x00"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			intercept := func(c *Config) {
				c.Intercept = func(req *Request) Around {
					if req.Header.CorrelationID == 2 {
						return tt.around
					}
					return nil
				}
			}
			bubble(t, intercept, func(t *testing.T, s setup) {
				c := s.l.dial()
				go c.Write(append(request(protocol.Produce, 1, "good"),
					request(protocol.Produce, 2, "bad!")...))
				if got := mustRead(t, c); got != "1 good" {
					t.Errorf("first response = %q", got)
				}
				rest, err := io.ReadAll(c)
				if err != nil || string(rest) != tt.want {
					t.Errorf("then came %q, %v, want %q", rest, err, tt.want)
				}
			})
		})
	}
}

// However the network cuts the stream, and however requests of different sizes
// follow each other, each is handled whole.
func TestAnyChunkingOfAnySizes(t *testing.T) {
	for seed := range uint64(8) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			rng := rand.New(rand.NewPCG(seed, 1))
			bubble(t, nil, func(t *testing.T, s setup) {
				c := s.l.dial()
				var all []byte
				var want []string
				for i := range int32(40) {
					size := 1 << rng.IntN(11)
					if rng.IntN(8) == 0 {
						size = 1 << (11 + rng.IntN(9)) // up to a mebibyte less the header
					}
					body := strings.Repeat(string(rune('a'+i%26)), size)
					all = append(all, request(protocol.Produce, i, body)...)
					want = append(want, fmt.Sprintf("%d %s", i, body))
				}
				go func() {
					for len(all) > 0 {
						n := min(len(all), 1+rng.IntN(1<<rng.IntN(19)))
						if _, err := c.Write(all[:n]); err != nil {
							return
						}
						all = all[n:]
					}
				}()
				for i := range want {
					if got := mustRead(t, c); got != want[i] {
						t.Fatalf("response %d: %d bytes %.10q, want %d bytes %.10q",
							i, len(got), got, len(want[i]), want[i])
					}
				}
				c.Close()
			})
		})
	}
}
