package conn

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/posthaste-go/posthaste/internal/errcode"
	"github.com/posthaste-go/posthaste/internal/producer/batch"
	"github.com/posthaste-go/posthaste/internal/producer/metadata"
	"github.com/posthaste-go/posthaste/internal/producer/sender"
	"github.com/posthaste-go/posthaste/internal/protocol"
)

// request asks about partitions 0 to 2 of two topics.
func request() *sender.Request {
	r := &sender.Request{Acks: -1, Timeout: 1500 * time.Millisecond}
	for i, topic := range []string{"orders", "payments"} {
		for index := range int32(3) {
			b := batch.New(0, topic, index, make([]byte, 0, 300), 1_700_000_000_000)
			b.Append(1_700_000_000_000, nil, bytes.Repeat([]byte{'v'}, int(index)*60), nil, 0)
			b.Close()
			b.Uncompressed()
			r.Entries = append(r.Entries, sender.Entry{
				Batch: b, Topic: topic, TopicID: metadata.TopicID{byte(i + 1)}, Index: index,
				Leader: metadata.NoLeader, LogStart: -1, BaseOffset: -1, AppendTime: -1,
			})
		}
	}
	return r
}

// answerTo is a broker's answer, with everything in it that there is, from a seed.
func answerTo(r *sender.Request, seed uint64) *kmsg.ProduceResponse {
	rnd := rand.New(rand.NewPCG(seed, 4))
	resp := kmsg.NewPtrProduceResponse()
	resp.ThrottleMillis = rnd.Int32N(1000)
	for rest := r.Entries; len(rest) > 0; rest = rest[sameTopic(rest):] {
		t := kmsg.NewProduceResponseTopic()
		t.Topic, t.TopicID = rest[0].Topic, rest[0].TopicID
		for i := range sameTopic(rest) {
			p := kmsg.NewProduceResponseTopicPartition()
			p.Partition, p.ErrorCode = rest[i].Index, int16(rnd.IntN(10))
			p.BaseOffset, p.LogAppendTime, p.LogStartOffset = rnd.Int64(), rnd.Int64(), rnd.Int64()
			if rnd.IntN(2) == 0 {
				p.ErrorMessage = kmsg.StringPtr("in the broker's words")
				for j := range int32(rnd.IntN(3)) {
					bad := kmsg.NewProduceResponseTopicPartitionErrorRecord()
					bad.RelativeOffset = j
					bad.ErrorMessage = kmsg.StringPtr("bad")
					p.ErrorRecords = append(p.ErrorRecords, bad)
				}
				p.CurrentLeader.LeaderID, p.CurrentLeader.LeaderEpoch = 3, 17
			}
			t.Partitions = append(t.Partitions, p)
		}
		rnd.Shuffle(len(t.Partitions), func(i, j int) {
			t.Partitions[i], t.Partitions[j] = t.Partitions[j], t.Partitions[i]
		})
		resp.Topics = append(resp.Topics, t)
	}
	if rnd.IntN(2) == 0 {
		b := kmsg.NewProduceResponseBroker()
		b.NodeID, b.Host, b.Port, b.Rack = 3, "three", 9093, kmsg.StringPtr("r")
		resp.Brokers = append(resp.Brokers, b)
	}
	return resp
}

