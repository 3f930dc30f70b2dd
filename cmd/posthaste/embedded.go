package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"

	"github.com/posthaste-go/posthaste/broker"
)

// embedded is a broker that runs for as long as a command does.
type embedded struct {
	broker   *broker.Broker
	listener *countingListener
}

// startEmbedded opens the broker on dir. If another posthaste has dir open it
// returns that one's address and no broker.
func startEmbedded(e *env, dir string) (*embedded, string, error) {
	// Another command may be about to write its address, or to end.
	deadline := time.Now().Add(10 * time.Second)
	for {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return nil, "", fmt.Errorf("the embedded broker finds no port: %w", err)
		}
		counting := &countingListener{Listener: l, idle: make(chan struct{}, 1)}
		b, err := broker.Start(broker.Config{DataDir: dir, Listeners: []net.Listener{counting},
			Logger: quietLogger(e)})
		if err == nil {
			return &embedded{b, counting}, b.Addr(), nil
		}
		inUse, ok := errors.AsType[*broker.DirInUseError](err)
		if !ok {
			return nil, "", err
		}
		if inUse.Addr != "" && dialProbe(e.ctx, inUse.Addr) {
			return nil, inUse.Addr, nil
		}
		if time.Now().After(deadline) {
			return nil, "", err
		}
		select {
		case <-time.After(50 * time.Millisecond):
		case <-e.ctx.Done():
			return nil, "", context.Cause(e.ctx)
		}
	}
}

// close ends the broker, once no other command uses it: a second posthaste on
// the same directory is a client of this one's broker.
func (b *embedded) close(e *env) error {
	told := false
	for b.listener.count() > 0 && !e.interrupted() {
		select {
		case <-b.listener.idle:
		case <-e.ctx.Done():
		case <-time.After(500 * time.Millisecond):
			if !told {
				told = true
				e.note("another command uses this one's broker; it stays until that is done " +
					"(Ctrl-C ends it now)")
			}
		}
	}
	if err := b.broker.Close(); err != nil {
		return fmt.Errorf("the embedded broker did not end in order: %w", err)
	}
	return nil
}

// countingListener knows how many of its connections are open.
type countingListener struct {
	net.Listener
	idle chan struct{} // gets a token when the last one closes

	mu   sync.Mutex
	open int
}

func (l *countingListener) count() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.open
}

func (l *countingListener) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	l.mu.Lock()
	l.open++
	l.mu.Unlock()
	return &countedConn{Conn: conn, listener: l}, nil
}

type countedConn struct {
	net.Conn
	listener *countingListener
	once     sync.Once
}

func (c *countedConn) Close() error {
	c.once.Do(func() {
		l := c.listener
		l.mu.Lock()
		l.open--
		last := l.open == 0
		l.mu.Unlock()
		if last {
			select {
			case l.idle <- struct{}{}:
			default:
			}
		}
	})
	return c.Conn.Close()
}
