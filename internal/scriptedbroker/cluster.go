// Package scriptedbroker is a Kafka cluster in memory for tests of the producer:
// it answers as told, and honestly where nothing is told.
//
//	c := scriptedbroker.Start(t, scriptedbroker.Options{Topics: map[string]int{"t": 1}})
//	c.Next(protocol.Produce, scriptedbroker.Fail(errcode.NotLeaderOrFollower))
//	cfg.BootstrapServers, cfg.Dial = c.Bootstrap(), c.Dial
//	…
//	c.Requests() // [InitProducerId v5 … Produce v12 [t-0 pid=1000 epoch=0 seq=0 n=1] …]
//
// Connections are pipes in memory, so that producer and cluster live in one
// bubble of testing/synctest; Listen serves loopback instead. Partitions keep
// what was written to them and check producer ids, epochs and sequences as a
// leader does. For a broker that stores things see package broker; this one is
// small enough that a test can know all of it.
package scriptedbroker

import (
	"context"
	"fmt"
	"net"
	"strconv"
	"sync"
	"testing"

	"github.com/posthaste-go/posthaste/internal/protocol"
)

// Options say what a cluster looks like.
type Options struct {
	Nodes    int            // 1 if not set; ids count from 1
	Topics   map[string]int // name → partitions; leaders take turns
	Versions map[protocol.Key]protocol.Range
	TopicIDs bool // topics have ids, as since Kafka 2.8
	// Blind: neither keep nor check nor trace what is produced, at no cost per
	// record, for tests that count the client's own.
	Blind bool
}

// kafka44 is what a broker of Kafka 4.4 speaks, as far as a producer asks.
var kafka44 = map[protocol.Key]protocol.Range{
	protocol.Produce:        {Min: 3, Max: 13},
	protocol.Metadata:       {Min: 0, Max: 13},
	protocol.APIVersions:    {Min: 0, Max: 5},
	protocol.InitProducerID: {Min: 0, Max: 5},
}

// Cluster is some nodes that share logs and a script. Its methods may be called
// by many goroutines at once.
//
// Locks: mu guards everything below it and is not held over anything that waits.
type Cluster struct {
	t        testing.TB
	versions map[protocol.Key]protocol.Range
	ids      bool
	blind    bool
	serving  sync.WaitGroup

	mu        sync.Mutex
	nodes     map[int32]*node
	topics    map[string]*topic
	script    map[protocol.Key][]Step
	standing  map[protocol.Key]Step
	trace     []line
	nextPID   int64
	recreated int
	closed    bool
}

// node is one broker.
type node struct {
	id       int32
	addr     string
	listener net.Listener // nil in memory
	down     bool
	conns    map[net.Conn]bool
	dials    int
}

// Start makes a cluster, which ends with the test.
func Start(t testing.TB, o Options) *Cluster {
	c := &Cluster{
		t: t, ids: o.TopicIDs, blind: o.Blind, versions: map[protocol.Key]protocol.Range{},
		nodes: map[int32]*node{}, topics: map[string]*topic{},
		script: map[protocol.Key][]Step{}, standing: map[protocol.Key]Step{}, nextPID: 1000,
	}
	for key, r := range kafka44 {
		c.versions[key] = r
	}
	for key, r := range o.Versions {
		if r.Max < 0 {
			delete(c.versions, key)
			continue
		}
		c.versions[key] = r
	}
	for id := range int32(max(o.Nodes, 1)) {
		addr := fmt.Sprintf("broker%d:9092", id+1)
		c.nodes[id+1] = &node{id: id + 1, addr: addr, conns: map[net.Conn]bool{}}
	}
	for name, partitions := range o.Topics {
		c.AddTopic(name, partitions)
	}
	t.Cleanup(c.Close)
	return c
}

// Close ends all connections and waits for their goroutines.
func (c *Cluster) Close() {
	c.mu.Lock()
	c.closed = true
	for _, n := range c.nodes {
		n.cut()
		if n.listener != nil {
			n.listener.Close()
		}
	}
	c.mu.Unlock()
	c.serving.Wait()
}

// Bootstrap is the address of the first node.
func (c *Cluster) Bootstrap() []string { return []string{c.Addr(1)} }

// Addr is a node's address.
func (c *Cluster) Addr(id int32) string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.nodes[id].addr
}

// Dial opens a connection in memory. It fits posthaste.Config.Dial.
func (c *Cluster) Dial(_ context.Context, _, addr string) (net.Conn, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, n := range c.nodes {
		if n.addr != addr {
			continue
		}
		n.dials++
		if n.down || c.closed {
			break
		}
		client, server := net.Pipe()
		c.serveLocked(n, server)
		return client, nil
	}
	return nil, fmt.Errorf("dial %s: connection refused", addr)
}

// Listen serves all nodes on loopback addresses, and metadata names these.
func (c *Cluster) Listen() {
	for id := range int32(len(c.nodes)) {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			c.t.Fatal(err)
		}
		c.mu.Lock()
		n := c.nodes[id+1]
		n.addr, n.listener = l.Addr().String(), l
		c.mu.Unlock()
		c.serving.Go(func() { c.accept(l, n) })
	}
}

func (c *Cluster) accept(l net.Listener, n *node) {
	for {
		nc, err := l.Accept()
		if err != nil {
			return
		}
		c.mu.Lock()
		n.dials++
		if n.down || c.closed {
			nc.Close()
		} else {
			c.serveLocked(n, nc)
		}
		c.mu.Unlock()
	}
}

func (c *Cluster) serveLocked(n *node, nc net.Conn) {
	n.conns[nc] = true
	c.serving.Add(1)
	go func() {
		defer c.serving.Done()
		c.serve(n, nc)
		c.mu.Lock()
		delete(n.conns, nc)
		c.mu.Unlock()
	}()
}

// Down closes a node's connections and refuses new ones, until Up.
func (c *Cluster) Down(id int32) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.nodes[id].down = true
	c.nodes[id].cut()
}

// Up ends Down.
func (c *Cluster) Up(id int32) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.nodes[id].down = false
}

// Cut closes a node's connections.
func (c *Cluster) Cut(id int32) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.nodes[id].cut()
}

func (n *node) cut() {
	for nc := range n.conns {
		nc.Close()
	}
}

// Dials is how often a node was dialled.
func (c *Cluster) Dials(id int32) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.nodes[id].dials
}

// Conns is how many connections are open.
func (c *Cluster) Conns() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	open := 0
	for _, n := range c.nodes {
		open += len(n.conns)
	}
	return open
}

func splitAddr(addr string) (host string, port int32) {
	host, text, err := net.SplitHostPort(addr)
	if err != nil {
		return addr, 0
	}
	n, err := strconv.ParseInt(text, 10, 32)
	if err != nil {
		return host, 0
	}
	return host, int32(n)
}
