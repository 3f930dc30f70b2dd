package broker_test

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/posthaste-go/posthaste/broker"
	"github.com/posthaste-go/posthaste/internal/errcode"
)

func admin(t testing.TB, b *broker.Broker) *kadm.Client {
	t.Helper()
	return kadm.NewClient(client(t, b))
}

func TestTopicsFromBirthToDeath(t *testing.T) {
	b := start(t, nil)
	a := admin(t, b)
	ctx := t.Context()
	made, err := a.CreateTopic(ctx, 3, 1, map[string]*string{"retention.ms": kadm.StringPtr("1000")},
		"orders")
	if err != nil || made.NumPartitions != 3 || made.ReplicationFactor != 1 {
		t.Fatalf("CreateTopic = %+v, %v", made, err)
	}
	if got := made.Configs["retention.ms"]; got.Value == nil || *got.Value != "1000" {
		t.Errorf("the answer has retention.ms = %+v", got)
	}
	if _, err := a.CreateTopic(ctx, 3, 1, nil, "orders"); !errors.Is(err, kerr.TopicAlreadyExists) {
		t.Errorf("made again: %v", err)
	}
	if _, err := a.CreateTopic(ctx, -1, -1, nil, "defaults"); err != nil {
		t.Errorf("with defaults: %v", err)
	}
	_, err = a.CreateTopic(ctx, 1, 3, nil, "wide")
	if !errors.Is(err, kerr.InvalidReplicationFactor) {
		t.Errorf("three replicas on one node: %v", err)
	}
	grown, err := a.UpdatePartitions(ctx, 5, "orders")
	if err != nil || grown["orders"].Err != nil {
		t.Errorf("UpdatePartitions = %v, %v", grown, err)
	}
	topics, err := a.ListTopics(ctx)
	if err != nil || len(topics) != 2 || len(topics["orders"].Partitions) != 5 {
		t.Errorf("ListTopics = %v, %v", topics, err)
	}
	if topics["orders"].ID != made.ID {
		t.Errorf("the id was %v and is %v", made.ID, topics["orders"].ID)
	}
	deleted, err := a.DeleteTopics(ctx, "orders", "nothing")
	if err != nil || deleted["orders"].Err != nil ||
		!errors.Is(deleted["nothing"].Err, kerr.UnknownTopicOrPartition) {
		t.Errorf("DeleteTopics = %v, %v", deleted, err)
	}
	if got := b.End("orders", 0); got != -1 {
		t.Errorf("after deletion the log end offset is %d", got)
	}
}

func TestValidateOnlyMakesNothing(t *testing.T) {
	b := start(t, nil)
	a := admin(t, b)
	made, err := a.ValidateCreateTopics(t.Context(), 2, 1, nil, "orders", "a b")
	if err != nil || made["orders"].Err != nil ||
		!errors.Is(made["a b"].Err, kerr.InvalidTopicException) {
		t.Errorf("ValidateCreateTopics = %+v, %v", made, err)
	}
	if topics, err := a.ListTopics(t.Context()); err != nil || len(topics) != 0 {
		t.Errorf("topics: %v, %v", topics, err)
	}
}

func TestCreateTopicsWithAssignments(t *testing.T) {
	b := start(t, nil)
	c := dialRaw(t, b.Addr())
	tests := []struct {
		name       string
		assignment map[int32][]int32
		partitions int32
		want       errcode.Code
	}{
		{"one replica each", map[int32][]int32{0: {1}, 1: {1}}, -1, 0},
		{"a gap", map[int32][]int32{0: {1}, 2: {1}}, -1, errcode.InvalidReplicaAssignment},
		{"a broker that is not there", map[int32][]int32{0: {7}}, -1, errcode.InvalidReplicaAssignment},
		{"a broker twice", map[int32][]int32{0: {1, 1}}, -1, errcode.InvalidReplicaAssignment},
		{"no replicas", map[int32][]int32{0: {}}, -1, errcode.InvalidReplicaAssignment},
		{"a number besides", map[int32][]int32{0: {1}}, 1, errcode.InvalidRequest},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			rt := kmsg.NewCreateTopicsRequestTopic()
			rt.Topic = strings.ReplaceAll(tt.name, " ", "-")
			rt.NumPartitions, rt.ReplicationFactor = tt.partitions, -1
			for n, replicas := range tt.assignment {
				rt.ReplicaAssignment = append(rt.ReplicaAssignment,
					kmsg.CreateTopicsRequestTopicReplicaAssignment{Partition: n, Replicas: replicas})
			}
			req := kmsg.NewPtrCreateTopicsRequest()
			req.Topics = append(req.Topics, rt)
			resp := call[*kmsg.CreateTopicsResponse](c, 7, req)
			if got := errcode.Code(resp.Topics[0].ErrorCode); got != tt.want {
				t.Errorf("error = %v, want %v", got.Name(), tt.want.Name())
			}
		})
	}
}

