package limit

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/posthaste-go/posthaste/bench/internal/run"
)

// session is one connection to the broker that leads all partitions.
type session struct {
	conn       net.Conn
	in         *bufio.Reader // of conn
	producerID int64         // -1: not idempotent
	acks       int16
	answer     []byte // reused
}

// refusedError is an error code in an answer to a produce request.
type refusedError struct {
	partition int32
	code      int16
}

func (e refusedError) Error() string {
	return fmt.Sprintf("the broker refused a batch for partition %d with error code %d",
		e.partition, e.code)
}

var errShortAnswer = errors.New("produce answer ends early")

// openSession connects, makes sure that the one broker leads all partitions, and
// gets a producer id if o asks for idempotence.
func openSession(o *run.Options) (*session, error) {
	conn, err := net.Dial("tcp", o.Bootstrap)
	if err != nil {
		return nil, err
	}
	s := &session{conn: conn, in: bufio.NewReaderSize(conn, 64<<10), producerID: -1}
	s.acks = map[string]int16{"0": 0, "1": 1, "all": -1}[o.Acks]
	if err := s.checkTopic(o); err != nil {
		conn.Close()
		return nil, err
	}
	if o.Idempotent {
		init := kmsg.NewPtrInitProducerIDRequest()
		init.ProducerID, init.ProducerEpoch = -1, -1
		resp := kmsg.NewPtrInitProducerIDResponse()
		if err := s.exchange(init, resp); err != nil {
			conn.Close()
			return nil, fmt.Errorf("init producer id: %w", err)
		}
		s.producerID = resp.ProducerID
	}
	return s, nil
}

func (s *session) checkTopic(o *run.Options) error {
	req := kmsg.NewPtrMetadataRequest()
	req.Version = 5
	topic := kmsg.NewMetadataRequestTopic()
	topic.Topic = &o.Topic
	req.Topics = append(req.Topics, topic)
	resp := kmsg.NewPtrMetadataResponse()
	if err := s.exchange(req, resp); err != nil {
		return fmt.Errorf("metadata: %w", err)
	}
	if len(resp.Brokers) != 1 {
		return fmt.Errorf("the limit loop writes to one broker; there are %d", len(resp.Brokers))
	}
	if len(resp.Topics) != 1 || resp.Topics[0].ErrorCode != 0 {
		return fmt.Errorf("metadata: topic %s does not exist", o.Topic)
	}
	if n := len(resp.Topics[0].Partitions); n != o.Partitions {
		return fmt.Errorf("topic %s has %d partitions, not %d", o.Topic, n, o.Partitions)
	}
	return nil
}

// exchange sends req and reads its answer into resp, both of req's version.
func (s *session) exchange(req kmsg.Request, resp kmsg.Response) error {
	resp.SetVersion(req.GetVersion())
	f := kmsg.NewRequestFormatter(kmsg.FormatterClientID("limit"))
	if _, err := s.conn.Write(f.AppendRequest(nil, req, 0)); err != nil {
		return err
	}
	body, err := s.readFrame()
	if err != nil {
		return err
	}
	return resp.ReadFrom(body)
}

// readFrame reads an answer and returns it behind its correlation id. The bytes
// are valid until the next call.
func (s *session) readFrame() ([]byte, error) {
	var length [4]byte
	if _, err := io.ReadFull(s.in, length[:]); err != nil {
		return nil, err
	}
	size := int(int32(binary.BigEndian.Uint32(length[:])))
	if size < 4 || size > 16<<20 {
		return nil, fmt.Errorf("answer of %d bytes", size)
	}
	if size > cap(s.answer) {
		s.answer = make([]byte, size)
	}
	frame := s.answer[:size]
	_, err := io.ReadFull(s.in, frame)
	return frame[4:], err
}

// readAnswer reads the answer to a produce request of version 7. A refusedError
// means that it was read whole.
func (s *session) readAnswer() error {
	const perPartition = 4 + 2 + 8 + 8 + 8 // index, error, base offset, time, log start
	body, err := s.readFrame()
	if err != nil {
		return err
	}
	if len(body) < 6 || binary.BigEndian.Uint32(body) != 1 {
		return errShortAnswer
	}
	at := 6 + int(binary.BigEndian.Uint16(body[4:])) // behind the topic's name
	if len(body) < at+4 {
		return errShortAnswer
	}
	n := int(binary.BigEndian.Uint32(body[at:]))
	body = body[at+4:]
	if len(body) < n*perPartition {
		return errShortAnswer
	}
	for ; n > 0; n-- {
		if code := int16(binary.BigEndian.Uint16(body[4:])); code != 0 {
			return refusedError{int32(binary.BigEndian.Uint32(body)), code}
		}
		body = body[perPartition:]
	}
	return nil
}
