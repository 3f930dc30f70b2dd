// Package load is what the clients of a chaos run have in common: which records
// are sent, at which pace, and how it is written down what became of each.
//
// A client is a process of its own. Its standard input gives one Spec as a line
// of JSON, then the line "stop"; it ends when that has been obeyed, and at once
// when its standard input ends. On its standard output it says "sending" when it
// begins and "sent N" when every record has an outcome. The outcomes are a file:
//
//	key number outcome partition offset microseconds [why]
//	17 4711 acked 3 100200 1700000000000000
//	17 4712 failed -1 -1 1700000030000000 delivery.timeout.ms passed
//
// and, of a transactional client, one line for each transaction:
//
//	txn number outcome microseconds [why]
//
// Package load writes the Go clients'; Load.java and load.py write the same.
package load

import (
	"encoding/binary"
	"fmt"
	"time"
)

// A Spec is what a client is to send. Settings are by Java's names; each client
// takes what it has, and keeps its defaults otherwise.
type Spec struct {
	Client     string `json:"client"`
	Bootstrap  string `json:"bootstrap"`
	Topic      string `json:"topic"`
	Outcomes   string `json:"outcomes"`    // file to write
	Seed       uint64 `json:"seed"`        // of the records' keys and sizes
	Rate       int    `json:"rate"`        // records a second
	Keys       int    `json:"keys"`        // number of different keys
	TxnRecords int    `json:"txn_records"` // mean size of a transaction; 0: no transactions
}

// TransactionalID is that of every client that sends in transactions.
const TransactionalID = "load"

// What can become of a record.
const (
	Acked      = "acked"       // acknowledged
	Refused    = "refused"     // the call that sends refused it: never accepted
	NotWritten = "not-written" // failed, and the client says that no broker has it
	Maybe      = "maybe"       // failed, and the client says that a broker may have it
	Failed     = "failed"      // failed, and the client says no more
)

// What can become of a transaction.
const (
	Committed = "committed"
	Aborted   = "aborted"
	Unknown   = "unknown" // the client cannot tell which of the two
)

// A Record is one of the load: the number-th of its key, from 0.
type Record struct {
	Key    uint32
	Txn    uint32 // number of its transaction, from 1; 0 is none
	Number uint64
	Size   int // bytes of its value
}

// headerSize is how many bytes of a value say what record it is.
const headerSize = 16

// KeyBytes is the record's key.
func (r Record) KeyBytes() []byte { return fmt.Appendf(nil, "key-%d", r.Key) }

// Value is the record's value: key, transaction and number, big-endian, filled
// up with x.
func (r Record) Value() []byte {
	b := make([]byte, r.Size)
	binary.BigEndian.PutUint32(b, r.Key)
	binary.BigEndian.PutUint32(b[4:], r.Txn)
	binary.BigEndian.PutUint64(b[8:], r.Number)
	for i := headerSize; i < len(b); i++ {
		b[i] = 'x'
	}
	return b
}

// Parse is the inverse of Value.
func Parse(value []byte) (Record, error) {
	if len(value) < headerSize {
		return Record{}, fmt.Errorf("value %q is not of this load", value)
	}
	return Record{
		Key: binary.BigEndian.Uint32(value), Txn: binary.BigEndian.Uint32(value[4:]),
		Number: binary.BigEndian.Uint64(value[8:]), Size: len(value),
	}, nil
}

// A Generator makes the records of a Spec, the same in every language.
type Generator struct {
	state   uint64
	numbers []uint64 // next of each key
}

// NewGenerator starts at the first record.
func NewGenerator(s Spec) *Generator {
	return &Generator{state: s.Seed, numbers: make([]uint64, s.Keys)}
}

// Next is the next record: 16 to 199 bytes of value, a key drawn evenly.
func (g *Generator) Next() Record {
	h := g.draw()
	r := Record{Key: uint32(h % uint64(len(g.numbers))), Size: headerSize + int(h>>32%184)}
	r.Number = g.numbers[r.Key]
	g.numbers[r.Key]++
	return r
}

// TxnSize draws the size of the next transaction, 0.2 to 1.8 times its mean, and
// whether it is to be aborted, as one in five is.
func (g *Generator) TxnSize(mean int) (records int, abort bool) {
	h := g.draw()
	return max(1, mean/5+int(h%uint64(mean*8/5+1))), h>>40%5 == 0
}

// draw is splitmix64.
func (g *Generator) draw() uint64 {
	g.state += 0x9e3779b97f4a7c15
	z := g.state
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return z ^ z>>31
}

// A Pace says how many records are due. What a client could not take for more
// than a tenth of a second is not made up for.
type Pace struct {
	rate  int // a second
	last  time.Time
	spare float64 // records due and not given yet
}

// NewPace starts at now.
func NewPace(rate int, now time.Time) *Pace { return &Pace{rate: rate, last: now} }

// Due is the number of records to be sent at now, never negative: on a busy machine
// a ticker's times may go back a little.
func (p *Pace) Due(now time.Time) int {
	if now.Before(p.last) {
		return 0
	}
	elapsed := min(now.Sub(p.last).Seconds(), 0.1)
	p.last = now
	p.spare += elapsed * float64(p.rate)
	due := int(p.spare)
	p.spare -= float64(due)
	return due
}
