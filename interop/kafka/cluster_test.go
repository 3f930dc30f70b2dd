//go:build unix

package kafka

import (
	"context"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

func TestOneNode(t *testing.T) {
	began := time.Now()
	c := StartNode(t, Options{Properties: map[string]string{"num.partitions": "3"}})
	t.Logf("one node was ready after %v", time.Since(began).Round(time.Millisecond))
	c.CreateTopic("t", 2, "min.insync.replicas=1")
	client := open(t, c)
	write(t, client, "t", "before")

	t.Run("a setting of ours can be overridden", func(t *testing.T) {
		if !strings.Contains(properties(t, c.Nodes[0]), "num.partitions=3\n") {
			t.Error("num.partitions is not that of Options")
		}
	})
	t.Run("what was written survives a kill and a restart", func(t *testing.T) {
		node := c.Nodes[0]
		if err := node.Kill(); err != nil {
			t.Fatal(err)
		}
		if pid := node.PID(); pid != 0 {
			t.Errorf("a killed node has pid %d", pid)
		}
		if err := node.Start(); err != nil {
			t.Fatal(err)
		}
		c.WaitReady()
		write(t, client, "t", "after")
		ends, err := c.Admin().ListEndOffsets(t.Context(), "t")
		if err != nil {
			t.Fatal(err)
		}
		var sum int64
		ends.Each(func(o kadm.ListedOffset) { sum += o.Offset })
		if sum != 2 {
			t.Errorf("the topic holds %d records, want 2", sum)
		}
	})
	t.Run("a paused node answers once it is resumed", func(t *testing.T) {
		if err := c.Nodes[0].Pause(); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
		defer cancel()
		if _, err := c.Admin().ListEndOffsets(ctx, "t"); err == nil {
			t.Error("a paused node answered")
		}
		if err := c.Nodes[0].Resume(); err != nil {
			t.Fatal(err)
		}
		write(t, client, "t", "resumed")
	})
}

func TestThreeNodesElectANewLeaderWhenOneIsKilled(t *testing.T) {
	began := time.Now()
	c := StartCluster(t, 3, Options{})
	t.Logf("three nodes were ready after %v", time.Since(began).Round(time.Millisecond))
	c.CreateTopic("t", 1, "min.insync.replicas=2")
	old := c.Leader("t", 0)
	if err := old.Kill(); err != nil {
		t.Fatal(err)
	}
	killed := time.Now()
	next := c.LeaderOtherThan("t", 0, old)
	t.Logf("node %d leads instead of %d after %v", next.ID, old.ID, time.Since(killed))
	write(t, open(t, c), "t", "to the new leader")
	if err := old.Start(); err != nil {
		t.Fatal(err)
	}
	c.WaitReady()
}

func open(t *testing.T, c *Cluster) *kgo.Client {
	t.Helper()
	client, err := kgo.NewClient(kgo.SeedBrokers(c.addrs()...))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	return client
}

func write(t *testing.T, client *kgo.Client, topic, value string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	r := &kgo.Record{Topic: topic, Value: []byte(value)}
	if err := client.ProduceSync(ctx, r).FirstErr(); err != nil {
		t.Fatal(err)
	}
}

func properties(t *testing.T, n *Node) string {
	t.Helper()
	b, err := os.ReadFile(n.dir + "/server.properties")
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}
