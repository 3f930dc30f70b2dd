package simnet_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"os"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/posthaste-go/posthaste/internal/simnet"
)

const host = "broker1:9092"

// pair is a network with one connection.
func pair(t *testing.T, s simnet.Settings) (n *simnet.Network, client, server net.Conn) {
	t.Helper()
	n = simnet.New(s)
	l, err := n.Listen(host)
	if err != nil {
		t.Fatal(err)
	}
	client, err = n.Dial(t.Context(), "tcp", host)
	if err != nil {
		t.Fatal(err)
	}
	if server, err = l.Accept(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { client.Close(); server.Close(); l.Close() })
	return n, client, server
}

func write(t *testing.T, c net.Conn, text string) {
	t.Helper()
	if n, err := c.Write([]byte(text)); err != nil || n != len(text) {
		t.Fatalf("write %q = %d, %v", text, n, err)
	}
}

func read(t *testing.T, c net.Conn, want string) {
	t.Helper()
	b := make([]byte, len(want))
	if _, err := io.ReadFull(c, b); err != nil || string(b) != want {
		t.Fatalf("read = %q, %v; want %q", b, err, want)
	}
}

func TestBytesArriveAfterTheDelayInOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := simnet.Settings{Seed: 7, Delay: 5 * time.Millisecond, Jitter: 20 * time.Millisecond}
		_, client, server := pair(t, s)
		start := time.Now()
		for _, word := range []string{"one ", "two ", "three"} {
			write(t, client, word)
		}
		read(t, server, "one two three")
		if d := time.Since(start); d < s.Delay || d > s.Delay+s.Jitter {
			t.Errorf("arrived after %v, want %v to %v", d, s.Delay, s.Delay+s.Jitter)
		}
	})
}

func TestBandwidthCountsBytes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, client, server := pair(t, simnet.Settings{Bandwidth: 1000})
		start := time.Now()
		write(t, client, string(make([]byte, 500)))
		read(t, server, string(make([]byte, 500)))
		if d := time.Since(start); d != 500*time.Millisecond {
			t.Errorf("500 bytes at 1,000 a second took %v", d)
		}
	})
}

func TestAFullBufferHoldsUpTheWriter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, client, server := pair(t, simnet.Settings{Buffer: 4})
		done := make(chan struct{})
		go func() { defer close(done); write(t, client, "123456") }()
		synctest.Wait()
		select {
		case <-done:
			t.Fatal("6 bytes fit into a buffer of 4")
		default:
		}
		read(t, server, "123456")
		<-done
	})
}

func TestAConnectionIsCutBehindAByte(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n, client, server := pair(t, simnet.Settings{Delay: time.Millisecond})
		n.CutAfter(host, simnet.ToServer, 3)
		if k, err := client.Write([]byte("abcdef")); k != 3 || !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("write = %d, %v; want 3 and a reset", k, err)
		}
		got, err := io.ReadAll(server)
		if string(got) != "abc" || !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("read = %q, %v; want abc and a reset", got, err)
		}
		if _, err := client.Read(make([]byte, 1)); !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("read at the other end = %v, want a reset", err)
		}
	})
}

func TestHeldBytesArriveWhenTheyAreLetGo(t *testing.T) {
	for _, d := range []simnet.Direction{simnet.ToServer, simnet.Both} {
		t.Run(d.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n, client, server := pair(t, simnet.Settings{})
				n.Hold(host, d, true)
				write(t, client, "late")
				start := time.Now()
				time.AfterFunc(time.Minute, func() { n.Hold(host, d, false) })
				read(t, server, "late")
				if waited := time.Since(start); waited != time.Minute {
					t.Errorf("arrived after %v, want a minute", waited)
				}
			})
		})
	}
}

func TestADialWaitsWhileItsHostIsHeld(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n, _, _ := pair(t, simnet.Settings{})
		n.Hold(host, simnet.ToClient, true)
		late := errors.New("late")
		ctx, cancel := context.WithTimeoutCause(t.Context(), time.Second, late)
		defer cancel()
		if _, err := n.Dial(ctx, "tcp", host); !errors.Is(err, late) {
			t.Errorf("dial = %v, want the context's cause", err)
		}
		time.AfterFunc(time.Second, func() { n.Hold(host, simnet.Both, false) })
		c, err := n.Dial(t.Context(), "tcp", host)
		if err != nil {
			t.Fatal(err)
		}
		c.Close()
	})
}

func TestLostBytesAreGoneAndNobodyIsTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n, client, server := pair(t, simnet.Settings{})
		write(t, client, "before")
		n.Lose(host, simnet.ToServer)
		write(t, client, "after")
		write(t, server, "other way")
		read(t, server, "before")
		read(t, client, "other way")
		server.SetReadDeadline(time.Now().Add(time.Hour))
		if _, err := server.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("read = %v, want the deadline", err)
		}
	})
}

