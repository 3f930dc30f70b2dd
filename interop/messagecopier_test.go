//go:build unix

package interop

import (
	"fmt"
	"strings"
	"testing"

	"github.com/posthaste-go/posthaste"
	"github.com/posthaste-go/posthaste/interop/driver"
	"github.com/posthaste-go/posthaste/interop/java"
	"github.com/posthaste-go/posthaste/interop/kafka"
)

// TransactionalMessageCopier is what Apache Kafka's own system tests copy topics
// with, exactly once. Here it aborts transactions at random, too.
func TestKafkasMessageCopierOnKafka(t *testing.T) {
	testMessageCopier(t, newTarget(t, kafka.StartNode(t, kafka.Options{}).Bootstrap(), 1))
}

func TestKafkasMessageCopierOnTheEmbeddedBroker(t *testing.T) {
	b, _ := runBroker(t)
	testMessageCopier(t, newTarget(t, b.Addr(), 1))
}

// testMessageCopier lets Kafka's copier read what we wrote, with aborted
// transactions between committed ones, and Java's consumer read its copy.
func testMessageCopier(t *testing.T, tg target) {
	s := &transactional{T: t, target: tg}
	in := s.topic(1)
	out := in + ".out"
	s.createTopic(t, out, 1)
	p := s.open(in)
	const n = 3000
	for i := 0; i < n; {
		s.ok(p.BeginTransaction())
		for range 300 {
			_, err := p.Send(s.Context(), posthaste.Record{Topic: in, Key: []byte("k"),
				Value: fmt.Append(nil, i)})
			s.ok(err)
			i++
		}
		s.ok(p.CommitTransaction(s.Context()))
		s.ok(p.BeginTransaction())
		_, err := p.Send(s.Context(), posthaste.Record{Topic: in, Value: []byte("aborted")})
		s.ok(err)
		s.ok(p.Flush(s.Context()))
		s.ok(p.AbortTransaction(s.Context()))
	}
	report, err := runTool(t, java.Driver(t), driver.Tool{Class: java.TransactionalMessageCopier,
		Args: []string{"--broker-list", tg.bootstrap, "--input-topic", in, "--input-partition", "0",
			"--output-topic", out, "--transactional-id", "copier", "--consumer-group", "copier",
			"--transaction-size", "250", "--max-messages", fmt.Sprint(n), "--enable-random-aborts"}})
	s.ok(err)
	last := report[strings.LastIndex(strings.TrimSpace(report), "\n")+1:]
	if !strings.Contains(last, `"ShutdownComplete"`) ||
		!strings.Contains(last, fmt.Sprintf(`"totalProcessed":%d,"consumed":%d,"remaining":0`, n, n)) {
		t.Errorf("the copier's last word is %s", last)
	}
	var want []string
	for i := range n {
		want = append(want, fmt.Sprint(i))
	}
	s.sees(out, true, want...) // waits for the last marker
	records, err := java.Driver(t).Consume(t.Context(), driver.Consume{Bootstrap: tg.bootstrap,
		Topic: out, ReadCommitted: true})
	s.ok(err)
	if len(records) != n {
		t.Errorf("the copy holds %d records, want %d", len(records), n)
	}
	for i, r := range records {
		if string(r.Value) != fmt.Sprint(i) {
			t.Errorf("record %d of the copy is %s", i, r.Value)
			break
		}
	}
}
