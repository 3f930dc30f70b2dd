package conn

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/posthaste-go/posthaste/internal/producer/sender"
	"github.com/posthaste-go/posthaste/internal/protocol"
)

// peer is a broker's end of a connection, played by a test.
type peer struct {
	*testing.T
	nc net.Conn
}

// read takes a request in.
func (p peer) read() (protocol.RequestHeader, kmsg.Request) {
	var size [4]byte
	if _, err := io.ReadFull(p.nc, size[:]); err != nil {
		return protocol.RequestHeader{}, nil
	}
	frame := make([]byte, binary.BigEndian.Uint32(size[:]))
	if _, err := io.ReadFull(p.nc, frame); err != nil {
		return protocol.RequestHeader{}, nil
	}
	h, body, err := protocol.ParseRequestHeader(frame)
	if err != nil {
		p.Errorf("request header: %v", err)
		return h, nil
	}
	req := kmsg.RequestForKey(int16(h.Key))
	req.SetVersion(h.Version)
	if err := req.ReadFrom(body); err != nil {
		p.Errorf("%v: %v", h.Key, err)
	}
	return h, req
}

// answer sends resp for the request with header h.
func (p peer) answer(h protocol.RequestHeader, resp kmsg.Response) {
	resp.SetVersion(h.Version)
	b := protocol.AppendResponseHeader(make([]byte, 4), h.Key, h.Version, h.CorrelationID)
	b = resp.AppendTo(b)
	binary.BigEndian.PutUint32(b, uint32(len(b)-4))
	p.nc.Write(b) // a client that is gone is what some tests are about
}

// greet answers the question for versions with those of keys, or all.
func (p peer) greet(keys ...protocol.Key) {
	h, req := p.read()
	if req == nil {
		return
	}
	if h.Key != protocol.APIVersions {
		p.Errorf("the first request is %v", h.Key)
	}
	resp := kmsg.NewPtrApiVersionsResponse()
	if len(keys) == 0 {
		for key := range ours {
			keys = append(keys, key)
		}
	}
	for _, key := range keys {
		resp.ApiKeys = append(resp.ApiKeys, kmsg.ApiVersionsResponseApiKey{
			ApiKey: int16(key), MinVersion: ours[key].Min, MaxVersion: ours[key].Max,
		})
	}
	p.answer(h, resp)
}

// talk starts a connection to a peer that does as serve does, and returns the
// connection with what it tells.
func talk(t *testing.T, s Settings, serve func(peer)) (*Conn, <-chan sender.Event) {
	events := make(chan sender.Event, 100)
	s.Events = func(ev sender.Event) { events <- ev }
	if s.Window == 0 {
		s.Window = 5
	}
	if s.Dial == nil {
		s.Dial = func(context.Context, string, string) (net.Conn, error) {
			client, server := net.Pipe()
			go func() {
				defer server.Close()
				serve(peer{t, server})
			}()
			return client, nil
		}
	}
	return Start(&s, 7, Target{Addr: "broker:9092", Setup: 10 * time.Second}), events
}

// await takes the next event, which must be an E.
func await[E sender.Event](t *testing.T, events <-chan sender.Event) E {
	t.Helper()
	ev := <-events
	e, ok := ev.(E)
	if !ok {
		t.Fatalf("event %T %+v, want a %T", ev, ev, e)
	}
	return e
}

// down awaits the connection's end, its last word.
func down(t *testing.T, events <-chan sender.Event, want string) *sender.ConnDown {
	t.Helper()
	ev := await[*sender.ConnDown](t, events)
	if ev.Err == nil || !strings.Contains(ev.Err.Error(), want) || ev.Conn != 7 {
		t.Errorf("connection down: %v, want %q", ev.Err, want)
	}
	time.Sleep(time.Hour)
	synctest.Wait()
	select {
	case more := <-events:
		t.Errorf("after ConnDown came %T", more)
	default:
	}
	return ev
}

