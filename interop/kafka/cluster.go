//go:build unix

// Package kafka runs Apache Kafka in KRaft mode for tests: one node or several,
// each a JVM that serves on loopback and is both broker and controller.
//
//	c := kafka.StartCluster(t, 3, kafka.Options{})
//	leader := c.Leader("orders", 0)
//	leader.Kill()
//
// A cluster ends with its test. Its data and logs are removed unless the test
// failed; then their folder is printed.
package kafka

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/posthaste-go/posthaste/interop/java"
)

// startPatience bounds how long nodes may take to serve; an idle machine of two
// cores takes 4 s for one node, a busy one minutes.
const startPatience = 3 * time.Minute

// A Cluster is one or several nodes that have found each other.
type Cluster struct {
	Nodes []*Node // by id, from 1

	t      testing.TB
	dir    string
	client *kgo.Client
	admin  *kadm.Client // over client
}

// StartNode starts a cluster of one node and waits until it serves.
func StartNode(t testing.TB, o Options) *Cluster {
	t.Helper()
	return StartCluster(t, 1, o)
}

// StartCluster starts n nodes and waits until all serve. Without Java it ends t
// as need.Missing does.
func StartCluster(t testing.TB, n int, o Options) *Cluster {
	t.Helper()
	in := java.Install(t)
	dir, err := os.MkdirTemp("", "posthaste-kafka-*")
	if err != nil {
		t.Fatal(err)
	}
	c := &Cluster{t: t, dir: dir}
	t.Cleanup(c.close)
	if err := c.start(in, n, o); err != nil {
		t.Fatalf("start Kafka: %v", err)
	}
	return c
}

func (c *Cluster) start(in java.Installation, n int, o Options) error {
	id, err := clusterID()
	if err != nil {
		return err
	}
	for i := range n {
		node := &Node{ID: i + 1, in: in, clusterID: id, standalone: n == 1, features: o.Features,
			dir: filepath.Join(c.dir, fmt.Sprintf("node%d", i+1))}
		for _, port := range []*int{
			&node.port, &node.controllerPort, &node.clientPort, &node.brokerPort,
		} {
			if *port, err = FreePort(); err != nil {
				return err
			}
		}
		if err := o.advertise(node); err != nil {
			return err
		}
		c.Nodes = append(c.Nodes, node)
	}
	for _, node := range c.Nodes {
		if err := os.MkdirAll(node.dir, 0o755); err != nil {
			return err
		}
		properties := o.properties(node.ID, node.DataDir(), c.Nodes)
		file := filepath.Join(node.dir, "server.properties")
		if err := os.WriteFile(file, []byte(render(properties)), 0o644); err != nil {
			return err
		}
	}
	c.client, err = kgo.NewClient(kgo.SeedBrokers(c.addrs()...), kgo.RetryTimeout(5*time.Second))
	if err != nil {
		return err
	}
	c.admin = kadm.NewClient(c.client)
	for _, node := range c.Nodes {
		if err := node.Start(); err != nil {
			return err
		}
	}
	return c.waitReady()
}

// clusterID is a random UUID as Kafka writes them.
func clusterID() (string, error) {
	b := make([]byte, 16)
	if _, err := rand.Read(b); err != nil {
		return "", err
	}
	b[0] &= 0x7f // no leading '-' or '_', which a command line would take for a flag
	return base64.RawURLEncoding.EncodeToString(b), nil
}

func (c *Cluster) addrs() []string {
	addrs := make([]string, len(c.Nodes))
	for i, n := range c.Nodes {
		addrs[i] = n.Addr()
	}
	return addrs
}

// Bootstrap is the value of bootstrap.servers.
func (c *Cluster) Bootstrap() string { return strings.Join(c.addrs(), ",") }

// Admin is a client for what tests ask of the cluster beside the tested client.
func (c *Cluster) Admin() *kadm.Client { return c.admin }

// WaitReady returns once every node that should run serves clients.
func (c *Cluster) WaitReady() {
	c.t.Helper()
	if err := c.waitReady(); err != nil {
		c.t.Fatal(err)
	}
}

func (c *Cluster) waitReady() error {
	ctx, cancel := context.WithTimeout(context.Background(), startPatience)
	defer cancel()
	return poll(ctx, func() (string, error) {
		running := 0
		for _, n := range c.Nodes {
			if n.exited() {
				return "", fmt.Errorf("node %d ended: %s", n.ID, lastLines(n.LogFile()))
			}
			if n.PID() != 0 {
				running++
			}
		}
		meta, err := c.Metadata(ctx)
		if err != nil || len(meta.Brokers) != running {
			return fmt.Sprintf("%d nodes run, brokers %v, %v", running, meta.Brokers, err), nil
		}
		return "", nil
	})
}

