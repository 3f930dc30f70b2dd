package proxy

import (
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"time"
)

// echo answers with what it gets.
func echo(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				_, _ = io.Copy(c, c)
			}()
		}
	}()
	return l.Addr().String()
}

func listen(t *testing.T, name func(string) string) *Proxy {
	t.Helper()
	return listenFor(t, echo(t), name)
}

func listenFor(t *testing.T, target string, name func(string) string) *Proxy {
	t.Helper()
	p, err := Listen("127.0.0.1:0", target, name)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.Close(); err != nil {
			t.Error(err)
		}
	})
	return p
}

func dial(t *testing.T, p *Proxy) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp", p.Addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

func say(t *testing.T, c net.Conn, text string) {
	t.Helper()
	if _, err := c.Write([]byte(text)); err != nil {
		t.Fatal(err)
	}
}

// hear reads n bytes within patience.
func hear(c net.Conn, n int, patience time.Duration) (string, error) {
	if err := c.SetReadDeadline(time.Now().Add(patience)); err != nil {
		return "", err
	}
	b := make([]byte, n)
	got, err := io.ReadFull(c, b)
	return string(b[:got]), err
}

const (
	long  = 10 * time.Second
	short = 50 * time.Millisecond
)

func TestBytesPassUntilTheCut(t *testing.T) {
	for _, d := range []Direction{ToNode, ToClient} {
		t.Run(d.String(), func(t *testing.T) {
			p := listen(t, nil)
			c := dial(t, p)
			say(t, c, "hello")
			if got, err := hear(c, 5, long); got != "hello" || err != nil {
				t.Fatalf("heard %q, %v", got, err)
			}
			p.Cut(d, 3, false)
			p.Uncut(d)
			say(t, c, "hello")
			if got, err := hear(c, 5, long); got != "hello" || err != nil {
				t.Fatalf("after a cut that was called off: heard %q, %v", got, err)
			}
			p.Cut(d, 3, false)
			say(t, c, "again")
			got, err := hear(c, 5, long)
			if d == ToClient && got != "aga" {
				t.Errorf("heard %q before the cut, want the first three bytes", got)
			}
			if err == nil {
				t.Error("the connection lives behind its cut")
			}
			if p.CutCount() != 1 {
				t.Errorf("%d connections were cut, want 1", p.CutCount())
			}
		})
	}
}

func TestSilenceHoldsBytesBackAndHealLetsThemGo(t *testing.T) {
	p := listen(t, nil)
	c := dial(t, p)
	p.Silence(Anybody)
	say(t, c, "hello")
	if got, err := hear(c, 5, short); err == nil || got != "" {
		t.Fatalf("heard %q through the silence", got)
	}
	p.Heal(Anybody, false)
	if got, err := hear(c, 5, long); got != "hello" || err != nil {
		t.Errorf("after it healed: heard %q, %v", got, err)
	}
	p.Silence(Anybody)
	say(t, c, "lost")
	p.Heal(Anybody, true)
	if got, err := hear(c, 4, long); err == nil {
		t.Errorf("heard %q on a connection that was to be dropped", got)
	}
}

func TestSilenceOfOneClientLeavesTheOthers(t *testing.T) {
	p := listen(t, func(id string) string { return strings.TrimSuffix(id, "-fetcher") })
	request := func(id string) string {
		return "\x00\x00\x00\x20\x00\x12\x00\x04\x00\x00\x00\x01\x00" + string(rune(len(id))) + id
	}
	one, two := dial(t, p), dial(t, p)
	p.Silence("one")
	say(t, one, request("one-fetcher"))
	say(t, two, request("two-fetcher"))
	if got, err := hear(two, 25, long); got != request("two-fetcher") || err != nil {
		t.Errorf("two heard %q, %v", got, err)
	}
	if got, err := hear(one, 25, short); err == nil {
		t.Errorf("one heard %q through its silence", got)
	}
	p.Heal("one", false)
	if got, err := hear(one, 25, long); got != request("one-fetcher") || err != nil {
		t.Errorf("one heard %q, %v", got, err)
	}
}

func TestRefuseIsAsIfNobodyListened(t *testing.T) {
	p := listen(t, nil)
	c := dial(t, p)
	say(t, c, "hello")
	if _, err := hear(c, 5, long); err != nil {
		t.Fatal(err)
	}
	if err := p.Refuse(); err != nil {
		t.Fatal(err)
	}
	var timeout net.Error
	if _, err := hear(c, 1, long); err == nil || errors.As(err, &timeout) && timeout.Timeout() {
		t.Errorf("the open connection got %v, want an end", err)
	}
	if c, err := net.Dial("tcp", p.Addr); err == nil {
		c.Close()
		t.Error("a new connection was accepted")
	}
	if err := p.Accept(); err != nil {
		t.Fatal(err)
	}
	again := dial(t, p)
	say(t, again, "hello")
	if got, err := hear(again, 5, long); got != "hello" || err != nil {
		t.Errorf("after Accept: heard %q, %v", got, err)
	}
}

func TestAbsentTargetResetsItsClients(t *testing.T) {
	p := listenFor(t, "127.0.0.1:1", nil)
	c, err := net.Dial("tcp", p.Addr)
	if err != nil {
		return // reset before Dial was through
	}
	defer c.Close()
	if _, err := hear(c, 1, long); err == nil {
		t.Error("a connection to nowhere lives")
	}
}