// hold keeps a peer's end open until the other end is closed.
func (p peer) hold() { io.Copy(io.Discard, p.nc) }

// A connection comes up, and goes down once, when it is closed.
func TestUpAndDown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, events := talk(t, Settings{}, func(p peer) { p.greet(); p.hold() })
		if up := await[*sender.ConnUp](t, events); !up.Idempotent || up.Conn != 7 {
			t.Errorf("up: %+v", up)
		}
		c.Close()
		c.Close()
		if ev := down(t, events, "closed by this client"); !errors.Is(ev.Err, ErrHungUp) || ev.Fatal {
			t.Errorf("down: %+v", ev)
		}
	})
}

// What a broker does instead of greeting, and what is said about it.
func TestConnectionsThatNeverComeUp(t *testing.T) {
	tests := []struct {
		name  string
		dial  func(context.Context, string, string) (net.Conn, error)
		serve func(peer)
		want  string
		after time.Duration
	}{
		{name: "nobody is there", want: "connect to broker:9092: no route",
			dial: func(context.Context, string, string) (net.Conn, error) {
				return nil, errors.New("no route")
			}},
		{name: "the dial hangs", want: "no connection within 10s", after: 10 * time.Second,
			dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
				<-ctx.Done()
				return nil, ctx.Err()
			}},
		{name: "the broker never answers", want: "no connection within 10s", after: 10 * time.Second,
			serve: peer.hold},
		{name: "the broker hangs up", want: "security.protocol",
			serve: func(p peer) { p.read() }},
		{name: "it speaks HTTP", want: "not a Kafka broker",
			serve: func(p peer) { p.read(); io.WriteString(p.nc, "HTTP/1.1 400 Bad Request\r\n\r\n") }},
		{name: "it speaks TLS", want: "it speaks TLS: set security.protocol",
			serve: func(p peer) { p.read(); io.WriteString(p.nc, "\x15\x03\x03\x00\x02\x02\x28") }},
		{name: "it answers another question", want: "answer 77 came where 1 was due",
			serve: func(p peer) {
				h, _ := p.read()
				h.CorrelationID = 77
				p.answer(h, kmsg.NewPtrApiVersionsResponse())
			}},
		{name: "it answers nonsense", want: "not a Kafka broker",
			serve: func(p peer) {
				p.read()
				io.WriteString(p.nc, "\x00\x00\x00\x07\x00\x00\x00\x01\x00\x00\x7f")
			}},
		{name: "it refuses", want: "CLUSTER_AUTHORIZATION_FAILED",
			serve: func(p peer) {
				h, _ := p.read()
				resp := kmsg.NewPtrApiVersionsResponse()
				resp.ErrorCode = 31
				p.answer(h, resp)
			}},
		{name: "it refuses every version of the question", want: "refuses every version",
			serve: func(p peer) {
				for range 2 {
					h, _ := p.read()
					h.Version = 0
					resp := kmsg.NewPtrApiVersionsResponse()
					resp.ErrorCode = 35
					p.answer(h, resp)
				}
			}},
		{name: "it takes no produce requests", want: "speaks Produce versions 0 to 0",
			serve: func(p peer) { p.greet(protocol.Metadata) }},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				start := time.Now()
				_, events := talk(t, Settings{Dial: tt.dial}, tt.serve)
				ev := <-events
				if d := time.Since(start); d != tt.after {
					t.Errorf("it went down after %v, want %v", d, tt.after)
				}
				again := make(chan sender.Event, 1)
				again <- ev
				down(t, again, tt.want)
			})
		})
	}
}

// Close frees a connection that is still being made.
func TestCloseWhileConnecting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, events := talk(t, Settings{}, peer.hold)
		time.Sleep(time.Second)
		c.Close()
		start := time.Now()
		ev := await[*sender.ConnDown](t, events)
		if !errors.Is(ev.Err, ErrHungUp) || time.Since(start) != 0 {
			t.Errorf("down: %v after %v", ev.Err, time.Since(start))
		}
	})
}

