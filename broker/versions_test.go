package broker_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/posthaste-go/posthaste/internal/protocol"
)

// What Apache Kafka 4.4's broker says, but for the APIs that are not here.
func TestApiVersionsAreThoseOfKafka(t *testing.T) {
	b := start(t, nil)
	want := map[protocol.Key]protocol.Range{
		protocol.Produce: {Min: 0, Max: 13}, protocol.Fetch: {Min: 4, Max: 18},
		protocol.ListOffsets: {Min: 1, Max: 11}, protocol.Metadata: {Min: 0, Max: 13},
		protocol.OffsetCommit: {Min: 2, Max: 10}, protocol.OffsetFetch: {Min: 1, Max: 10},
		protocol.FindCoordinator: {Min: 0, Max: 6}, protocol.JoinGroup: {Min: 0, Max: 9},
		protocol.Heartbeat: {Min: 0, Max: 4}, protocol.LeaveGroup: {Min: 0, Max: 5},
		protocol.SyncGroup: {Min: 0, Max: 5}, protocol.DescribeGroups: {Min: 0, Max: 6},
		protocol.ListGroups: {Min: 0, Max: 5}, protocol.APIVersions: {Min: 0, Max: 5},
		protocol.CreateTopics: {Min: 2, Max: 7}, protocol.DeleteTopics: {Min: 1, Max: 6},
		protocol.DeleteRecords: {Min: 0, Max: 2}, protocol.InitProducerID: {Min: 0, Max: 6},
		protocol.OffsetForLeaderEpoch: {Min: 2, Max: 4}, protocol.DescribeConfigs: {Min: 1, Max: 4},
		protocol.AlterConfigs: {Min: 0, Max: 2}, protocol.DescribeLogDirs: {Min: 1, Max: 5},
		protocol.CreatePartitions: {Min: 0, Max: 3}, protocol.DeleteGroups: {Min: 0, Max: 3},
		protocol.IncrementalAlterConfigs: {Min: 0, Max: 1}, protocol.OffsetDelete: {Min: 0, Max: 0},
		protocol.DescribeCluster: {Min: 0, Max: 2}, protocol.DescribeProducers: {Min: 0, Max: 0},
		protocol.DescribeTopicPartitions: {Min: 0, Max: 0},
		protocol.WriteTxnMarkers:         {Min: 1, Max: 2}, protocol.ListTransactions: {Min: 0, Max: 2},
		protocol.DescribeTransactions: {Min: 0, Max: 0},
		protocol.AddOffsetsToTxn:      {Min: 0, Max: 4}, protocol.TxnOffsetCommit: {Min: 0, Max: 6},
		protocol.AddPartitionsToTxn: {Min: 0, Max: 5}, protocol.EndTxn: {Min: 0, Max: 5},
	}
	got := make(map[protocol.Key]protocol.Range)
	for key, r := range advertised(dialRaw(t, b.Addr())) {
		got[protocol.Key(key)] = r
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("advertised versions (-want +got):\n%s", diff)
	}
}

// Every advertised version of every API must be read as it was written, and be
// answered in a form that a client of that version reads.
func TestEveryAdvertisedVersionIsAnswered(t *testing.T) {
	b := start(t, map[string]int{"orders": 2})
	c := dialRaw(t, b.Addr())
	for key, r := range advertised(c) {
		name := kmsg.NameForKey(key)
		for v := r.Min; v <= r.Max; v++ {
			if protocol.Key(key) == protocol.Produce && v < 3 {
				continue // advertised for librdkafka's sake only: KAFKA-18659
			}
			req := kmsg.RequestForKey(key)
			if v > req.MaxVersion() {
				continue // kmsg does not know it: see TestTwoPhaseCommit
			}
			req.SetVersion(v)
			fill(req, topicID(c, "orders"))
			if _, err := c.ask(req); err != nil {
				t.Errorf("%s v%d: %v", name, v, err)
				c = dialRaw(t, b.Addr())
			}
		}
	}
}

