package broker_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/posthaste-go/posthaste/broker"
)

func TestTopicsComeGrowAndGo(t *testing.T) {
	b := start(t, map[string]int{"orders": 1})
	mustProduce(t, client(t, b), "orders", "tea")
	for _, step := range []struct {
		name string
		do   func() error
		want map[string]int
	}{
		{"a new one", func() error { return b.CreateTopic("audit", 2) },
			map[string]int{"orders": 1, "audit": 2}},
		{"more partitions", func() error { return b.AddPartitions("audit", 5) },
			map[string]int{"orders": 1, "audit": 5}},
		{"one is deleted", func() error { return b.DeleteTopic("orders") }, map[string]int{"audit": 5}},
		{"and made anew", func() error { return b.CreateTopic("orders", 3) },
			map[string]int{"orders": 3, "audit": 5}},
	} {
		if err := step.do(); err != nil {
			t.Fatalf("%s: %v", step.name, err)
		}
		if diff := cmp.Diff(step.want, b.Topics()); diff != "" {
			t.Errorf("%s (-want +got):\n%s", step.name, diff)
		}
	}
	if got := b.End("orders", 0); got != 0 {
		t.Errorf("the topic that was made anew has %d records, want none", got)
	}
	if err := b.AddPartitions("orders", 2); err == nil {
		t.Error("a topic lost partitions")
	}
	if err := b.CreateTopic("orders", 1); err == nil {
		t.Error("a topic was made twice")
	}
}

// The answer says what the client's quota asks of it.
func TestThrottleIsAnswered(t *testing.T) {
	b := start(t, nil)
	b.Inject(broker.Request("Metadata").Throttle(700 * time.Millisecond))
	c := dialRaw(t, b.Addr())
	for _, want := range []int32{700, 0} {
		req := kmsg.NewPtrMetadataRequest()
		req.SetVersion(12)
		c.send(req)
		resp, err := c.receive(req)
		if err != nil {
			t.Fatal(err)
		}
		if got := resp.(*kmsg.MetadataResponse).ThrottleMillis; got != want {
			t.Errorf("throttle time %d ms, want %d", got, want)
		}
	}
}
