package conn

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"time"

	"github.com/posthaste-go/posthaste/internal/errcode"
	"github.com/posthaste-go/posthaste/internal/mutation"
	"github.com/posthaste-go/posthaste/internal/producer/metadata"
	"github.com/posthaste-go/posthaste/internal/producer/sender"
	"github.com/posthaste-go/posthaste/internal/protocol"
)

// maxAnswer bounds an answer: more is not Kafka. Metadata of 100,000 partitions
// takes about 10 MB.
const maxAnswer = 256 << 20

// errClosedByBroker is what the end of the stream means.
var errClosedByBroker = errors.New("the broker closed the connection")

// read takes answers in until the connection ends.
//
// Started by: run. Ends: when reading fails.
func (c *Conn) read(nc net.Conn) {
	defer close(c.ended)
	f := framer{r: nc}
	for {
		frame, err := f.next()
		if err != nil {
			c.fail(err)
			return
		}
		select {
		case m := <-c.pending:
			if mutation.On(mutation.WrongRequest) {
				c.mixUp(&m)
			}
			if err := c.answer(m, frame); err != nil {
				c.fail(err)
				return
			}
		default:
			c.fail(errors.New("an answer came to no request"))
			return
		}
	}
}

// mixUp is mutation.WrongRequest: m gets the request of the message behind it.
func (c *Conn) mixUp(m *message) {
	for i := range len(c.pending) { // once around
		behind := <-c.pending
		if i == 0 && m.produce != nil && behind.produce != nil {
			m.produce, behind.produce = behind.produce, m.produce
		}
		c.pending <- behind
	}
}

// answer decodes the answer to m and passes it on.
func (c *Conn) answer(m message, frame []byte) error {
	key := protocol.Produce
	if m.produce == nil {
		key = m.control.key()
	}
	id, body, err := protocol.ParseResponseHeader(frame, key, m.version)
	if err != nil {
		return err
	}
	if id != m.correlation {
		return fmt.Errorf("answer %d came where %d was due", id, m.correlation)
	}
	if m.produce == nil {
		return c.answerControl(m, body)
	}
	if err := parseProduce(m.produce, body, m.version); err != nil {
		return fmt.Errorf("produce answer: %w", err)
	}
	c.settings.Events(m.produce.Answered())
	return nil
}

// framer reads length-prefixed frames into one buffer.
type framer struct {
	r     io.Reader
	buf   []byte
	start int // of what was read and not used
	end   int
}

// next is the next frame without its length. It is valid until the call after.
func (f *framer) next() ([]byte, error) {
	if err := f.fill(4); err != nil {
		return nil, err
	}
	first := f.buf[f.start : f.start+4]
	size := int(int32(binary.BigEndian.Uint32(first)))
	if size < 4 || size > maxAnswer {
		if what := protocol.Sniff(first); what != "" {
			return nil, fmt.Errorf("not a Kafka broker, or not on this port: it sent %s%s",
				what, remedy(what))
		}
		return nil, fmt.Errorf("not a Kafka broker: an answer of %d bytes", size)
	}
	if err := f.fill(4 + size); err != nil {
		return nil, err
	}
	frame := f.buf[f.start+4 : f.start+4+size]
	f.start += 4 + size
	return frame, nil
}

func remedy(what string) string {
	if what == "a TLS alert" || what == "a TLS ClientHello" {
		return "; it speaks TLS: set security.protocol=SSL or SASL_SSL"
	}
	return ""
}

