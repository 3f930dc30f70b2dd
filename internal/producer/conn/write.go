package conn

import (
	"context"
	"encoding/binary"
	"net"

	"github.com/posthaste-go/posthaste/internal/producer/batch"
	"github.com/posthaste-go/posthaste/internal/producer/sender"
	"github.com/posthaste-go/posthaste/internal/protocol"
	"github.com/posthaste-go/posthaste/internal/wire"
)

// gatherBelow is the size up to which a request is copied into one piece: one
// write of one piece is cheaper than a vector of small ones.
const gatherBelow = 16 << 10

// writer turns messages into bytes on the connection.
type writer struct {
	conn        *Conn
	nc          net.Conn
	vectored    bool // nc can write many pieces at once
	correlation int32
	head        []byte // everything but batches
	gathered    []byte
	cuts        []cut
	pieces      [][]byte
	buffers     net.Buffers
}

// cut says that a batch belongs between two bytes of head.
type cut struct {
	at    int
	piece []byte
}

// directBelow is the size up to which a request may be written by the goroutine
// that decides: more would keep it from deciding.
const directBelow = 64 << 10

// small reports whether r is small enough for that.
func small(r *sender.Request) bool {
	size := 0
	for i := range r.Entries {
		if size += r.Entries[i].Batch.Size(); size > directBelow {
			return false
		}
	}
	return true
}

// write sends what is queued until the connection ends.
func (c *Conn) write(ctx context.Context) {
	for {
		select {
		case m := <-c.queue:
			if err := c.writer.send(m); err != nil {
				c.fail(err)
				return
			}
			c.queued.Add(-1)
		case <-ctx.Done():
			return
		}
	}
}

// send writes m, waiting for the socket if need be.
func (w *writer) send(m message) error {
	if m.rest != nil {
		if err := w.writeAll(m.rest); err != nil {
			return err
		}
		w.sent(m)
		return nil
	}
	if m.produce == nil {
		w.correlation++
		m.correlation = w.correlation
		w.head = w.head[:0]
		return w.sendControl(m)
	}
	total := w.encode(&m)
	if err := w.flush(total); err != nil {
		return err
	}
	w.sent(m)
	return nil
}

// sendNow writes m as far as the socket takes it and leaves the rest to the
// writer.
func (w *writer) sendNow(m message) {
	total := w.encode(&m)
	w.gather()
	n, err := w.conn.direct.try(w.gathered)
	w.conn.written.Add(int64(n))
	switch {
	case err != nil:
		w.conn.fail(err)
	case n < total:
		m.rest = append([]byte(nil), w.gathered[n:]...)
		w.conn.enqueue(m)
	default:
		w.sent(m)
	}
}

// sent is what follows when all of a produce request is written.
func (w *writer) sent(m message) {
	if m.unanswered { // otherwise the answer may have come, and the request be another's
		w.conn.settings.Events(m.produce.Answered())
	}
}

// encode makes head and cuts of a produce request, and queues it for the
// reader: before its bytes, lest the answer be faster. It returns the number of
// bytes to write.
func (w *writer) encode(m *message) (total int) {
	w.correlation++
	m.correlation = w.correlation
	w.head, w.cuts = w.head[:0], w.cuts[:0]
	r := m.produce
	m.version = w.conn.versions.produce(r)
	w.head = w.appendProduce(w.head, r, m.version, m.correlation)
	total = len(w.head)
	for _, c := range w.cuts {
		total += len(c.piece)
	}
	binary.BigEndian.PutUint32(w.head, uint32(total-4))
	r.Written = true
	if m.unanswered = r.Acks == 0; !m.unanswered {
		w.conn.pending <- *m
	}
	return total
}

// appendProduce appends the request but for the batches, which it notes as
// cuts.
//
// Source: ProduceRequest.json, versions 3 to 13.
func (w *writer) appendProduce(
	dst []byte, r *sender.Request, version int16, correlation int32,
) []byte {
	c := w.conn
	flexible := version >= 9
	dst = append(dst, 0, 0, 0, 0)
	h := protocol.RequestHeader{
		Key: protocol.Produce, Version: version, CorrelationID: correlation,
		ClientID: []byte(c.settings.ClientID),
	}
	dst = h.Append(dst)
	dst = appendNullable(dst, c.settings.TransactionalID, flexible)
	dst = binary.BigEndian.AppendUint16(dst, uint16(r.Acks))
	dst = binary.BigEndian.AppendUint32(dst, uint32(r.Timeout.Milliseconds()))
	dst = appendLen(dst, countTopics(r.Entries), flexible)
	for rest := r.Entries; len(rest) > 0; {
		n := sameTopic(rest)
		if version >= 13 {
			dst = append(dst, rest[0].TopicID[:]...)
		} else if flexible {
			dst = protocol.AppendCompactString(dst, rest[0].Topic)
		} else {
			dst = protocol.AppendString(dst, rest[0].Topic)
		}
		dst = appendLen(dst, n, flexible)
		for i := range n {
			w.cuts = append(w.cuts, cut{len(dst), frame(&rest[i], flexible)})
		}
		if flexible {
			dst = append(dst, 0) // topic's tags
		}
		rest = rest[n:]
	}
	if flexible {
		dst = append(dst, 0) // request's tags
	}
	return dst
}

