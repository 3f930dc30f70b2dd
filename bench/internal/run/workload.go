package run

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
)

// distinctValues is how many different random values a run without a data file
// has: enough to defeat a cache of the last value, few enough to stay in L2.
const distinctValues = 1024

// keyMultiplier scatters consecutive record numbers over the keys (Knuth's
// multiplicative hash): neighbours get keys far apart.
const keyMultiplier = 2654435761

// Workload holds the bytes of every key and value of a run, made before time is
// taken, so that making them costs a client nothing.
type Workload struct {
	values [][]byte
	keys   [][]byte // of the records in turn; empty if records have no key
}

// NewWorkload makes the keys and values that o asks for. Values come from a
// fixed seed: every client sends the same bytes.
func NewWorkload(o *Options) (*Workload, error) {
	w := &Workload{keys: distinctKeys(o.Distinct())}
	if o.Data == "" {
		w.values = randomValues(o.ValueSize)
		return w, nil
	}
	values, err := readLines(o.Data)
	if err != nil {
		return nil, err
	}
	w.values = values
	return w, nil
}

// distinctKeys lays the keys down in the order in which records use them: fetching
// each from a place of its own would cost a program more than some clients do.
func distinctKeys(n int) [][]byte {
	keys := make([][]byte, n)
	flat := make([]byte, 0, n*len("key-000000"))
	for i := range keys {
		start := len(flat)
		flat = fmt.Appendf(flat, "key-%06d", uint64(i)*keyMultiplier%uint64(n))
		keys[i] = flat[start:len(flat):len(flat)]
	}
	return keys
}

func randomValues(size int) [][]byte {
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+-"
	rng := rand.New(rand.NewPCG(1, 2))
	flat := make([]byte, distinctValues*size)
	for i := range flat {
		flat[i] = alphabet[rng.IntN(len(alphabet))]
	}
	values := make([][]byte, distinctValues)
	for i := range values {
		values[i] = flat[i*size : (i+1)*size : (i+1)*size]
	}
	return values
}

func readLines(path string) ([][]byte, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read --data: %w", err)
	}
	lines := bytes.Split(bytes.TrimRight(data, "\n"), []byte("\n"))
	if len(lines) == 1 && len(lines[0]) == 0 {
		return nil, fmt.Errorf("read --data: %s has no lines", path)
	}
	return lines, nil
}

// cursor walks the workload as one thread sees it: records first, first+step, …
// It keeps positions instead of dividing for each record.
type cursor struct {
	work      *Workload
	value     int
	valueStep int
	key       int
	keyStep   int
}

func (w *Workload) cursor(first, step int64) cursor {
	c := cursor{
		work:      w,
		value:     int(first % int64(len(w.values))),
		valueStep: int(step % int64(len(w.values))),
	}
	if n := int64(len(w.keys)); n > 0 {
		c.key, c.keyStep = int(first%n), int(step%n)
	}
	return c
}

// next returns the key and value of the cursor's record and moves on.
func (c *cursor) next() (key, value []byte) {
	value = c.work.values[c.value]
	c.value += c.valueStep
	if c.value >= len(c.work.values) {
		c.value -= len(c.work.values)
	}
	if n := len(c.work.keys); n > 0 {
		key = c.work.keys[c.key]
		c.key += c.keyStep
		if c.key >= n {
			c.key -= n
		}
	}
	return key, value
}
