package interop

import (
	"testing"

	"github.com/posthaste-go/posthaste/interop/driver"
	"github.com/posthaste-go/posthaste/interop/record"
)

// testCommitted mixes a transaction that is committed, one that is aborted and
// records outside of any: readers that ask for committed records see the first
// and the last.
func testCommitted(t *testing.T, tg target) {
	const topic = "committed"
	tg.createTopic(t, topic, 1)
	records := func(value string) []record.Record {
		rs := make([]record.Record, 20)
		for i := range rs {
			rs[i] = record.Record{Topic: topic, Offset: -1, Timestamp: record.Base,
				Key: []byte{byte(i)}, Value: []byte(value)}
		}
		return rs
	}
	committed, aborted, plain := records("committed"), records("aborted"), records("plain")
	transaction := func(abort bool, records []record.Record) {
		t.Helper()
		_, err := javaWriter.open(t).Produce(t.Context(), driver.Produce{
			Bootstrap: tg.bootstrap, Records: records, Abort: abort,
			Config: map[string]string{"transactional.id": "interop"}})
		if err != nil {
			t.Fatal(err)
		}
	}
	transaction(false, committed)
	transaction(true, aborted)
	write(t, tg, ours, map[string]string{"acks": "all"}, plain)
	want := append(committed, plain...)
	readByAll(t, tg, driver.Consume{Topic: topic, ReadCommitted: true}, "none", want)
}
