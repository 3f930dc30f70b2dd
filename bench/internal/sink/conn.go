package sink

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// versions is what ApiVersions offers: Kafka 4.4's range where it is
// implemented here. Produce is in produce.go, the others in control.go.
var versions = []kmsg.ApiVersionsResponseApiKey{
	{ApiKey: int16(kmsg.Produce), MinVersion: 3, MaxVersion: 13},
	// Not served: librdkafka takes these for the signs that a broker knows record
	// batches of format v2, zstd and lz4, and sends neither without.
	{ApiKey: int16(kmsg.Fetch), MinVersion: 4, MaxVersion: 11},
	{ApiKey: int16(kmsg.FindCoordinator), MinVersion: 0, MaxVersion: 2},
	{ApiKey: int16(kmsg.ListOffsets), MinVersion: 1, MaxVersion: 10},
	{ApiKey: int16(kmsg.Metadata), MinVersion: 0, MaxVersion: 13},
	{ApiKey: int16(kmsg.ApiVersions), MinVersion: 0, MaxVersion: 4},
	{ApiKey: int16(kmsg.InitProducerID), MinVersion: 0, MaxVersion: 5},
}

// header is a request's header without client id and tags.
type header struct {
	key         int16
	version     int16
	correlation int32
}

// conn serves one connection from one goroutine; answer is a second one if
// Config.Delay asks for it.
type conn struct {
	sink    *Sink
	nc      net.Conn
	in      *reader
	out     []byte // the answer being built; reused unless answers are delayed
	delayed chan pending
}

// pending is an answer that is sent when it is due.
type pending struct {
	due    time.Time
	answer []byte
}

func newConn(s *Sink, nc net.Conn) *conn {
	return &conn{sink: s, nc: nc, in: newReader(nc)}
}

// serve answers requests in order until the connection ends.
func (c *conn) serve() {
	if c.sink.cfg.Delay > 0 {
		c.delayed = make(chan pending, 1024)
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			c.answerDelayed()
		}()
		defer func() {
			close(c.delayed)
			<-ended
		}()
	}
	for {
		err := c.request()
		switch {
		case err == nil:
		case errors.Is(err, io.EOF), errors.Is(err, net.ErrClosed):
			return
		default:
			slog.Warn("connection ended", "client", c.nc.RemoteAddr().String(), "cause", err)
			return
		}
	}
}

// answerDelayed writes answers when they are due. After an error it only drains:
// the reading side sees the broken connection, too.
func (c *conn) answerDelayed() {
	var err error
	for p := range c.delayed {
		if err != nil {
			continue
		}
		time.Sleep(time.Until(p.due))
		_, err = c.nc.Write(p.answer)
	}
}

// request reads and answers one request.
func (c *conn) request() error {
	size, err := c.in.begin()
	if err != nil {
		return err
	}
	h := header{key: c.in.int16(), version: c.in.int16(), correlation: c.in.int32()}
	if n := c.in.int16(); n > 0 {
		c.in.skip(int(n)) // client id
	}
	if c.in.err != nil {
		return c.in.err
	}
	c.out = append(c.out[:0], 0, 0, 0, 0) // length, set by reply
	c.out = binary.BigEndian.AppendUint32(c.out, uint32(h.correlation))
	if h.key == int16(kmsg.Produce) {
		return c.produce(h, size)
	}
	return c.control(h)
}

// reply sends c.out, after delay.
func (c *conn) reply(delay time.Duration) error {
	binary.BigEndian.PutUint32(c.out, uint32(len(c.out)-4))
	if c.delayed == nil {
		_, err := c.nc.Write(c.out)
		return err
	}
	c.delayed <- pending{due: time.Now().Add(delay), answer: c.out}
	c.out = nil
	return nil
}

// supported reports whether a version of an API is offered.
func supported(key, version int16) bool {
	for _, v := range versions {
		if v.ApiKey == key {
			return version >= v.MinVersion && version <= v.MaxVersion
		}
	}
	return false
}

func unsupported(h header) error {
	return fmt.Errorf("%w: API %d version %d is not served by the null broker",
		errMalformed, h.key, h.version)
}