// Requests go out without waiting for answers; these come back in order and are
// passed on.
func TestPipelining(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, events := talk(t, Settings{ClientID: "me"}, func(p peer) {
			p.greet()
			var headers []protocol.RequestHeader
			var resps []kmsg.Response
			for range 7 {
				h, req := p.read()
				if string(h.ClientID) != "me" {
					p.Errorf("client id %q", h.ClientID)
				}
				resp := req.ResponseKind()
				if produce, ok := resp.(*kmsg.ProduceResponse); ok {
					*produce = *answerTo(request(), 3)
				}
				headers, resps = append(headers, h), append(resps, resp)
			}
			for i := range headers {
				p.answer(headers[i], resps[i])
			}
			p.hold()
		})
		await[*sender.ConnUp](t, events)
		var sent []*sender.Request
		for range 5 {
			sent = append(sent, request())
			c.Produce(sent[len(sent)-1])
		}
		c.Metadata([]string{"t"})
		c.ProducerID()
		for i := range sent {
			if got := await[*sender.Answered](t, events).Request; got != sent[i] || !got.Written ||
				!got.Entries[0].Answered {
				t.Errorf("answer %d is to another request, or says nothing", i)
			}
		}
		if m := await[*sender.MetadataAnswer](t, events); m.Err != nil || m.Conn != 7 {
			t.Errorf("metadata: %+v", m)
		}
		if id := await[*sender.ProducerIDAnswer](t, events); id.Err != nil || id.Code != 0 {
			t.Errorf("producer id: %+v", id)
		}
		c.Close()
		down(t, events, "closed by this client")
	})
}

// 51: with acks=0 a request is done when it is written.
func TestAcks0IsDoneWhenWritten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		take := make(chan struct{})
		c, events := talk(t, Settings{}, func(p peer) { p.greet(); <-take; p.hold() })
		await[*sender.ConnUp](t, events)
		r := request()
		r.Acks = 0
		c.Produce(r)
		synctest.Wait()
		if len(events) > 0 {
			t.Error("done before the broker took it")
		}
		close(take)
		if got := await[*sender.Answered](t, events).Request; got != r {
			t.Error("another request is done")
		}
		c.Close()
		down(t, events, "closed by this client")
	})
}

// Whatever breaks the conversation ends the connection, once, with a reason; what
// was not written says so.
func TestConnectionsThatBreak(t *testing.T) {
	tests := []struct {
		name  string
		serve func(peer)
		want  string
	}{
		{"the broker hangs up", func(p peer) { p.read() }, "the broker closed the connection"},
		{"an answer that nobody asked for", func(p peer) {
			h, _ := p.read()
			resp := answerTo(request(), 1)
			p.answer(h, resp)
			h.CorrelationID++
			p.answer(h, resp)
			p.hold()
		}, "an answer came to no request"},
		{"the answer to another request", func(p peer) {
			h, _ := p.read()
			h.CorrelationID += 5
			p.answer(h, answerTo(request(), 1))
			p.hold()
		}, "came where"},
		{"an answer that is cut short", func(p peer) {
			h, _ := p.read()
			b := protocol.AppendResponseHeader(nil, h.Key, h.Version, h.CorrelationID)
			b = append(b, 0x7f, 1)
			b = append(binary.BigEndian.AppendUint32(nil, uint32(len(b))), b...)
			p.nc.Write(b)
			p.hold()
		}, "produce answer: malformed"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c, events := talk(t, Settings{}, func(p peer) { p.greet(); tt.serve(p) })
				await[*sender.ConnUp](t, events)
				r := request()
				c.Produce(r)
				ev := <-events
				if _, ok := ev.(*sender.Answered); ok {
					ev = <-events
				}
				again := make(chan sender.Event, 1)
				again <- ev
				down(t, again, tt.want)
				if !r.Written {
					t.Error("the request does not say that it was written")
				}
			})
		})
	}
	synctest.Test(t, func(t *testing.T) {
		c, events := talk(t, Settings{}, func(p peer) { p.greet(); time.Sleep(time.Second) })
		await[*sender.ConnUp](t, events)
		stuck, behind := request(), request()
		c.Produce(stuck) // the peer does not read
		synctest.Wait()
		c.Produce(behind)
		down(t, events, "closed")
		if behind.Written {
			t.Error("a request behind one that is stuck says that it was written")
		}
	})
}

