package record

import (
	"math/rand/v2"
	"strings"
)

// Base is the timestamp of the first record that Shapes returns.
const Base = 1_700_000_000_000

// Shapes is one record for each way in which clients have been seen to differ:
// null and empty, headers, timestamps, sizes up to the default limits of Kafka
// (message.max.bytes, max.request.size: 1 MiB with the batch's overhead), bytes
// that are not text. All belong to one partition of topic, so that their order
// can be checked too.
func Shapes(topic string, partition int32) []Record {
	records := []Record{
		{Key: []byte("key"), Value: []byte("value")},
		{Key: nil, Value: []byte("null key")},
		{Key: []byte{}, Value: []byte("empty key")},
		{Key: []byte("null value"), Value: nil},
		{Key: []byte("empty value"), Value: []byte{}},
		{Key: nil, Value: nil},
		{Key: []byte{}, Value: []byte{}},
		{Value: []byte("x")},                                                         // one byte
		{Key: []byte{0xff, 0xfe, 0x00, 0x80}, Value: []byte{0x00, 0xc3, 0x28, 0xff}}, // not UTF-8
		{Key: []byte("Zürich"), Value: []byte("日本語 🚂")},
		{Key: []byte("line"), Value: []byte("two\nlines\r\n\ttab")},
		{Value: every(256)},
		{Value: []byte("one header"), Headers: []Header{{"trace", []byte("1")}}},
		{Value: []byte("null header"), Headers: []Header{{"null", nil}}},
		{Value: []byte("empty header"), Headers: []Header{{"empty", []byte{}}}},
		{Value: []byte("one name twice"), Headers: []Header{
			{"h", []byte("first")}, {"other", []byte{0xff}}, {"h", nil}, {"h", []byte("last")}}},
		{Value: []byte("a name that is not ASCII"), Headers: []Header{{"größe", []byte("é")}}},
		{Value: []byte("many headers"), Headers: many(100)},
		{Key: []byte(strings.Repeat("k", 1000)), Value: []byte("long key")},
	}
	for _, size := range []int{63, 64, 8191, 8192, 16_383, 16_384, 65_536, 1_000_000} {
		records = append(records, Record{Key: []byte("size"), Value: noise(size)})
	}
	for i := range records {
		records[i].Topic, records[i].Partition, records[i].Offset = topic, partition, -1
		records[i].Timestamp = Base + int64(i)
	}
	// Times need not rise: a producer may set any.
	records[1].Timestamp = 1
	records[2].Timestamp = Base - 86_400_000
	return records
}

func every(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(i)
	}
	return b
}

func many(n int) []Header {
	headers := make([]Header, n)
	for i := range headers {
		headers[i] = Header{"h", []byte{byte(i)}}
	}
	return headers
}

// noise is half random and half repeated bytes, so that codecs have something
// to find and something to fail at. Equal sizes give equal bytes.
func noise(n int) []byte {
	random := rand.New(rand.NewPCG(1, uint64(n)))
	b := make([]byte, n)
	for i := range b {
		b[i] = 'r'
		if i%128 < 64 {
			b[i] = byte(random.Uint32())
		}
	}
	return b
}
