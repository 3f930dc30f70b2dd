package conn

import (
	"testing"

	"github.com/posthaste-go/posthaste/internal/guard"
	"github.com/posthaste-go/posthaste/internal/producer/sender"
)

// answered is a request about six partitions, and its answer's bytes.
func answered() (*sender.Request, []byte, int16) {
	const version = 12
	r := request()
	resp := answerTo(r, 1)
	for i := range resp.Topics {
		for k := range resp.Topics[i].Partitions {
			p := &resp.Topics[i].Partitions[k]
			p.ErrorCode, p.ErrorMessage, p.ErrorRecords = 0, nil, nil
		}
	}
	resp.Brokers = nil
	resp.Version = version
	return r, resp.AppendTo(nil), version
}

func BenchmarkDecode(b *testing.B) {
	r, body, version := answered()
	b.ReportAllocs()
	for b.Loop() {
		if err := parseProduce(r, body, version); err != nil {
			b.Fatal(err)
		}
	}
}

func TestDecodingDoesNotAllocate(t *testing.T) {
	r, body, version := answered()
	if n := testing.AllocsPerRun(100, func() {
		if err := parseProduce(r, body, version); err != nil {
			t.Fatal(err)
		}
	}); n != 0 {
		t.Errorf("decoding an answer costs %v allocations, want 0", n)
	}
}

func TestInstructions(t *testing.T) {
	guard.Check(t, map[string]guard.Work{
		"decode the answer about six partitions": {Times: 4, Prepare: func() func() {
			r, body, version := answered()
			return func() {
				if err := parseProduce(r, body, version); err != nil {
					panic(err)
				}
			}
		}},
	})
}