// Every version of the answer is read as kmsg writes it, whatever the order of its
// partitions.
func TestParseProduce(t *testing.T) {
	for version := ours[protocol.Produce].Min; version <= ours[protocol.Produce].Max; version++ {
		for seed := range uint64(20) {
			r := request()
			resp := answerTo(r, seed)
			resp.SetVersion(version)
			if err := parseProduce(r, resp.AppendTo(nil), version); err != nil {
				t.Fatalf("v%d: %v", version, err)
			}
			if r.Throttle != time.Duration(resp.ThrottleMillis)*time.Millisecond {
				t.Errorf("v%d: throttle %v", version, r.Throttle)
			}
			if version >= 10 && len(r.Nodes) != len(resp.Brokers) ||
				len(r.Nodes) > 0 &&
					r.Nodes[0] != (metadata.Broker{ID: 3, Host: "three", Port: 9093, Rack: "r"}) {
				t.Errorf("v%d: nodes %v", version, r.Nodes)
			}
			for i := range r.Entries {
				e := &r.Entries[i]
				want := *e
				want.Answered = true
				expect(&want, resp, version)
				opts := cmpopts.IgnoreFields(sender.Entry{}, "Batch")
				if d := cmp.Diff(want, *e, opts, cmpopts.IgnoreUnexported(sender.Entry{})); d != "" {
					t.Fatalf("v%d, seed %d (-want +got):\n%s", version, seed, d)
				}
			}
		}
	}
}

// expect fills in what an entry should have got.
func expect(e *sender.Entry, resp *kmsg.ProduceResponse, version int16) {
	for _, t := range resp.Topics {
		if t.Topic != e.Topic {
			continue
		}
		for _, p := range t.Partitions {
			if p.Partition != e.Index {
				continue
			}
			e.Code, e.BaseOffset, e.AppendTime = errcode.Code(p.ErrorCode), p.BaseOffset, p.LogAppendTime
			e.LogStart = -1
			if version >= 5 {
				e.LogStart = p.LogStartOffset
			}
			if version >= 8 && p.ErrorMessage != nil {
				e.Message = *p.ErrorMessage
			}
			if version >= 8 && len(p.ErrorRecords) > 0 {
				e.BadRecords = map[int32]string{}
				for _, bad := range p.ErrorRecords {
					e.BadRecords[bad.RelativeOffset] = *bad.ErrorMessage
				}
			}
			if version >= 10 && p.CurrentLeader.LeaderID >= 0 {
				e.Leader, e.LeaderEpoch = p.CurrentLeader.LeaderID, p.CurrentLeader.LeaderEpoch
			}
		}
	}
}

// A partition that was not asked about is passed over; one that is left out stays
// without an answer.
func TestParseProduceAboutOthers(t *testing.T) {
	r := request()
	resp := answerTo(r, 1)
	resp.Topics[0].Partitions[0].Partition = 99
	resp.Topics[1].Topic = "another"
	resp.SetVersion(9)
	if err := parseProduce(r, resp.AppendTo(nil), 9); err != nil {
		t.Fatal(err)
	}
	answered := 0
	for i := range r.Entries {
		if r.Entries[i].Answered {
			answered++
		}
	}
	if answered != 2 {
		t.Errorf("%d entries are answered, want 2", answered)
	}
}

// Whatever a broker sends, the parser neither panics nor allocates what is not
// there, and fails only with ErrMalformed.
func FuzzParseProduce(f *testing.F) {
	for version := ours[protocol.Produce].Min; version <= ours[protocol.Produce].Max; version++ {
		resp := answerTo(request(), uint64(version))
		resp.SetVersion(version)
		f.Add(version, resp.AppendTo(nil))
	}
	f.Add(int16(9), []byte{0xff, 0xff, 0xff, 0xff, 0x0f})
	f.Add(int16(3), []byte{0x7f, 0xff, 0xff, 0xff})
	f.Fuzz(func(t *testing.T, version int16, body []byte) {
		if !ours[protocol.Produce].Has(version) {
			return
		}
		r := request()
		if err := parseProduce(r, body, version); err != nil && !errors.Is(err, protocol.ErrMalformed) {
			t.Errorf("parseProduce: %v does not match ErrMalformed", err)
		}
		if len(r.Entries) != 6 || len(r.Nodes) > len(body) {
			t.Errorf("%d entries, %d nodes from %d bytes", len(r.Entries), len(r.Nodes), len(body))
		}
	})
}

