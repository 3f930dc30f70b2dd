package broker

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/posthaste-go/posthaste/broker/internal/server"
	"github.com/posthaste-go/posthaste/broker/internal/settings"
	"github.com/posthaste-go/posthaste/internal/clock"
)

// drainTime is how long Close waits for requests under way.
const drainTime = 5 * time.Second

// Broker is a running broker. Its methods may be called concurrently.
//
// Locks: mu serializes Restart, Kill and Close, and is held while they wait.
type Broker struct {
	cfg       Config
	settings  *settings.Broker
	log       *slog.Logger
	listeners []net.Listener
	addr      string
	server    *server.Server
	faults    faults
	current   atomic.Pointer[instance] // nil once closed, and while it restarts
	restarts  sync.WaitGroup           // restarts that faults have asked for

	mu     sync.Mutex
	closed bool
}

// Start starts a broker and returns once it serves.
//
// Errors: *DirInUseError, *AddrInUseError, one that matches ErrDirFormat, an
// illegal setting, or what the file system or the network says.
func Start(cfg Config) (*Broker, error) {
	cfg, err := cfg.resolve()
	if err != nil {
		return nil, err
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	if cfg.Now == nil {
		cfg.Now = clock.Now
	}
	values, unknown, err := settings.NewBroker(cfg.Properties)
	if err != nil {
		return nil, fmt.Errorf("broker setting %w", err)
	}
	for _, name := range unknown {
		cfg.Logger.Warn("broker setting has no effect here", "setting", name)
	}
	b := &Broker{cfg: cfg, settings: values, log: cfg.Logger}
	if b.cfg.Disk == nil && b.cfg.DataDir == "" {
		b.cfg.Disk = plainDisk(cfg.Now)
	}
	if b.listeners, err = listen(cfg, int(values.Int("posthaste.nodes"))); err != nil {
		return nil, err
	}
	b.addr = b.listeners[0].Addr().String()
	inst, err := b.open()
	if err != nil {
		return nil, errors.Join(err, closeAll(b.listeners))
	}
	b.current.Store(inst)
	b.serve()
	return b, nil
}

// serve starts the server on all listeners.
func (b *Broker) serve() {
	b.server = server.New(server.Config{
		Handler:        b,
		Intercept:      b.intercept,
		Logger:         b.log,
		MaxRequestSize: int(b.settings.Int("socket.request.max.bytes")),
		MaxIdle:        b.millis("connections.max.idle.ms"),
		MaxConnections: int(b.settings.Int("max.connections")),
	})
	for _, l := range b.listeners {
		if err := b.server.Serve(l); err != nil {
			panic(fmt.Sprintf("broker: a new server refuses a listener: %v", err))
		}
	}
}

// millis is a setting in milliseconds.
func (b *Broker) millis(name string) time.Duration {
	return time.Duration(b.settings.Int(name)) * time.Millisecond
}

// Handle passes a request to the instance in charge.
func (b *Broker) Handle(ctx context.Context, req *server.Request, out []byte) ([]byte, error) {
	inst := b.current.Load()
	if inst == nil {
		return out, ErrClosed
	}
	return inst.api.Handle(ctx, req, out)
}

// MayWait reports whether a request may wait for other clients or for time.
func (b *Broker) MayWait(req *server.Request) bool {
	inst := b.current.Load()
	return inst != nil && inst.api.MayWait(req)
}

// Addr is HOST:PORT that the broker listens on; the first node's if it poses as
// several.
func (b *Broker) Addr() string { return b.addr }

// Addrs lists HOST:PORT of every node that the broker poses as.
func (b *Broker) Addrs() []string {
	addrs := make([]string, len(b.listeners))
	for i, l := range b.listeners {
		addrs[i] = l.Addr().String()
	}
	return addrs
}

// ClusterID is the id of the cluster, which is the data directory's.
func (b *Broker) ClusterID() string {
	if inst := b.current.Load(); inst != nil {
		return inst.api.ClusterID()
	}
	return ""
}

// Close stops the broker in order: requests under way are answered, logs are
// flushed, and the next start finds a clean directory. Closing twice is no error.
func (b *Broker) Close() error {
	return b.end(func(inst *instance) error {
		err := b.server.Close(drainTime)
		b.current.Store(nil)
		return errors.Join(err, inst.close())
	})
}

// end makes stop the last thing that happens to the broker, if it runs at all.
func (b *Broker) end(stop func(inst *instance) error) error {
	defer b.restarts.Wait()
	b.mu.Lock()
	defer b.mu.Unlock()
	b.faults.clear()
	if b.closed {
		return nil
	}
	b.closed = true
	if inst := b.current.Load(); inst != nil {
		return stop(inst)
	}
	return b.server.Close(0) // a restart has failed
}

// Kill ends the broker as kill -9 ends a process: connections are cut, nothing
// is flushed, and what was not written is lost. The directory or Disk can be
// used again at once.
func (b *Broker) Kill() error {
	return b.end(func(inst *instance) error {
		b.current.Store(nil)
		b.server.DropConnections() // first: a dead process answers nothing
		inst.files.Kill()
		err := b.server.Close(0)
		inst.abandon()
		return err
	})
}

// Restart ends the broker as Kill does, or in order, and starts it again under
// the same address: connections are cut, and whatever is not on disk is
// forgotten.
func (b *Broker) Restart(orderly bool) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	inst := b.current.Swap(nil)
	if b.closed || inst == nil {
		return ErrClosed
	}
	b.server.DropConnections()
	if orderly {
		if err := inst.close(); err != nil {
			b.log.Error("broker did not stop in order", "error", err)
		}
	} else {
		inst.files.Kill()
		inst.abandon()
	}
	next, err := b.open()
	if err != nil {
		return err
	}
	b.current.Store(next)
	return nil
}
