package sink

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// scripted is a connection that delivers fixed bytes and keeps what is written.
type scripted struct {
	io.Reader
	written bytes.Buffer
}

func (s *scripted) Write(b []byte) (int, error)      { return s.written.Write(b) }
func (s *scripted) Close() error                     { return nil }
func (s *scripted) LocalAddr() net.Addr              { return &net.TCPAddr{Port: 1} }
func (s *scripted) RemoteAddr() net.Addr             { return s.LocalAddr() }
func (s *scripted) SetDeadline(time.Time) error      { return nil }
func (s *scripted) SetReadDeadline(time.Time) error  { return nil }
func (s *scripted) SetWriteDeadline(time.Time) error { return nil }

func frame(req kmsg.Request, version int16) []byte {
	req.SetVersion(version)
	id := "fuzz"
	f := kmsg.NewRequestFormatter(kmsg.FormatterClientID(id))
	return f.AppendRequest(nil, req, 7)
}

func produceRequest(records []byte) *kmsg.ProduceRequest {
	req := kmsg.NewPtrProduceRequest()
	req.Acks = -1
	t := kmsg.NewProduceRequestTopic()
	t.Topic = "orders"
	p := kmsg.NewProduceRequestTopicPartition()
	p.Records = records
	t.Partitions = append(t.Partitions, p)
	req.Topics = append(req.Topics, t)
	return req
}

// batch is the header of a record batch with count records and a body of zeros.
func batch(count uint32, body int) []byte {
	b := make([]byte, batchHeaderBytes+body)
	binary.BigEndian.PutUint32(b[8:], uint32(len(b)-batchPrefixBytes))
	b[batchMagicAt] = 2
	binary.BigEndian.PutUint32(b[batchCountAt:], count)
	return b
}

func newTestConn(input []byte) (*conn, *scripted) {
	s := &Sink{
		cfg:    Config{Partitions: 2},
		byName: map[string]*topic{},
		byID:   map[[16]byte]*topic{},
	}
	nc := &scripted{Reader: bytes.NewReader(input)}
	return newConn(s, nc), nc
}

func TestBatchesOfARequestAreCountedByTheirHeaders(t *testing.T) {
	tests := []struct {
		name    string
		records []byte
		code    int16
		base    int64
		count   int64
	}{
		{"one batch", batch(5, 100), 0, 0, 5},
		{"two batches in one partition", append(batch(5, 3), batch(2, 0)...), 0, 0, 7},
		{"a batch larger than the read buffer", batch(9, 2*readBufferBytes), 0, 0, 9},
		{"no batch", nil, 0, 0, 0},
		{"fewer bytes than a header", make([]byte, 60), errCorruptMessage, -1, 0},
		{"a batch of an older format", make([]byte, 100), errCorruptMessage, -1, 0},
		{"a batch cut short", batch(5, 100)[:120], errCorruptMessage, -1, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c, nc := newTestConn(frame(produceRequest(tt.records), 9))
			if err := c.request(); err != nil {
				t.Fatal(err)
			}
			resp := kmsg.NewPtrProduceResponse()
			resp.Version = 9
			if err := resp.ReadFrom(nc.written.Bytes()[4+4+1:]); err != nil {
				t.Fatal(err)
			}
			p := resp.Topics[0].Partitions[0]
			if p.ErrorCode != tt.code || p.BaseOffset != tt.base {
				t.Errorf("answer: code %d, base offset %d; want %d, %d",
					p.ErrorCode, p.BaseOffset, tt.code, tt.base)
			}
			if got := c.sink.records.Load(); got != tt.count {
				t.Errorf("counted %d records, want %d", got, tt.count)
			}
			if err := c.request(); !errors.Is(err, io.EOF) {
				t.Errorf("after the only request: %v, want io.EOF", err)
			}
		})
	}
}

func TestUnknownPartitionsAndTopicIDsAreRefused(t *testing.T) {
	tests := []struct {
		name    string
		version int16
		index   int32
		code    int16
	}{
		{"partition beyond the topic's last", 12, 2, errUnknownTopicOrPartition},
		{"negative partition", 12, -1, errUnknownTopicOrPartition},
		{"topic id that no metadata answer named", 13, 0, errUnknownTopicID},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			req := produceRequest(batch(1, 10))
			req.Topics[0].TopicID = [16]byte{1}
			req.Topics[0].Partitions[0].Partition = tt.index
			c, nc := newTestConn(frame(req, tt.version))
			if err := c.request(); err != nil {
				t.Fatal(err)
			}
			resp := kmsg.NewPtrProduceResponse()
			resp.Version = tt.version
			if err := resp.ReadFrom(nc.written.Bytes()[4+4+1:]); err != nil {
				t.Fatal(err)
			}
			if got := resp.Topics[0].Partitions[0].ErrorCode; got != tt.code {
				t.Errorf("code %d, want %d", got, tt.code)
			}
		})
	}
}

// Whatever arrives, a connection ends in io.EOF, io.ErrUnexpectedEOF or
// errMalformed and never in a panic.
func FuzzRequest(f *testing.F) {
	for version := int16(3); version <= 13; version++ {
		f.Add(frame(produceRequest(batch(5, 100)), version))
	}
	f.Add(frame(kmsg.NewPtrMetadataRequest(), 13))
	f.Add(frame(kmsg.NewPtrApiVersionsRequest(), 4))
	f.Add(frame(kmsg.NewPtrInitProducerIDRequest(), 5))
	f.Add(frame(kmsg.NewPtrListOffsetsRequest(), 7))
	f.Add([]byte{0, 0, 0, 1, 0})
	f.Fuzz(func(t *testing.T, input []byte) {
		c, _ := newTestConn(input)
		for {
			err := c.request()
			switch {
			case err == nil:
				continue
			case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF),
				errors.Is(err, errMalformed):
				return
			default:
				t.Fatalf("connection ended with %v", err)
			}
		}
	})
}