// The same for the partitions that metadata numbers: never more than a topic can
// have, whatever their numbers.
func FuzzTopicOf(f *testing.F) {
	f.Add([]byte{0, 0, 0, 2, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff})
	f.Add([]byte{0x7f, 0xff, 0xff, 0xff})
	f.Fuzz(func(t *testing.T, numbers []byte) {
		topic := kmsg.NewMetadataResponseTopic()
		topic.Topic = kmsg.StringPtr("t")
		for ; len(numbers) >= 4; numbers = numbers[4:] {
			p := kmsg.NewMetadataResponseTopicPartition()
			p.Partition, p.Leader = int32(binary.BigEndian.Uint32(numbers)), 1
			topic.Partitions = append(topic.Partitions, p)
		}
		led := 0
		got := topicOf(&topic, false)
		for _, p := range got.Partitions {
			if p.Leader == 1 {
				led++
			}
		}
		if len(got.Partitions) > 1<<20+1 || led > len(topic.Partitions) {
			t.Errorf("%d partitions, %d with a leader, of %d", len(got.Partitions), led,
				len(topic.Partitions))
		}
	})
}

// 349, 353: leader epochs count from metadata v9 on; partitions may come in any
// order, with holes.
func TestTopicOf(t *testing.T) {
	topic := kmsg.NewMetadataResponseTopic()
	topic.Topic, topic.TopicID = kmsg.StringPtr("t"), [16]byte{1}
	for index, leader := range map[int32]int32{3: 1, 1: 2, -5: 3} {
		p := kmsg.NewMetadataResponseTopicPartition()
		p.Partition, p.Leader, p.LeaderEpoch = index, leader, 10+index
		topic.Partitions = append(topic.Partitions, p)
	}
	none := metadata.Partition{Leader: metadata.NoLeader, Epoch: -1}
	for _, trusted := range []bool{true, false} {
		want := metadata.Topic{Name: "t", ID: metadata.TopicID{1}, Partitions: []metadata.Partition{
			none, {Leader: 2, Epoch: 11}, none, {Leader: 1, Epoch: 13},
		}}
		if !trusted {
			want.Partitions[1].Epoch, want.Partitions[3].Epoch = -1, -1
		}
		if d := cmp.Diff(want, topicOf(&topic, trusted)); d != "" {
			t.Errorf("epochs trusted %v (-want +got):\n%s", trusted, d)
		}
	}
	topic.Partitions[0].Partition = 1 << 30
	if got := len(topicOf(&topic, true).Partitions); got != 0 {
		t.Errorf("%d partitions of a topic that numbers one 2^30", got)
	}
}

// A produce request of any version is what kmsg makes of the same.
func TestAppendProduce(t *testing.T) {
	for version := ours[protocol.Produce].Min; version <= ours[protocol.Produce].Max; version++ {
		for _, txn := range []string{"", "a transaction"} {
			r := request()
			c := &Conn{settings: &Settings{ClientID: "me", TransactionalID: txn}}
			w := &writer{conn: c}
			w.head = w.appendProduce(nil, r, version, 77)
			w.gather()
			binary.BigEndian.PutUint32(w.gathered, uint32(len(w.gathered)-4))

			want := kmsg.NewPtrProduceRequest()
			want.SetVersion(version)
			want.Acks, want.TimeoutMillis = -1, 1500
			if txn != "" {
				want.TransactionID = &txn
			}
			for rest := r.Entries; len(rest) > 0; rest = rest[sameTopic(rest):] {
				topic := kmsg.NewProduceRequestTopic()
				topic.Topic, topic.TopicID = rest[0].Topic, rest[0].TopicID
				for i := range sameTopic(rest) {
					p := kmsg.NewProduceRequestTopicPartition()
					p.Partition, p.Records = rest[i].Index, rest[i].Batch.Seal()
					topic.Partitions = append(topic.Partitions, p)
				}
				want.Topics = append(want.Topics, topic)
			}
			if !bytes.Equal(w.gathered, appendRequest(nil, want, 77, "me")) {
				t.Errorf("v%d, transactional id %q: other bytes than kmsg's", version, txn)
			}
		}
	}
}

