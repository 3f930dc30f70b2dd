package wire

import (
	"testing"

	"github.com/posthaste-go/posthaste/internal/guard"
)

func TestInstructions(t *testing.T) {
	guard.Check(t, map[string]guard.Work{
		"encode a record of 100 bytes": {Times: 16, Prepare: func() func() {
			buf, value := make([]byte, 0, 256), make([]byte, 100)
			return func() { AppendIfFits(buf, 3, 5, nil, value) }
		}},
		"seal a batch of 4 KiB": {Times: 1, Prepare: func() func() {
			batch := make([]byte, 4096)
			h := BatchHeader{Count: 30, LastOffsetDelta: 29}
			return func() { h.Seal(batch) }
		}},
	})
}
