package sender

import (
	"slices"
	"strings"
	"testing"

	"github.com/posthaste-go/posthaste/internal/errcode"
	"github.com/posthaste-go/posthaste/internal/producer/txn"
)

// What an answer of a coordinator leads to.
const (
	again     = "again"     // the same request, perhaps to another broker
	refused   = "refused"   // the call fails and may be made again
	abortable = "abortable" // only an abort leads on
	fatal     = "fatal"     // nothing does
	fenced    = "fenced"    // fatal, because another producer took over
)

// rules are what Kafka's own producer does with each answer; every other code
// leads to rest. Source: TransactionManager's handlers, of Kafka 4.4.
var rules = map[string]struct {
	rest string
	of   map[string]string // what it leads to, and the codes with commas between
}{
	"init": {fatal, map[string]string{
		refused:   "TRANSACTIONAL_ID_AUTHORIZATION_FAILED,CLUSTER_AUTHORIZATION_FAILED",
		abortable: "TRANSACTION_ABORTABLE", fenced: "PRODUCER_FENCED,INVALID_PRODUCER_EPOCH",
	}},
	"partitions": {abortable, map[string]string{
		fatal: "INVALID_TXN_STATE,INVALID_PRODUCER_ID_MAPPING," +
			"TRANSACTIONAL_ID_AUTHORIZATION_FAILED",
		fenced: "PRODUCER_FENCED,INVALID_PRODUCER_EPOCH",
	}},
	"add offsets": {fatal, map[string]string{
		abortable: "UNKNOWN_PRODUCER_ID,GROUP_AUTHORIZATION_FAILED,TRANSACTION_ABORTABLE",
		fenced:    "PRODUCER_FENCED,INVALID_PRODUCER_EPOCH",
	}},
	"offsets": {fatal, map[string]string{
		abortable: "UNKNOWN_MEMBER_ID,ILLEGAL_GENERATION,FENCED_INSTANCE_ID," +
			"GROUP_AUTHORIZATION_FAILED,TRANSACTION_ABORTABLE," +
			"STALE_MEMBER_EPOCH,FENCED_MEMBER_EPOCH", // the last two: groups of KIP-848
		fenced: "PRODUCER_FENCED,INVALID_PRODUCER_EPOCH",
	}},
	"commit": {fatal, map[string]string{
		abortable: "TRANSACTION_ABORTABLE,UNKNOWN_PRODUCER_ID",
		fenced:    "PRODUCER_FENCED,INVALID_PRODUCER_EPOCH",
	}},
	"abort": {fatal, map[string]string{fenced: "PRODUCER_FENCED,INVALID_PRODUCER_EPOCH"}},
}

// ways lead a fresh producer to where its coordinator is asked for something.
var ways = map[string]string{
	"init":       "init\ncoordinate broker1",
	"partitions": "init\ncoordinate broker1\ncoordinate ok\nbegin\nwant t\nready t-0 a",
	"add offsets": "init\ncoordinate broker1\ncoordinate ok\nbegin\n" +
		"offsets g t-0=5",
	"offsets": "init\ncoordinate broker1\ncoordinate ok\nbegin\noffsets g t-0=5\n" +
		"coordinate ok\ncoordinate broker1",
	"commit": "init\ncoordinate broker1\ncoordinate ok\nbegin\nwant t\nready t-0 a\n" +
		"coordinate ok\nanswer 1 a=ok@0\ncommit",
	"abort": "init\ncoordinate broker1\ncoordinate ok\nbegin\nwant t\nready t-0 a\n" +
		"coordinate ok\nanswer 1 a=ok@0\nabort",
}

// Every code as an answer to every request of a version 1 transaction. Scenarios
// 259 to 262, 268, 273 to 278, 304 to 308, 318 to 323.
func TestEveryAnswerOfACoordinator(t *testing.T) {
	for where, rule := range rules {
		for c := errcode.UnknownServerError; c <= 130; c++ {
			if _, known := errcode.ByName(c.Name()); !known || c == errcode.None {
				continue
			}
			want := rule.rest
			for leads, codes := range rule.of {
				if slices.Contains(strings.Split(codes, ","), c.Name()) {
					want = leads
				}
			}
			if c.Retriable() || c == errcode.NotCoordinator ||
				c == errcode.CoordinatorNotAvailable {
				want = again
			}
			t.Run(where+"/"+c.Name(), func(t *testing.T) {
				if got := leadsTo(t, where, c.Name()); got != want {
					t.Errorf("leads to %s, want %s", got, want)
				}
			})
		}
	}
}

// leadsTo plays the way and gives one answer.
func leadsTo(t *testing.T, where, code string) string {
	s := &script{}
	for line := range strings.Lines("set transactional=on\ncluster brokers=1 t-0=1@1\n" +
		"manual coordinator\n" + ways[where] + "\n") {
		s.run(t, strings.TrimSpace(line))
	}
	before := s.h.asked
	line := "coordinate " + code
	if where == "partitions" || where == "offsets" {
		line = "coordinate t-0=" + code
	}
	s.run(t, line)
	s.run(t, "+1s")
	switch c := s.h.core; {
	case c.fatal != nil && c.fatal.Code == errcode.ProducerFenced:
		return fenced
	case c.fatal != nil:
		return fatal
	case c.txn.machine.State() == txn.AbortableError:
		return abortable
	case c.txn.machine.State() == txn.Uninitialized:
		return refused
	case s.h.asked != before:
		return again
	}
	return "nothing"
}
