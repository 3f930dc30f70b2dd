package embedded

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"runtime/debug"
	"strconv"
	"sync"
	"time"

	"github.com/posthaste-go/posthaste/broker"
	"github.com/posthaste-go/posthaste/internal/clock"
	"github.com/posthaste-go/posthaste/schemaregistry/internal/election"
	"github.com/posthaste-go/posthaste/schemaregistry/internal/registry"
	"github.com/posthaste-go/posthaste/schemaregistry/internal/rest"
	"github.com/posthaste-go/posthaste/schemaregistry/internal/store"
)

// drainTime is how long Close waits for requests under way.
const drainTime = 5 * time.Second

// Server is a running registry. Its methods may be called concurrently.
type Server struct {
	addr    string
	topic   *store.Topic
	elector *election.Elector
	http    *http.Server
	secure  security
	own     *broker.Broker // nil if the cluster is somebody else's
	served  chan error     // the end of http.Serve
	close   sync.Once
	err     error // of Close
}

// Start starts a registry and returns once it serves, with all schemas read.
func Start(cfg Config) (*Server, error) {
	cfg, err := cfg.resolve()
	if err != nil {
		return nil, err
	}
	secure, err := cfg.security()
	if err != nil {
		return nil, err
	}
	s := &Server{secure: secure, served: make(chan error, 1)}
	if len(cfg.BootstrapServers) == 0 {
		if s.own, err = broker.Start(broker.Config{Logger: cfg.Logger}); err != nil {
			return nil, fmt.Errorf("registry: %w", err)
		}
		cfg.BootstrapServers = []string{s.own.Addr()}
	}
	if err := s.start(cfg); err != nil {
		return nil, errors.Join(fmt.Errorf("registry: %w", err), s.stop())
	}
	return s, nil
}

func (s *Server) start(cfg Config) (err error) {
	ctx, cancel := context.WithTimeout(context.Background(), cfg.StartTimeout)
	defer cancel()
	s.topic, err = store.Open(ctx, store.TopicConfig{
		Bootstrap: cfg.BootstrapServers, Topic: cfg.Topic, Timeout: cfg.WriteTimeout,
		ReplicationFactor: cfg.ReplicationFactor, Logger: cfg.Logger,
	})
	if err != nil {
		return err
	}
	cluster, err := s.topic.ClusterID(ctx)
	if err != nil {
		return err
	}
	listener := cfg.Listener
	if listener == nil {
		if listener, err = net.Listen("tcp", cfg.Listen); err != nil {
			return err
		}
	}
	s.addr = listener.Addr().String()
	if s.secure.readable(listener) {
		cfg.Logger.Warn("passwords are sent in the clear: give the registry a certificate",
			"address", s.addr)
	}
	self, err := identity(cfg.Advertise, s.addr)
	if err != nil {
		return errors.Join(err, listener.Close())
	}
	self.Scheme = s.secure.scheme()
	s.elector = election.Start(election.Config{
		Client: s.topic.Client(), Group: cfg.Group, Instance: cfg.InstanceID,
		Self: self, Write: cfg.WriteTimeout,
		Session: max(2*cfg.WriteTimeout, minSession), Ready: s.topic.Sync, Now: clock.Now,
		Logger: cfg.Logger,
	})
	s.serve(listener, cfg, cluster)
	// The registry serves; now it is to be able to write, too.
	if leader, _ := s.elector.Leader(ctx); leader == "" {
		return fmt.Errorf("no leader within %v: see the log", cfg.StartTimeout)
	}
	return nil
}

// serve answers what comes to listener.
func (s *Server) serve(listener net.Listener, cfg Config, cluster string) {
	version, commit := build()
	var handler http.Handler = rest.New(rest.Config{
		Registry: registry.New(s.topic.State, s.topic,
			registry.Config{Compatibility: cfg.Compatibility, Logger: cfg.Logger}),
		Leader: s.elector, Log: s.topic, Logger: cfg.Logger, Timeout: cfg.WriteTimeout,
		Client: s.secure.peers, LeaderHTTPS: s.secure.server != nil && s.secure.users != nil,
		Cluster: cluster, Group: cfg.Group, Version: version, Commit: commit,
	})
	if s.secure.users != nil {
		handler = rest.Authenticate(handler, s.secure.users, realm)
	}
	s.http = &http.Server{Handler: handler, ReadHeaderTimeout: 30 * time.Second,
		TLSConfig: s.secure.server,
		// Who gives up a connection in its handshake is not worth a line by default.
		ErrorLog: slog.NewLogLogger(cfg.Logger.Handler(), slog.LevelInfo)}
	go func() {
		if s.secure.server != nil {
			s.served <- s.http.ServeTLS(listener, "", "")
		} else {
			s.served <- s.http.Serve(listener)
		}
	}()
}

// minSession is how long the others wait for a leader that is silent, at least.
const minSession = 10 * time.Second

// identity is how other registries reach this one.
func identity(advertise, listening string) (election.Identity, error) {
	if advertise == "" {
		advertise = listening
	}
	host, port, err := net.SplitHostPort(advertise)
	if err != nil {
		return election.Identity{}, fmt.Errorf("advertised address: %w", err)
	}
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		if host, err = os.Hostname(); err != nil {
			return election.Identity{}, err
		}
	}
	n, err := strconv.Atoi(port)
	if err != nil {
		return election.Identity{}, fmt.Errorf("advertised address %s: %w", advertise, err)
	}
	return election.Identity{Version: 1, Host: host, Port: n, Eligible: true}, nil
}

// build is the version of this module in the program.
func build() (version, commit string) {
	version, commit = "posthaste", "unknown"
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return version, commit
	}
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" {
			commit = s.Value
		}
	}
	return version + "-" + info.Main.Version, commit
}

// Addr is HOST:PORT that the registry listens on.
func (s *Server) Addr() string { return s.addr }

// URL is what clients are given as schema.registry.url.
func (s *Server) URL() string { return s.secure.scheme() + "://" + s.addr }

// BootstrapServers is the broker that the registry has started for itself, or
// nothing.
func (s *Server) BootstrapServers() []string {
	if s.own == nil {
		return nil
	}
	return []string{s.own.Addr()}
}

// Close stops the registry in order: requests under way are answered. Closing
// twice is no error.
func (s *Server) Close() error {
	s.close.Do(func() { s.err = s.stop() })
	return s.err
}

// stop ends what start has begun, as far as it came.
func (s *Server) stop() error {
	var err error
	if s.http != nil {
		ctx, cancel := context.WithTimeout(context.Background(), drainTime)
		defer cancel()
		if err = s.http.Shutdown(ctx); err != nil {
			err = errors.Join(err, s.http.Close())
		}
		if end := <-s.served; !errors.Is(end, http.ErrServerClosed) {
			err = errors.Join(err, end)
		}
	}
	s.secure.close()
	if s.elector != nil {
		s.elector.Close()
	}
	if s.topic != nil {
		s.topic.Close()
	}
	if s.own != nil {
		err = errors.Join(err, s.own.Close())
	}
	return err
}