// The Java client does not take null for a list of settings, and asks for the
// versions from 5 on.
func TestListsThatJavaWantsAreNeverNull(t *testing.T) {
	b := start(t, map[string]int{"orders": 1})
	c := dialRaw(t, b.Addr())
	create := kmsg.NewPtrCreateTopicsRequest()
	create.Topics = []kmsg.CreateTopicsRequestTopic{
		{Topic: "a", NumPartitions: 1, ReplicationFactor: 1},
		{Topic: "b b", NumPartitions: 1, ReplicationFactor: 1}}
	for _, rt := range call[*kmsg.CreateTopicsResponse](c, 7, create).Topics {
		if rt.Configs == nil {
			t.Errorf("CreateTopics of %q: configs are null", rt.Topic)
		}
	}
	describe := kmsg.NewPtrDescribeTopicPartitionsRequest()
	describe.ResponsePartitionLimit = 100
	resp := call[*kmsg.DescribeTopicPartitionsResponse](c, 0, describe)
	for _, rt := range resp.Topics {
		for _, p := range rt.Partitions {
			if p.EligibleLeaderReplicas == nil || p.LastKnownELR == nil {
				t.Errorf("DescribeTopicPartitions of %s: %+v", *rt.Topic, p)
			}
		}
	}
	if len(resp.Topics) != 2 {
		t.Errorf("%d topics are described, want 2", len(resp.Topics))
	}
}

func TestDescribeTopicPartitionsPages(t *testing.T) {
	b := start(t, map[string]int{"a": 3, "b": 2, "c": 1})
	c := dialRaw(t, b.Addr())
	req := kmsg.NewPtrDescribeTopicPartitionsRequest()
	req.ResponsePartitionLimit = 2
	var got []string
	for range 10 {
		resp := call[*kmsg.DescribeTopicPartitionsResponse](c, 0, req)
		page := ""
		for _, rt := range resp.Topics {
			for _, p := range rt.Partitions {
				page += *rt.Topic + string(rune('0'+p.Partition))
			}
		}
		got = append(got, page)
		if resp.NextCursor == nil {
			break
		}
		req.Cursor = &kmsg.DescribeTopicPartitionsRequestCursor{
			Topic: resp.NextCursor.Topic, Partition: resp.NextCursor.Partition}
	}
	if want := []string{"a0a1", "a2b0", "b1c0"}; !slices.Equal(got, want) {
		t.Errorf("pages are %v, want %v", got, want)
	}
}

func TestAutoCreate(t *testing.T) {
	tests := []struct {
		name  string
		cfg   broker.Config
		topic string
		allow bool
		want  errcode.Code
	}{
		{"a topic that is mentioned", broker.Config{NumPartitions: 3}, "new", true, 0},
		{"a client that does not want it", broker.Config{}, "new", false,
			errcode.UnknownTopicOrPartition},
		{"a broker that does not", broker.Config{DisableAutoCreate: true}, "new", true,
			errcode.UnknownTopicOrPartition},
		{"an illegal name", broker.Config{}, "a b", true, errcode.InvalidTopicException},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b := broker.Run(t, tt.cfg)
			c := dialRaw(t, b.Addr())
			req := kmsg.NewPtrMetadataRequest()
			req.AllowAutoTopicCreation = tt.allow
			req.Topics = []kmsg.MetadataRequestTopic{{Topic: &tt.topic}}
			rt := call[*kmsg.MetadataResponse](c, 13, req).Topics[0]
			if got := errcode.Code(rt.ErrorCode); got != tt.want {
				t.Fatalf("error = %v, want %v", got.Name(), tt.want.Name())
			}
			if tt.want == 0 && len(rt.Partitions) != 3 {
				t.Errorf("%d partitions, want num.partitions", len(rt.Partitions))
			}
		})
	}
}

