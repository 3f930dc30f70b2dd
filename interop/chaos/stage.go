//go:build unix

package chaos

import (
	"context"
	"fmt"
	"net"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"

	"github.com/posthaste-go/posthaste/interop/chaos/proxy"
	"github.com/posthaste-go/posthaste/interop/kafka"
)

// nodes is the size of the cluster: three replicas of everything.
const nodes = 3

// startPatience bounds how long a node may take to start and catch up; a busy
// machine takes a minute.
const startPatience = 3 * time.Minute

// topic is what the load goes to.
const topic = "chaos"

// A stage is a cluster and the proxies around its nodes.
type stage struct {
	cluster     *kafka.Cluster
	clients     map[int]*proxy.Proxy // before a node's CLIENT listener
	brokers     map[int]*proxy.Proxy // before its BROKER listener
	controllers map[int]*proxy.Proxy // before its CONTROLLER listener
}

func newStage(t testing.TB, partitions int) *stage {
	t.Helper()
	s := &stage{clients: map[int]*proxy.Proxy{}, brokers: map[int]*proxy.Proxy{},
		controllers: map[int]*proxy.Proxy{}}
	t.Cleanup(func() {
		for _, p := range s.proxies() {
			if err := p.Close(); err != nil {
				t.Errorf("close a proxy: %v", err)
			}
		}
	})
	s.cluster = kafka.StartCluster(t, nodes, kafka.Options{Via: s.via,
		Properties: map[string]string{
			// A follower that asks a new leader too early waits a second by default, and
			// with it every acks=all; that is not what clients are compared by.
			"replica.fetch.backoff.ms":     "20",
			"auto.create.topics.enable":    "false",
			"auto.leader.rebalance.enable": "false", // elections are events of ours
			"log.cleaner.enable":           "false",
		}})
	s.cluster.CreateTopic(topic, int32(partitions), "min.insync.replicas=2", "retention.ms=-1",
		"segment.bytes=67108864")
	return s
}

// via puts a proxy before a listener.
func (s *stage) via(l kafka.Link) (string, error) {
	port, err := kafka.FreePort()
	if err != nil {
		return "", err
	}
	name := nodeOf
	if l.Listener == "CLIENT" {
		name = nil
	}
	p, err := proxy.Listen(net.JoinHostPort("127.0.0.1", strconv.Itoa(port)), l.Addr, name)
	if err != nil {
		return "", err
	}
	switch l.Listener {
	case "CLIENT":
		s.clients[l.Node] = p
	case "BROKER":
		s.brokers[l.Node] = p
	default:
		s.controllers[l.Node] = p
	}
	return p.Addr, nil
}

var nodeID = regexp.MustCompile(`\d+`)

// nodeOf tells which node connects to another's BROKER or CONTROLLER listener, by
// its client.id: broker-2-fetcher-0, raft-client-2, or 2.
func nodeOf(clientID string) string { return nodeID.FindString(clientID) }

func (s *stage) proxies() []*proxy.Proxy {
	var all []*proxy.Proxy
	for _, m := range []map[int]*proxy.Proxy{s.clients, s.brokers, s.controllers} {
		for _, p := range m {
			all = append(all, p)
		}
	}
	return all
}

// bootstrap is where the client under test begins.
func (s *stage) bootstrap() string {
	var addrs []string
	for id := 1; id <= nodes; id++ {
		addrs = append(addrs, s.clients[id].Addr)
	}
	return strings.Join(addrs, ",")
}

// down kills a node, or shuts it down in order, and has its addresses refuse.
func (s *stage) down(n *kafka.Node, end func(*kafka.Node) error) error {
	if err := end(n); err != nil {
		return err
	}
	for _, p := range []*proxy.Proxy{s.clients[n.ID], s.brokers[n.ID], s.controllers[n.ID]} {
		if err := p.Refuse(); err != nil {
			return err
		}
	}
	return nil
}

// up starts a node and waits until it serves.
func (s *stage) up(ctx context.Context, n *kafka.Node) error {
	if err := s.controllers[n.ID].Accept(); err != nil { // it talks to itself, too
		return err
	}
	if err := n.Start(); err != nil {
		return err
	}
	for _, p := range []*proxy.Proxy{s.brokers[n.ID], s.clients[n.ID]} {
		err := s.until(ctx, startPatience, "a restarted node listens", func() (bool, error) {
			c, err := net.DialTimeout("tcp", p.Target, time.Second)
			if err != nil {
				return false, nil // not yet
			}
			return true, c.Close()
		})
		if err == nil {
			err = p.Accept()
		}
		if err != nil {
			return err
		}
	}
	return s.settled(ctx)
}

// isolate cuts a node off from the other nodes, or heals that.
func (s *stage) isolate(id int, on, drop bool) {
	each := func(p *proxy.Proxy, name string) {
		if on {
			p.Silence(name)
		} else {
			p.Heal(name, drop)
		}
	}
	for other := 1; other <= nodes; other++ {
		if other == id {
			continue
		}
		each(s.brokers[other], strconv.Itoa(id))
		each(s.brokers[id], strconv.Itoa(other))
		each(s.controllers[other], strconv.Itoa(id))
		each(s.controllers[id], strconv.Itoa(other))
	}
}

// A partition is what the cluster says of one.
type partition struct {
	Leader   int // 0: none
	Replicas []int32
	ISR      []int32
}

func (s *stage) partitions(ctx context.Context) (map[int]partition, error) {
	metadata, err := s.cluster.Metadata(ctx, topic)
	if err != nil {
		return nil, err
	}
	out := map[int]partition{}
	for _, t := range metadata.Topics {
		for _, p := range t.Partitions {
			out[int(p.Partition)] = partition{Leader: int(max(p.Leader, 0)), Replicas: p.Replicas,
				ISR: p.ISR}
		}
	}
	if len(out) == 0 {
		return nil, fmt.Errorf("metadata of %s: %+v", topic, metadata.Topics)
	}
	return out, nil
}

// settled waits until every node serves and every replica is in sync, also of
// the coordinators' topic if there is one.
func (s *stage) settled(ctx context.Context) error {
	return s.until(ctx, startPatience, "every replica is in sync", func() (bool, error) {
		metadata, err := s.cluster.Metadata(ctx, topic, "__transaction_state")
		if err != nil || len(metadata.Brokers) < nodes || len(metadata.Topics[0].Partitions) == 0 {
			return false, nil // a node may be on its way up
		}
		for _, t := range metadata.Topics {
			for _, p := range t.Partitions {
				if len(p.ISR) < nodes || p.Leader < 1 {
					return false, nil
				}
			}
		}
		return true, nil
	})
}

// until asks every 20 ms until the answer is yes.
func (s *stage) until(
	ctx context.Context, patience time.Duration, what string, ask func() (bool, error),
) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for {
		ok, err := ask()
		if ok || err != nil {
			return err
		}
		if err := hold(ctx, 20*time.Millisecond); err != nil {
			return fmt.Errorf("gave up waiting until %s: %w", what, err)
		}
	}
}

// hold lets time pass.
func hold(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-timer.C:
		return nil
	}
}

func (s *stage) admin() *kadm.Client { return s.cluster.Admin() }