// frame is a partition's part of the request: its index, the batch's length,
// the batch, and with flexible versions an empty tag section. All of it lies in
// the batch's own buffer.
func frame(e *sender.Entry, flexible bool) []byte {
	size := e.Batch.Size()
	if !flexible {
		piece := e.Batch.Framed(8)
		binary.BigEndian.PutUint32(piece, uint32(e.Index))
		binary.BigEndian.PutUint32(piece[4:], uint32(size))
		return piece[:len(piece)-batch.BackRoom]
	}
	n := wire.UvarintLen(uint64(size) + 1)
	piece := e.Batch.Framed(4 + n)
	binary.BigEndian.PutUint32(piece, uint32(e.Index))
	binary.PutUvarint(piece[4:], uint64(size)+1)
	piece[len(piece)-1] = 0
	return piece
}

func countTopics(entries []sender.Entry) int {
	count := 0
	for rest := entries; len(rest) > 0; rest = rest[sameTopic(rest):] {
		count++
	}
	return count
}

// sameTopic is how many of the first entries have the same topic.
func sameTopic(entries []sender.Entry) int {
	n := 1
	for n < len(entries) && entries[n].Topic == entries[0].Topic {
		n++
	}
	return n
}

func appendLen(dst []byte, n int, flexible bool) []byte {
	if flexible {
		return protocol.AppendCompactLen(dst, n)
	}
	return binary.BigEndian.AppendUint32(dst, uint32(n))
}

func appendNullable(dst []byte, s string, flexible bool) []byte {
	switch {
	case s == "" && flexible:
		return append(dst, 0)
	case s == "":
		return append(dst, 0xff, 0xff)
	case flexible:
		return protocol.AppendCompactString(dst, s)
	}
	return protocol.AppendString(dst, s)
}

// gather copies head and cuts into one piece.
func (w *writer) gather() {
	w.gathered = w.gathered[:0]
	from := 0
	for _, c := range w.cuts {
		w.gathered = append(w.gathered, w.head[from:c.at]...)
		w.gathered = append(w.gathered, c.piece...)
		from = c.at
	}
	w.gathered = append(w.gathered, w.head[from:]...)
}

// flush writes head and cuts, total bytes, in as few calls as pay.
func (w *writer) flush(total int) error {
	switch {
	case total <= gatherBelow:
		w.gather()
		return w.writeAll(w.gathered)
	case w.vectored:
		return w.flushVector()
	}
	w.gathered = w.gathered[:0]
	from := 0
	for _, c := range w.cuts { // TLS has no vectors: keep its records full
		w.gathered = append(w.gathered, w.head[from:c.at]...)
		from = c.at
		if len(w.gathered)+len(c.piece) > 4*gatherBelow {
			if err := w.writeAll(w.gathered); err != nil {
				return err
			}
			w.gathered = w.gathered[:0]
		}
		if len(c.piece) <= 4*gatherBelow {
			w.gathered = append(w.gathered, c.piece...)
		} else if err := w.writeAll(c.piece); err != nil {
			return err
		}
	}
	w.gathered = append(w.gathered, w.head[from:]...)
	return w.writeAll(w.gathered)
}

func (w *writer) flushVector() error {
	w.pieces = w.pieces[:0]
	from := 0
	for _, c := range w.cuts {
		if c.at > from {
			w.pieces = append(w.pieces, w.head[from:c.at])
		}
		w.pieces = append(w.pieces, c.piece)
		from = c.at
	}
	w.pieces = append(w.pieces, w.head[from:])
	w.buffers = w.pieces
	n, err := w.buffers.WriteTo(w.nc)
	w.conn.written.Add(n)
	clear(w.pieces)
	return err
}

func (w *writer) writeAll(b []byte) error {
	n, err := w.nc.Write(b)
	w.conn.written.Add(int64(n))
	return err
}