func TestMetadataWithoutTopics(t *testing.T) {
	b := start(t, map[string]int{"a": 1, "b": 1})
	c := dialRaw(t, b.Addr())
	for version := int16(0); version <= 13; version++ {
		none := kmsg.NewPtrMetadataRequest()
		none.Topics = []kmsg.MetadataRequestTopic{}
		want := 0
		if version == 0 {
			want = 2 // where an empty list means all
		}
		if got := len(call[*kmsg.MetadataResponse](c, version, none).Topics); got != want {
			t.Errorf("v%d: an empty list gives %d topics, want %d", version, got, want)
		}
		if version == 0 {
			continue
		}
		all := call[*kmsg.MetadataResponse](c, version, kmsg.NewPtrMetadataRequest())
		if got := len(all.Topics); got != 2 {
			t.Errorf("v%d: null gives %d topics, want 2", version, got)
		}
	}
}

func TestSettingsAreDescribedAndChanged(t *testing.T) {
	b := broker.Run(t, broker.Config{Topics: map[string]int{"orders": 1},
		Properties: map[string]string{"log.retention.hours": "1"}})
	a := admin(t, b)
	ctx := t.Context()
	describe := func(name string) kadm.Config {
		t.Helper()
		rs, err := a.DescribeTopicConfigs(ctx, "orders")
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range rs[0].Configs {
			if c.Key == name {
				return c
			}
		}
		t.Fatalf("%s is not described", name)
		return kadm.Config{}
	}
	if c := describe("retention.ms"); *c.Value != "3600000" ||
		c.Source != kmsg.ConfigSourceStaticBrokerConfig {
		t.Errorf("retention.ms = %s from %v, want the broker's hour", *c.Value, c.Source)
	}
	alter := func(op kadm.IncrementalOp, name, value string) error {
		change := []kadm.AlterConfig{{Op: op, Name: name, Value: &value}}
		rs, err := a.AlterTopicConfigs(ctx, change, "orders")
		if err != nil {
			return err
		}
		return rs[0].Err
	}
	for _, err := range []error{
		alter(kadm.SetConfig, "retention.ms", "5000"),
		alter(kadm.AppendConfig, "cleanup.policy", "compact"),
	} {
		if err != nil {
			t.Error(err)
		}
	}
	if c := describe("retention.ms"); *c.Value != "5000" ||
		c.Source != kmsg.ConfigSourceDynamicTopicConfig {
		t.Errorf("retention.ms = %s from %v", *c.Value, c.Source)
	}
	if c := describe("cleanup.policy"); *c.Value != "delete,compact" {
		t.Errorf("cleanup.policy = %s", *c.Value)
	}
	if err := alter(kadm.SubtractConfig, "cleanup.policy", "delete"); err != nil {
		t.Error(err)
	}
	if c := describe("cleanup.policy"); *c.Value != "compact" {
		t.Errorf("cleanup.policy = %s", *c.Value)
	}
	if err := alter(kadm.DeleteConfig, "retention.ms", ""); err != nil {
		t.Error(err)
	}
	if c := describe("retention.ms"); *c.Value != "3600000" {
		t.Errorf("retention.ms after deletion = %s", *c.Value)
	}
	if err := alter(kadm.SetConfig, "retention.ms", "soon"); !errors.Is(err, kerr.InvalidConfig) {
		t.Errorf("an illegal value: %v", err)
	}
	if err := alter(kadm.AppendConfig, "retention.ms", "1"); !errors.Is(err, kerr.InvalidConfig) {
		t.Errorf("appended to a number: %v", err)
	}
}

func TestBrokerSettingsAtRunTime(t *testing.T) {
	b := start(t, map[string]int{"orders": 1})
	a := admin(t, b)
	ctx := t.Context()
	set := func(name, value string) error {
		rs, err := a.AlterBrokerConfigs(ctx, []kadm.AlterConfig{{Name: name, Value: &value}})
		if err != nil {
			return err
		}
		return rs[0].Err
	}
	if err := set("message.max.bytes", "100"); err != nil {
		t.Fatal(err)
	}
	cl := client(t, b, kgo.ProducerBatchCompression(kgo.NoCompression()))
	err := cl.ProduceSync(ctx, &kgo.Record{Topic: "orders",
		Value: []byte(strings.Repeat("x", 200))}).FirstErr()
	if !errors.Is(err, kerr.MessageTooLarge) {
		t.Errorf("a record beyond the new limit: %v", err)
	}
	if err := set("listeners", "x"); !errors.Is(err, kerr.InvalidConfig) {
		t.Errorf("a setting that is fixed: %v", err)
	}
	rs, err := a.DescribeBrokerConfigs(ctx, 1)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range rs[0].Configs {
		if c.Key == "message.max.bytes" && *c.Value != "100" {
			t.Errorf("message.max.bytes = %s", *c.Value)
		}
	}
}