// We speak nothing that Kafka's own client does not, and what a producer needs of
// brokers from 2.1 on.
func TestVersionsAreThoseOfKafka(t *testing.T) {
	b, err := os.ReadFile("testdata/api-versions.json")
	if err != nil {
		t.Fatal(err)
	}
	var table struct {
		APIs []struct {
			Key            int16
			Name           string
			Oldest, Latest int16
		}
	}
	if err := json.Unmarshal(b, &table); err != nil {
		t.Fatal(err)
	}
	known := map[protocol.Key]bool{}
	for _, api := range table.APIs {
		r, used := ours[protocol.Key(api.Key)]
		if !used {
			continue
		}
		known[protocol.Key(api.Key)] = true
		if r.Min < api.Oldest || r.Max > api.Latest {
			t.Errorf("%s: we speak %d to %d, Kafka's client %d to %d", api.Name, r.Min, r.Max,
				api.Oldest, api.Latest)
		}
	}
	for key := range ours {
		if !known[key] {
			t.Errorf("%v is not in the table", key)
		}
	}
}

// Topics go by id only if all of a request have one (194).
func TestProduceVersionWithoutTopicIDs(t *testing.T) {
	v := versions{theirs: map[protocol.Key]protocol.Range{protocol.Produce: {Min: 0, Max: 20}}}
	r := request()
	if got := v.produce(r); got != 13 {
		t.Errorf("v%d, want 13", got)
	}
	r.Entries[4].TopicID = metadata.TopicID{}
	if got := v.produce(r); got != 12 {
		t.Errorf("v%d without an id, want 12", got)
	}
}

// Frames are read whole, however the bytes come.
func TestFramer(t *testing.T) {
	var stream []byte
	var want []string
	for i := range 300 {
		text := strings.Repeat(fmt.Sprint(i%10), 4+i*37%6000)
		stream = binary.BigEndian.AppendUint32(stream, uint32(len(text)))
		stream = append(stream, text...)
		want = append(want, text)
	}
	readers := map[string]io.Reader{
		"at once":      bytes.NewReader(stream),
		"byte by byte": iotest.OneByteReader(bytes.NewReader(stream)),
		"in halves":    iotest.HalfReader(bytes.NewReader(stream)),
		"with errors":  iotest.DataErrReader(bytes.NewReader(stream)),
	}
	for name, r := range readers {
		f := framer{r: r}
		for i := range want {
			got, err := f.next()
			if err != nil || string(got) != want[i] {
				t.Fatalf("%s: frame %d: %d bytes, %v", name, i, len(got), err)
			}
		}
		if _, err := f.next(); !errors.Is(err, errClosedByBroker) {
			t.Errorf("%s: at the end: %v", name, err)
		}
	}
}

// What is not Kafka is called by its name.
func TestFramerNamesWhatIsNotKafka(t *testing.T) {
	tests := []struct{ name, bytes, want string }{
		{"HTTP", "HTTP/1.1 400 Bad Request\r\n", "it sent text"},
		{"a TLS alert", "\x15\x03\x03\x00\x02\x02\x28", "security.protocol=SSL"},
		{"a length below 4", "\x00\x00\x00\x03abc", "an answer of 3 bytes"},
		{"a negative length", "\xff\xff\xff\xffabc", "not a Kafka broker"},
		{"a length of gigabytes", "\x7f\x00\x00\x00abc", "not a Kafka broker"},
		{"an end in the middle", "\x00\x00\x00\x10abc", "closed the connection"},
	}
	for _, tt := range tests {
		f := framer{r: strings.NewReader(tt.bytes)}
		if _, err := f.next(); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v, which does not say %q", tt.name, err, tt.want)
		}
		if len(f.buf) > 1<<20 {
			t.Errorf("%s: %d bytes were allocated", tt.name, len(f.buf))
		}
	}
}