// plain is a SASL mechanism of two messages.
type plain struct{ fail bool }

func (plain) Name() string           { return "TEST" }
func (plain) Start() ([]byte, error) { return []byte("hello"), nil }
func (m plain) Next(challenge []byte) ([]byte, bool, error) {
	if m.fail {
		return nil, false, errors.New("the broker is an impostor")
	}
	return []byte("again"), string(challenge) == "welcome", nil
}

// What is refused by either side ends the connection for good; what is lost may be
// tried again.
func TestAuthentication(t *testing.T) {
	tests := []struct {
		name      string
		mechanism plain
		answers   []func(kmsg.Response)
		want      string // "" for success
		fatal     bool
	}{
		{name: "it succeeds in the second round", answers: []func(kmsg.Response){
			func(kmsg.Response) {},
			func(r kmsg.Response) { r.(*kmsg.SASLAuthenticateResponse).SASLAuthBytes = []byte("go on") },
			func(r kmsg.Response) { r.(*kmsg.SASLAuthenticateResponse).SASLAuthBytes = []byte("welcome") },
		}},
		{name: "the mechanism is not offered", fatal: true,
			want: "UNSUPPORTED_SASL_MECHANISM; the broker offers [SCRAM-SHA-256]: set sasl.mechanism",
			answers: []func(kmsg.Response){func(r kmsg.Response) {
				h := r.(*kmsg.SASLHandshakeResponse)
				h.ErrorCode, h.SupportedMechanisms = 33, []string{"SCRAM-SHA-256"}
			}}},
		{name: "the credentials are refused", fatal: true,
			want: "SASL_AUTHENTICATION_FAILED: who are you?",
			answers: []func(kmsg.Response){func(kmsg.Response) {}, func(r kmsg.Response) {
				a := r.(*kmsg.SASLAuthenticateResponse)
				a.ErrorCode, a.ErrorMessage = 58, kmsg.StringPtr("who are you?")
			}}},
		{name: "we refuse the broker", fatal: true, mechanism: plain{fail: true}, want: "an impostor",
			answers: []func(kmsg.Response){func(kmsg.Response) {}, func(kmsg.Response) {}}},
		{name: "the connection is lost", want: "authenticate to broker:9092 with TEST: io:",
			answers: []func(kmsg.Response){func(kmsg.Response) {}}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := Settings{Mechanism: func(context.Context) (Mechanism, error) { return tt.mechanism, nil }}
				c, events := talk(t, s, func(p peer) {
					p.greet()
					for _, fill := range tt.answers {
						h, req := p.read()
						resp := req.ResponseKind()
						fill(resp)
						p.answer(h, resp)
					}
					if tt.want == "" {
						p.hold()
					}
				})
				if tt.want == "" {
					await[*sender.ConnUp](t, events)
					c.Close()
					down(t, events, "closed by this client")
				} else if ev := down(t, events, tt.want); ev.Fatal != tt.fatal {
					t.Errorf("fatal: %v, want %v", ev.Fatal, tt.fatal)
				}
			})
		})
	}
	synctest.Test(t, func(t *testing.T) {
		s := Settings{Mechanism: func(context.Context) (Mechanism, error) { return plain{}, nil }}
		_, events := talk(t, s, func(p peer) { p.greet(protocol.Produce, protocol.Metadata); p.hold() })
		if ev := down(t, events, "set security.protocol to PLAINTEXT or SSL"); !ev.Fatal {
			t.Error("a listener without SASL is tried again")
		}
	})
}