func TestOffsetsByTime(t *testing.T) {
	b := start(t, map[string]int{"orders": 1})
	a := admin(t, b)
	cl := client(t, b)
	base := time.Now().Truncate(time.Millisecond)
	for i := range 3 {
		r := &kgo.Record{Topic: "orders", Timestamp: base.Add(time.Duration(i) * time.Second)}
		if err := cl.ProduceSync(t.Context(), r).FirstErr(); err != nil {
			t.Fatal(err)
		}
	}
	ctx := t.Context()
	check := func(what string, want int64, got kadm.ListedOffsets, err error) {
		t.Helper()
		o, ok := got.Lookup("orders", 0)
		if err != nil || !ok || o.Err != nil || o.Offset != want {
			t.Errorf("%s = %+v, %v, want %d", what, o, err, want)
		}
	}
	got, err := a.ListEndOffsets(ctx, "orders")
	check("the end", 3, got, err)
	got, err = a.ListStartOffsets(ctx, "orders")
	check("the start", 0, got, err)
	got, err = a.ListOffsetsAfterMilli(ctx, base.Add(500*time.Millisecond).UnixMilli(), "orders")
	check("the first after half a second", 1, got, err)
	got, err = a.ListCommittedOffsets(ctx, "orders")
	check("the last stable offset", 3, got, err)
}

func TestDeleteRecordsMovesTheStart(t *testing.T) {
	b := start(t, map[string]int{"orders": 1})
	mustProduce(t, client(t, b), "orders", "a", "b", "c")
	a := admin(t, b)
	var upTo kadm.Offsets
	upTo.Add(kadm.Offset{Topic: "orders", Partition: 0, At: 2})
	deleted, err := a.DeleteRecords(t.Context(), upTo)
	if d, _ := deleted.Lookup("orders", 0); err != nil || d.Err != nil || d.LowWatermark != 2 {
		t.Fatalf("DeleteRecords = %+v, %v", d, err)
	}
	c := dialRaw(t, b.Addr())
	p := fetched(call[*kmsg.FetchResponse](c, 18, fetchRequest("orders", topicID(c, "orders"), 0)))
	if errcode.Code(p.ErrorCode) != errcode.OffsetOutOfRange {
		t.Errorf("a fetch below the start: error %d", p.ErrorCode)
	}
}

