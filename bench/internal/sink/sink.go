// Package sink is a broker that acknowledges and throws away: the cheapest
// counterpart a producer can have, so that what is timed is the producer.
//
// It answers ApiVersions, Metadata, InitProducerId, ListOffsets and Produce. A
// produce request is walked as it streams in, by the lengths in it; of a record
// batch only the header is looked at, for its record count, which moves the
// partition's offset. Records, checksums and sequences are not looked at: a
// client that sends garbage inside a batch is not noticed here.
//
//	conn goroutine: read header ─▶ walk, counting ─▶ write answer ─▶ next
//
// Every topic asked for exists, with Config.Partitions partitions.
package sink

import (
	"crypto/md5"
	"errors"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// Config says how a Sink answers.
type Config struct {
	Addr       string        // listen address, HOST:PORT; port 0 picks one
	Partitions int           // of every topic
	Topics     []string      // exist from the start: some clients ask for all topics first
	Delay      time.Duration // between the end of a produce request and its answer
}

// Stats counts what a sink has received since it started.
type Stats struct {
	Requests int64 `json:"requests"` // produce requests
	Batches  int64 `json:"batches"`
	Records  int64 `json:"records"`
	Bytes    int64 `json:"bytes"` // of produce requests, with their headers
}

// Sink is a running null broker; see Start.
type Sink struct {
	cfg      Config
	listener net.Listener
	wg       sync.WaitGroup // accept loop and connections

	mu     sync.Mutex
	conns  map[net.Conn]struct{}
	closed bool
	byName map[string]*topic
	byID   map[[16]byte]*topic

	producerIDs atomic.Int64
	requests    atomic.Int64
	batches     atomic.Int64
	records     atomic.Int64
	bytes       atomic.Int64
}

// topic is one topic's next offsets, an element for each partition.
type topic struct {
	name string
	id   [16]byte
	ends []atomic.Int64
}

// Start listens and serves until Close.
func Start(cfg Config) (*Sink, error) {
	if cfg.Partitions < 1 {
		return nil, fmt.Errorf("partitions is %d: want at least 1", cfg.Partitions)
	}
	l, err := net.Listen("tcp", cfg.Addr)
	if err != nil {
		return nil, fmt.Errorf("listen: %w", err)
	}
	s := &Sink{
		cfg:      cfg,
		listener: l,
		conns:    map[net.Conn]struct{}{},
		byName:   map[string]*topic{},
		byID:     map[[16]byte]*topic{},
	}
	for _, name := range cfg.Topics {
		s.topic(name)
	}
	s.wg.Go(s.accept)
	return s, nil
}

// Addr is the address it listens on, HOST:PORT.
func (s *Sink) Addr() string { return s.listener.Addr().String() }

// Stats reports what has been received so far.
func (s *Sink) Stats() Stats {
	return Stats{
		Requests: s.requests.Load(),
		Batches:  s.batches.Load(),
		Records:  s.records.Load(),
		Bytes:    s.bytes.Load(),
	}
}

// Close ends all connections and returns when their goroutines have ended.
func (s *Sink) Close() error {
	s.mu.Lock()
	s.closed = true
	err := s.listener.Close()
	for c := range s.conns {
		err = errors.Join(err, c.Close())
	}
	s.mu.Unlock()
	s.wg.Wait()
	return err
}

func (s *Sink) accept() {
	for {
		nc, err := s.listener.Accept()
		if err != nil {
			return // Close
		}
		if !s.track(nc) {
			return
		}
		s.wg.Go(func() {
			defer s.forget(nc)
			newConn(s, nc).serve()
		})
	}
}

// track makes Close end nc, too; it closes nc and reports false after Close.
func (s *Sink) track(nc net.Conn) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		nc.Close()
		return false
	}
	s.conns[nc] = struct{}{}
	return true
}

func (s *Sink) forget(nc net.Conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, open := s.conns[nc]; open && !s.closed {
		delete(s.conns, nc)
		nc.Close()
	}
}

// topic returns the topic called name, which is made when first asked for.
func (s *Sink) topic(name string) *topic {
	s.mu.Lock()
	defer s.mu.Unlock()
	if t := s.byName[name]; t != nil {
		return t
	}
	t := &topic{
		name: name,
		id:   md5.Sum([]byte(name)),
		ends: make([]atomic.Int64, s.cfg.Partitions),
	}
	s.byName[name] = t
	s.byID[t.id] = t
	return t
}

// topicByID returns nil for an id that no Metadata answer has named.
func (s *Sink) topicByID(id [16]byte) *topic {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.byID[id]
}

func (s *Sink) topics() []*topic {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := make([]*topic, 0, len(s.byName))
	for _, t := range s.byName {
		all = append(all, t)
	}
	return all
}