// fill reads until n bytes are there.
func (f *framer) fill(n int) error {
	if f.end-f.start >= n {
		return nil
	}
	if f.start+n > len(f.buf) {
		have := f.buf[f.start:f.end]
		if n > len(f.buf) {
			f.buf = make([]byte, max(n, 4<<10))
		}
		f.end = copy(f.buf, have)
		f.start = 0
	}
	for f.end-f.start < n {
		got, err := f.r.Read(f.buf[f.end:])
		f.end += got
		if got > 0 {
			continue
		}
		if errors.Is(err, io.EOF) {
			return errClosedByBroker
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// parseProduce reads a produce answer into the request's entries.
//
// Source: ProduceResponse.json, versions 3 to 13.
func parseProduce(r *sender.Request, body []byte, version int16) error {
	p := produceParser{Reader: protocol.NewReader(body), version: version, request: r}
	topics := p.arrayLen()
	for range topics {
		p.topic()
		if p.Err() != nil {
			return p.Err()
		}
	}
	r.Throttle = time.Duration(p.Int32()) * time.Millisecond
	p.tags(func(tag uint32, r protocol.Reader) {
		if tag == 0 && version >= 10 {
			p.endpoints(r)
		}
	})
	return p.Err()
}

type produceParser struct {
	protocol.Reader
	version int16
	request *sender.Request
	next    int // the entry that is due
}

func (p *produceParser) flexible() bool { return p.version >= 9 }

func (p *produceParser) arrayLen() int {
	if p.flexible() {
		return p.CompactArrayLen()
	}
	return p.ArrayLen()
}

func (p *produceParser) string() []byte {
	if p.flexible() {
		return p.CompactNullableString()
	}
	return p.NullableString()
}

func (p *produceParser) topic() {
	var name []byte
	var id metadata.TopicID
	if p.version >= 13 {
		id = p.UUID()
	} else {
		name = p.string()
	}
	for range p.arrayLen() {
		p.partition(name, id)
		if p.Err() != nil {
			return
		}
	}
	p.tags(nil)
}

func (p *produceParser) partition(name []byte, id metadata.TopicID) {
	e := p.find(name, id, p.Int32())
	e.Answered = true
	e.Code = errcode.Code(p.Int16())
	e.BaseOffset = p.Int64()
	e.AppendTime = p.Int64()
	if p.version >= 5 {
		e.LogStart = p.Int64()
	}
	if p.version >= 8 {
		for range p.arrayLen() {
			index := p.Int32()
			text := string(p.string())
			p.tags(nil)
			if e.BadRecords == nil {
				e.BadRecords = map[int32]string{}
			}
			e.BadRecords[index] = text
			if p.Err() != nil {
				return
			}
		}
		e.Message = string(p.string())
	}
	p.tags(func(tag uint32, r protocol.Reader) {
		if tag == 0 && p.version >= 10 {
			e.Leader, e.LeaderEpoch = r.Int32(), r.Int32()
		}
	})
}

// find is the entry that an answer belongs to; answers come in the order of the
// request, or nearly. An answer to what was not asked goes nowhere.
func (p *produceParser) find(name []byte, id metadata.TopicID, index int32) *sender.Entry {
	entries := p.request.Entries
	for i := range entries {
		e := &entries[(p.next+i)%len(entries)]
		same := e.Topic == string(name)
		if p.version >= 13 {
			same = e.TopicID == id
		}
		if same && e.Index == index {
			p.next = (p.next + i + 1) % len(entries)
			return e
		}
	}
	return &sender.Entry{}
}

// tags reads a tag section, if the version has one.
func (p *produceParser) tags(use func(tag uint32, r protocol.Reader)) {
	if !p.flexible() {
		return
	}
	for n := p.Uvarint(); n > 0 && p.Err() == nil; n-- {
		tag := p.Uvarint()
		field := p.Span(int(p.Uvarint()))
		if use != nil && p.Err() == nil {
			use(tag, protocol.NewReader(field))
		}
	}
}

// endpoints reads the addresses of new leaders (KIP-951).
func (p *produceParser) endpoints(r protocol.Reader) {
	for range r.CompactArrayLen() {
		b := metadata.Broker{ID: r.Int32()}
		b.Host = string(r.CompactNullableString())
		b.Port = r.Int32()
		b.Rack = string(r.CompactNullableString())
		r.Tags()
		if r.Err() != nil {
			return
		}
		p.request.Nodes = append(p.request.Nodes, b)
	}
}