func TestLogDirsAndProducersAreDescribed(t *testing.T) {
	b := start(t, map[string]int{"orders": 2})
	mustProduce(t, client(t, b, kgo.RecordPartitioner(kgo.ManualPartitioner())), "orders", "a")
	a := admin(t, b)
	dirs, err := a.DescribeAllLogDirs(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	size := int64(0)
	dirs.Each(func(d kadm.DescribedLogDir) {
		d.Topics.Each(func(p kadm.DescribedLogDirPartition) { size += p.Size })
	})
	if size < 69 {
		t.Errorf("the logs have %d bytes, want those of a batch at least", size)
	}
	var set kadm.TopicsSet
	set.Add("orders", 0)
	producers, err := a.DescribeProducers(t.Context(), set)
	if err != nil {
		t.Fatal(err)
	}
	list := producers.SortedProducers()
	if len(list) != 1 || list[0].LastSequence != 0 || list[0].CurrentTxnStartOffset != -1 {
		t.Errorf("producers: %+v", list)
	}
}

func TestLeaderEpochsEnd(t *testing.T) {
	b := broker.Run(t, broker.Config{Topics: map[string]int{"orders": 1}, Nodes: 2})
	if err := b.MoveLeader("orders", 0, 0); err != nil {
		t.Fatal(err)
	}
	cl := client(t, b)
	mustProduce(t, cl, "orders", "a", "b")
	c := dialRaw(t, b.Addrs()[1])
	meta := call[*kmsg.MetadataResponse](c, 13, kmsg.NewPtrMetadataRequest())
	old := meta.Topics[0].Partitions[0].LeaderEpoch
	if err := b.MoveLeader("orders", 0, 1); err != nil {
		t.Fatal(err)
	}
	mustProduce(t, cl, "orders", "c")
	req := kmsg.NewPtrOffsetForLeaderEpochRequest()
	rp := kmsg.NewOffsetForLeaderEpochRequestTopicPartition()
	rp.LeaderEpoch, rp.CurrentLeaderEpoch = old, -1
	req.Topics = []kmsg.OffsetForLeaderEpochRequestTopic{{Topic: "orders",
		Partitions: []kmsg.OffsetForLeaderEpochRequestTopicPartition{rp}}}
	p := call[*kmsg.OffsetForLeaderEpochResponse](c, 4, req).Topics[0].Partitions[0]
	if p.ErrorCode != 0 || p.LeaderEpoch != old || p.EndOffset != 2 {
		t.Errorf("epoch %d ends at %+v, want offset 2", old, p)
	}
}

func TestClusterIsDescribed(t *testing.T) {
	b := broker.Run(t, broker.Config{Nodes: 2, Properties: map[string]string{"node.id": "5"}})
	c := dialRaw(t, b.Addr())
	req := kmsg.NewPtrDescribeClusterRequest()
	req.EndpointType = 1
	resp := call[*kmsg.DescribeClusterResponse](c, 2, req)
	if resp.ClusterID != b.ClusterID() || resp.ControllerID != 5 || len(resp.Brokers) != 2 ||
		resp.Brokers[1].NodeID != 6 {
		t.Errorf("DescribeCluster = %+v", resp)
	}
	req.EndpointType = 2
	resp = call[*kmsg.DescribeClusterResponse](c, 2, req)
	if got := errcode.Code(resp.ErrorCode); got != errcode.MismatchedEndpointType {
		t.Errorf("controllers: %v", got.Name())
	}
}

func TestApiVersions(t *testing.T) {
	b := start(t, nil)
	c := dialRaw(t, b.Addr())
	ask := func(version int16, change func(*kmsg.ApiVersionsRequest)) *kmsg.ApiVersionsResponse {
		t.Helper()
		req := kmsg.NewPtrApiVersionsRequest()
		req.ClientSoftwareName, req.ClientSoftwareVersion = "raw", "1"
		change(req)
		return call[*kmsg.ApiVersionsResponse](c, version, req)
	}
	other := "another"
	id := b.ClusterID()
	tests := []struct {
		name    string
		version int16
		change  func(*kmsg.ApiVersionsRequest)
		want    errcode.Code
	}{
		{"the right node", 5, func(r *kmsg.ApiVersionsRequest) { r.ClusterID, r.NodeID = &id, 1 }, 0},
		{"another cluster's node", 5, func(r *kmsg.ApiVersionsRequest) {
			r.ClusterID, r.NodeID = &other, 1
		}, errcode.RebootstrapRequired},
		{"another node", 5, func(r *kmsg.ApiVersionsRequest) {
			r.ClusterID, r.NodeID = &id, 2
		}, errcode.RebootstrapRequired},
		{"a node without its cluster", 5, func(r *kmsg.ApiVersionsRequest) { r.NodeID = 1 },
			errcode.InvalidRequest},
		{"an illegal name of the software", 3, func(r *kmsg.ApiVersionsRequest) {
			r.ClientSoftwareName = "my client"
		}, errcode.InvalidRequest},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := errcode.Code(ask(tt.version, tt.change).ErrorCode); got != tt.want {
				t.Errorf("error = %v, want %v", got.Name(), tt.want.Name())
			}
		})
	}
}

// A client that is newer than the broker must read in version 0 what the broker
// speaks (KIP-511).
func TestApiVersionsOfTheFuture(t *testing.T) {
	b := start(t, nil)
	c := dialRaw(t, b.Addr())
	req := kmsg.NewPtrApiVersionsRequest()
	req.ClientSoftwareName, req.ClientSoftwareVersion = "raw", "1"
	req.SetVersion(5)
	frame := sendAs(c, req, 99)
	resp, err := frame(0)
	if err != nil {
		t.Fatal(err)
	}
	v := resp.(*kmsg.ApiVersionsResponse)
	if errcode.Code(v.ErrorCode) != errcode.UnsupportedVersion || len(v.ApiKeys) != 1 ||
		v.ApiKeys[0].MaxVersion != 5 {
		t.Errorf("answer = %+v", v)
	}
}