func TestAResetLosesWhatIsUnderWay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n, client, server := pair(t, simnet.Settings{Delay: time.Second})
		write(t, client, "gone")
		n.Reset(host)
		for _, c := range []net.Conn{client, server} {
			if _, err := c.Read(make([]byte, 1)); !errors.Is(err, syscall.ECONNRESET) {
				t.Errorf("read = %v, want a reset", err)
			}
			if _, err := c.Write([]byte("x")); !errors.Is(err, syscall.ECONNRESET) {
				t.Errorf("write = %v, want a reset", err)
			}
		}
	})
}

func TestNobodyListensOrTheAddressRefuses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n, _, _ := pair(t, simnet.Settings{})
		if _, err := n.Dial(t.Context(), "tcp", "nobody:1"); !errors.Is(err, syscall.ECONNREFUSED) {
			t.Errorf("dial = %v, want refused", err)
		}
		n.Refuse(host, true)
		if _, err := n.Dial(t.Context(), "tcp", host); !errors.Is(err, syscall.ECONNREFUSED) {
			t.Errorf("dial = %v, want refused", err)
		}
		n.Refuse(host, false)
		c, err := n.Dial(t.Context(), "tcp", host)
		if err != nil {
			t.Fatal(err)
		}
		c.Close()
	})
}

func TestCloseLetsWhatWasWrittenArrive(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n, client, server := pair(t, simnet.Settings{Delay: time.Second})
		write(t, client, "last words")
		client.Close()
		got, err := io.ReadAll(server)
		if string(got) != "last words" || err != nil {
			t.Errorf("read = %q, %v", got, err)
		}
		if _, err := client.Read(make([]byte, 1)); !errors.Is(err, net.ErrClosed) {
			t.Errorf("read of a closed connection = %v", err)
		}
		write(t, server, "to nobody")
		server.Close()
		if open := n.Open(); open != 0 {
			t.Errorf("%d connections are open, want none", open)
		}
	})
}

func TestCloseEndsAReadOfWhatIsHeld(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n, client, server := pair(t, simnet.Settings{})
		n.Hold(host, simnet.ToClient, true)
		failed := make(chan error)
		go func() {
			_, err := client.Read(make([]byte, 1))
			failed <- err
		}()
		synctest.Wait()
		client.Close()
		server.Close()
		if err := <-failed; !errors.Is(err, net.ErrClosed) {
			t.Errorf("read = %v, want closed", err)
		}
	})
}

func TestCloseWriteLeavesTheOtherWayOpen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, client, server := pair(t, simnet.Settings{})
		if err := server.(*simnet.Conn).CloseWrite(); err != nil {
			t.Fatal(err)
		}
		if _, err := client.Read(make([]byte, 1)); err != io.EOF {
			t.Errorf("read = %v, want io.EOF", err)
		}
		write(t, client, "still here")
		read(t, server, "still here")
	})
}

func TestAListenerMayComeBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := simnet.New(simnet.Settings{})
		for range 2 {
			l, err := n.Listen(host)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := n.Listen(host); !errors.Is(err, syscall.EADDRINUSE) {
				t.Errorf("a second listener = %v, want in use", err)
			}
			waiting, err := n.Dial(t.Context(), "tcp", host)
			if err != nil {
				t.Fatal(err)
			}
			l.Close()
			if _, err := waiting.Read(make([]byte, 1)); !errors.Is(err, syscall.ECONNRESET) {
				t.Errorf("nobody accepted: read = %v, want a reset", err)
			}
			waiting.Close()
			if _, err := l.Accept(); !errors.Is(err, net.ErrClosed) {
				t.Errorf("accept = %v, want closed", err)
			}
		}
	})
}

// Equal seeds give equal times of arrival.
func TestJitterIsTheSeeds(t *testing.T) {
	arrivals := func(seed uint64) (times []time.Duration) {
		synctest.Test(t, func(t *testing.T) {
			_, client, server := pair(t, simnet.Settings{Seed: seed, Jitter: time.Second})
			for range 5 {
				start := time.Now()
				write(t, client, "x")
				read(t, server, "x")
				times = append(times, time.Since(start))
			}
		})
		return times
	}
	var a, b, c bytes.Buffer
	for i, d := range []uint64{1, 1, 2} {
		for _, at := range arrivals(d) {
			[]*bytes.Buffer{&a, &b, &c}[i].WriteString(at.String() + " ")
		}
	}
	if a.String() != b.String() {
		t.Errorf("seed 1 gives %v, then %v", &a, &b)
	}
	if a.String() == c.String() {
		t.Errorf("seeds 1 and 2 both give %v", &a)
	}
}
