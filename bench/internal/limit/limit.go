// Package limit is no producer: it is the least work that puts the same bytes on
// the wire, written down as plainly as possible, and so the bound that producers
// are compared with.
//
//	Send ─▶ encode into the partition's buffer ─▶ all full: checksum, one writev
//	reader goroutine ◀─ answers; at most Options.Inflight requests without one
//
// What it leaves out is what a producer is for: no retry, no timeout, no leader
// changes, one topic, one broker, one caller. Buffers are filled again as soon as
// the kernel has taken them.
package limit

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"

	"github.com/posthaste-go/posthaste/bench/internal/run"
)

// Client is the limit loop as a bench client. Only one goroutine may use it.
type Client struct {
	options  *run.Options
	outcomes *run.Outcomes
	session  *session
	codec    codec

	batches  []batch // by partition
	maxBatch int     // bytes of records a batch takes, uncompressed
	choose   func(key []byte) int
	sticky   int // the partition that records without key go to now

	request  request   // being filled
	sent     chan sent // requests without an answer, oldest first; its capacity is the window
	failed   chan error
	reader   sync.WaitGroup
	spare    chan []int64 // for sent.times
	maxBytes int          // of a request's records, before it is sent with batches not full
	bytes    int
}

// sent is what the reader must know of a request.
type sent struct {
	records int64
	times   []int64 // when records whose latency is measured were sent; see run.Now
}

// maxRequestBytes bounds a request by what stays in a core's cache: with bigger
// ones the kernel copies from memory.
const maxRequestBytes = 1 << 20

// New connects. Its factory lowers o.Threads to 1.
func New(o *run.Options, outcomes *run.Outcomes) (run.Client, error) {
	o.Threads = 1
	s, err := openSession(o)
	if err != nil {
		return nil, err
	}
	c := &Client{
		options:  o,
		outcomes: outcomes,
		session:  s,
		codec:    codecs[o.Compression],
		sent:     make(chan sent, o.Inflight),
		failed:   make(chan error, 1),
		spare:    make(chan []int64, o.Inflight+2),
	}
	// A batch gets its share of the buffer, as it would in a producer that fills
	// all partitions at once.
	share := int(o.BufferBytes) / o.Partitions
	c.maxBatch = min(o.BatchBytes, max(share, 512)) - headerBytes
	c.maxBytes = max(maxRequestBytes, c.maxBatch)
	c.batches = make([]batch, o.Partitions)
	for i := range c.batches {
		c.batches[i].init(int32(i), c.maxBatch)
	}
	c.choose = c.chooser()
	c.request.init(s, o)
	if !o.Sync && o.Acks != "0" {
		c.reader.Go(c.readAnswers)
	}
	return c, nil
}

// chooser returns the function that picks a record's partition.
func (c *Client) chooser() func(key []byte) int {
	n := len(c.batches)
	switch {
	case c.options.Partitioner == "roundrobin":
		next := -1
		return func([]byte) int {
			if next++; next == n {
				next = 0
			}
			return next
		}
	case c.options.Key != "none":
		return func(key []byte) int { return int(murmur2(key)&0x7fffffff) % n }
	default:
		return func([]byte) int { return c.sticky }
	}
}

// Send encodes a record and sends the request it fills, or at once if records
// are paced.
func (c *Client) Send(key, value []byte, sentAt int64) error {
	size := recordBound(key, value)
	b := &c.batches[c.choose(key)]
	if b.size()+size > c.maxBatch && b.count > 0 {
		if err := c.full(); err != nil {
			return err
		}
		b = &c.batches[c.choose(key)]
	}
	if b.count == 0 {
		b.baseMillis = time.Now().UnixMilli()
	}
	b.append(key, value)
	c.bytes += size
	if sentAt != 0 {
		c.request.times = append(c.request.times, sentAt)
	}
	if c.options.Rate > 0 {
		return c.write()
	}
	return nil
}

// full is called when a batch is: it moves the sticky partition on and sends
// what is there once there is no further partition to fill or enough for a
// request.
func (c *Client) full() error {
	c.sticky++
	if c.sticky < len(c.batches) && c.options.Partitioner != "roundrobin" &&
		c.options.Key == "none" && c.bytes+c.maxBatch <= c.maxBytes {
		return nil
	}
	if c.sticky >= len(c.batches) {
		c.sticky = 0
	}
	return c.write()
}

// write sends all batches with records as one request and waits before while the
// window is full.
func (c *Client) write() error {
	records := c.request.seal(c.batches, c.codec)
	if records == 0 {
		return nil
	}
	c.bytes = 0
	if c.options.Acks == "0" {
		err := c.request.writeTo(c.session.conn)
		c.outcomes.DoneN(records-int64(len(c.request.times)), err)
		for _, at := range c.request.times {
			c.outcomes.Done(at, err)
		}
		c.request.times = c.request.times[:0]
		return nil
	}
	select {
	case c.sent <- sent{records: records, times: c.request.times}:
	default: // the window is full: wait, but not for a reader that has given up
		select {
		case c.sent <- sent{records: records, times: c.request.times}:
		case err := <-c.failed:
			c.failed <- err
			return err
		}
	}
	select {
	case c.request.times = <-c.spare:
	default:
		c.request.times = nil
	}
	return c.request.writeTo(c.session.conn)
}

// readAnswers reports the records of each request when its answer comes.
func (c *Client) readAnswers() {
	for {
		err := c.session.readAnswer()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		var refused refusedError
		if err != nil && !errors.As(err, &refused) {
			c.failed <- fmt.Errorf("read answer: %w", err)
			return
		}
		s := <-c.sent
		for _, at := range s.times {
			c.outcomes.Done(at, err)
		}
		c.outcomes.DoneN(s.records-int64(len(s.times)), err)
		select {
		case c.spare <- s.times[:0]:
		default:
		}
	}
}

// SendWait sends a request with one record and reads its answer.
func (c *Client) SendWait(key, value []byte) error {
	b := &c.batches[c.choose(key)]
	b.baseMillis = time.Now().UnixMilli()
	b.append(key, value)
	c.request.seal(c.batches, c.codec)
	if err := c.request.writeTo(c.session.conn); err != nil {
		return err
	}
	if c.sticky++; c.sticky == len(c.batches) {
		c.sticky = 0
	}
	return c.session.readAnswer()
}

// Flush sends the batches that are not full.
func (c *Client) Flush(context.Context, int64) error { return c.write() }

// Close ends the connection.
func (c *Client) Close() error {
	err := c.session.conn.Close()
	c.reader.Wait()
	return err
}