// Metadata asks a broker; kadm's own calls may answer from what the client has
// cached, which for a list of brokers can be minutes old.
func (c *Cluster) Metadata(ctx context.Context, topics ...string) (*kmsg.MetadataResponse, error) {
	request := kmsg.NewPtrMetadataRequest()
	request.Topics = []kmsg.MetadataRequestTopic{} // none; nil would mean all
	for _, name := range topics {
		topic := kmsg.NewMetadataRequestTopic()
		topic.Topic = &name
		request.Topics = append(request.Topics, topic)
	}
	response, err := request.RequestWith(ctx, c.client)
	if err != nil {
		return kmsg.NewPtrMetadataResponse(), err
	}
	return response, nil
}

// poll asks until nothing is waited for, or ctx ends.
func poll(ctx context.Context, waitsFor func() (string, error)) error {
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		what, err := waitsFor()
		if what == "" || err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("gave up while %s: %w", what, context.Cause(ctx))
		case <-tick.C:
		}
	}
}

// CreateTopic creates a topic on as many replicas as there are nodes, with
// settings such as "min.insync.replicas=2", and waits for its leaders.
func (c *Cluster) CreateTopic(topic string, partitions int32, settings ...string) {
	c.t.Helper()
	config := map[string]*string{}
	for _, s := range settings {
		k, v, _ := strings.Cut(s, "=")
		config[k] = &v
	}
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	_, err := c.admin.CreateTopic(ctx, partitions, int16(len(c.Nodes)), config, topic)
	if err != nil {
		c.t.Fatalf("create topic %s: %v", topic, err)
	}
	for p := range partitions {
		if _, err := c.leader(ctx, topic, p, 0); err != nil {
			c.t.Fatal(err)
		}
	}
}

// Leader is the node that leads a partition, once one does.
func (c *Cluster) Leader(topic string, partition int32) *Node {
	c.t.Helper()
	return c.LeaderOtherThan(topic, partition, nil)
}

// LeaderOtherThan waits until a node other than old leads a partition.
func (c *Cluster) LeaderOtherThan(topic string, partition int32, old *Node) *Node {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	id := 0
	if old != nil {
		id = old.ID
	}
	n, err := c.leader(ctx, topic, partition, id)
	if err != nil {
		c.t.Fatal(err)
	}
	return n
}

// Controller is the active controller of the cluster.
func (c *Cluster) Controller(ctx context.Context) (*Node, error) {
	request := kmsg.NewPtrDescribeQuorumRequest()
	topic := kmsg.NewDescribeQuorumRequestTopic()
	topic.Topic = "__cluster_metadata"
	topic.Partitions = append(topic.Partitions, kmsg.NewDescribeQuorumRequestTopicPartition())
	request.Topics = append(request.Topics, topic)
	response, err := request.RequestWith(ctx, c.client)
	if err != nil {
		return nil, fmt.Errorf("active controller: %w", err)
	}
	for _, t := range response.Topics {
		for _, p := range t.Partitions {
			if id := int(p.LeaderID); p.ErrorCode == 0 && id >= 1 && id <= len(c.Nodes) {
				return c.Nodes[id-1], nil
			}
		}
	}
	return nil, fmt.Errorf("no active controller in %+v", response)
}

func (c *Cluster) leader(
	ctx context.Context, topic string, partition int32, not int,
) (*Node, error) {
	var found *Node
	err := poll(ctx, func() (string, error) {
		meta, err := c.Metadata(ctx, topic)
		if err != nil {
			return err.Error(), nil
		}
		for _, p := range meta.Topics[0].Partitions {
			led := p.ErrorCode == 0 && p.Leader >= 1 && int(p.Leader) <= len(c.Nodes)
			if p.Partition == partition && led && int(p.Leader) != not {
				found = c.Nodes[p.Leader-1]
				return "", nil
			}
		}
		return fmt.Sprintf("metadata says %v", meta.Topics), nil
	})
	if err != nil {
		return nil, fmt.Errorf("leader of %s-%d: %w", topic, partition, err)
	}
	return found, nil
}

func (c *Cluster) close() {
	var errs []error
	if c.client != nil {
		c.client.Close()
	}
	for _, n := range c.Nodes {
		errs = append(errs, n.Kill())
	}
	if err := errors.Join(errs...); err != nil {
		c.t.Errorf("end Kafka: %v", err)
	}
	if c.t.Failed() {
		c.t.Logf("Kafka's data and logs are kept in %s", c.dir)
		return
	}
	if err := os.RemoveAll(c.dir); err != nil {
		c.t.Errorf("remove Kafka's data: %v", err)
	}
}

func lastLines(file string) string {
	b, err := os.ReadFile(file)
	if err != nil {
		return err.Error()
	}
	if len(b) > 3000 {
		b = b[len(b)-3000:]
	}
	return string(b)
}