// fill puts something into a request that a broker has to look at.
func fill(req kmsg.Request, id [16]byte) {
	topic, version := "orders", req.GetVersion()
	switch r := req.(type) {
	case *kmsg.ProduceRequest:
		*r = *produceRequest(topic, id, newBatch(plain(), "a", "b"))
	case *kmsg.FetchRequest:
		*r = *fetchRequest(topic, id, 0)
	case *kmsg.ListOffsetsRequest:
		p := kmsg.NewListOffsetsRequestTopicPartition()
		p.Timestamp = -1
		r.Topics = []kmsg.ListOffsetsRequestTopic{{Topic: topic,
			Partitions: []kmsg.ListOffsetsRequestTopicPartition{p}}}
	case *kmsg.MetadataRequest:
		r.Topics = []kmsg.MetadataRequestTopic{{Topic: &topic}}
	case *kmsg.ApiVersionsRequest:
		r.ClientSoftwareName, r.ClientSoftwareVersion, r.NodeID = "raw", "1", -1
	case *kmsg.CreateTopicsRequest:
		r.Topics = []kmsg.CreateTopicsRequestTopic{{Topic: "made-" + string(rune('a'+r.Version)),
			NumPartitions: 1, ReplicationFactor: 1}}
	case *kmsg.DeleteTopicsRequest:
		made := "made-" + string(rune('a'+r.Version))
		r.TopicNames = []string{made}
		r.Topics = []kmsg.DeleteTopicsRequestTopic{{Topic: &made}}
	case *kmsg.CreatePartitionsRequest:
		r.Topics = []kmsg.CreatePartitionsRequestTopic{{Topic: topic, Count: 3 + int32(r.Version)}}
	case *kmsg.DescribeConfigsRequest:
		r.Resources = []kmsg.DescribeConfigsRequestResource{
			{ResourceType: kmsg.ConfigResourceTypeTopic, ResourceName: topic},
			{ResourceType: kmsg.ConfigResourceTypeBroker, ResourceName: "1"}}
		r.IncludeSynonyms, r.IncludeDocumentation = true, true
	case *kmsg.OffsetCommitRequest:
		r.Group, r.Generation = "readers", -1
		p := kmsg.NewOffsetCommitRequestTopicPartition()
		p.Offset = 1
		r.Topics = []kmsg.OffsetCommitRequestTopic{{Topic: topic, TopicID: id,
			Partitions: []kmsg.OffsetCommitRequestTopicPartition{p}}}
	case *kmsg.OffsetFetchRequest:
		r.Group = "readers"
		g := kmsg.NewOffsetFetchRequestGroup()
		g.Group = "readers"
		r.Groups = []kmsg.OffsetFetchRequestGroup{g}
	case *kmsg.FindCoordinatorRequest:
		r.CoordinatorKey, r.CoordinatorKeys = "readers", []string{"readers"}
	case *kmsg.DescribeGroupsRequest:
		r.Groups = []string{"readers", "nobody"}
	case *kmsg.OffsetForLeaderEpochRequest:
		p := kmsg.NewOffsetForLeaderEpochRequestTopicPartition()
		r.Topics = []kmsg.OffsetForLeaderEpochRequestTopic{{Topic: topic,
			Partitions: []kmsg.OffsetForLeaderEpochRequestTopicPartition{p}}}
	case *kmsg.DeleteRecordsRequest:
		r.Topics = []kmsg.DeleteRecordsRequestTopic{{Topic: topic,
			Partitions: []kmsg.DeleteRecordsRequestTopicPartition{{Offset: 0}}}}
	case *kmsg.DescribeProducersRequest:
		r.Topics = []kmsg.DescribeProducersRequestTopic{{Topic: topic, Partitions: []int32{0, 9}}}
	case *kmsg.DescribeClusterRequest:
		r.EndpointType = 1
	}
	if r, ok := req.(interface{ SetTimeout(int32) }); ok {
		r.SetTimeout(1000)
	}
	req.SetVersion(version)
}
