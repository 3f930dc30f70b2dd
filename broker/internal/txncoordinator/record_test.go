package txncoordinator

import (
	"encoding/hex"
	"math/rand/v2"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

var whole = cmp.Options{cmp.AllowUnexported(metadata{}), cmpopts.EquateEmpty()}

// What is written is read, at every level of transaction.version.
func TestRecordsAreReadAsTheyWereWritten(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for range 200 {
		m := metadata{Producer: Producer{rng.Int64(), int16(rng.Int32N(1 << 15))}, previousID: noID,
			nextID: noID, nextEpoch: noEpoch, lastEpoch: noEpoch, timeout: rng.Int32(),
			state: State(rng.IntN(6)), start: rng.Int64(), updated: rng.Int64()}
		level := Version(rng.IntN(3))
		if level > 0 && rng.IntN(2) == 0 {
			m.previousID, m.nextID, m.version = rng.Int64(), rng.Int64(), Version2
			m.nextEpoch = int16(rng.Int32N(1<<15)) - 1
		}
		if m.state != Empty {
			for _, topic := range []string{"a", "b", "c"}[:rng.IntN(4)] {
				for n := range rng.Int32N(3) {
					m.partitions = append(m.partitions, TopicPartition{topic, n})
				}
			}
		}
		got, err := decode(m.encode(level))
		if err != nil {
			t.Fatalf("%+v: %v", m, err)
		}
		if diff := cmp.Diff(m, got, whole); diff != "" {
			t.Fatalf("level %d (-written +read):\n%s", level, diff)
		}
	}
	if id, err := decodeKey(encodeKey("payments-1")); id != "payments-1" || err != nil {
		t.Errorf("key: %q, %v", id, err)
	}
}

func FuzzReplay(f *testing.F) {
	m := metadata{Producer: Producer{1, 2}, state: Ongoing, partitions: []TopicPartition{t0, t1}}
	f.Add(encodeKey("x"), m.encode(Version0))
	f.Add(encodeKey("x"), m.encode(Version2))
	m.nextID, m.nextEpoch = 3, 4
	f.Add(encodeKey("x"), m.encode(Version2))
	f.Fuzz(func(t *testing.T, key, value []byte) {
		found := map[string]*transaction{}
		if err := replay(found, 0, Record{key, value}); err != nil {
			return
		}
		for _, tx := range found {
			if _, err := decode(tx.m.encode(Version2)); err != nil {
				t.Errorf("%s was read and cannot be written: %v", hex.EncodeToString(value), err)
			}
		}
	})
}
