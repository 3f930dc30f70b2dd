package main

import (
	"bufio"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"time"

	"github.com/posthaste-go/posthaste"
	"github.com/posthaste-go/posthaste/cmd/posthaste/internal/jsontext"
	"github.com/posthaste-go/posthaste/cmd/posthaste/internal/report"
)

// outcomes counts what becomes of records and prints their delivery reports.
//
// Locks: mu guards everything; callbacks take it on the producer's goroutine.
// No send happens under it.
type outcomes struct {
	base time.Time // flights count time from here
	mode reportMode
	e    *env

	mu          sync.Mutex
	acked       int64
	failed      int64
	aborted     int64
	unsent      int64 // refused only because of a signal
	unsentBytes int64
	bytes       int64   // of acknowledged keys and values
	counts      []int64 // acknowledged, by partition
	latency     *report.Latency
	first       error // why the first record was refused, if none was acknowledged before
	free        []*flight
	out         *bufio.Writer
	line        []byte
	writeErr    error
	quit        chan struct{}

	mine []*flight // the sender's; no lock
}

// flight is one record under way. It is used again for another once done.
type flight struct {
	n    int64 // of the input, from 0
	file string
	line int64
	at   time.Duration // when it was sent, since outcomes.base
	done posthaste.Callback
}

func newOutcomes(e *env, mode reportMode) *outcomes {
	o := &outcomes{base: time.Now(), mode: mode, e: e, latency: report.NewLatency(),
		out: bufio.NewWriterSize(e.out, 64<<10), quit: make(chan struct{})}
	if mode != "" {
		go o.flushOften()
	}
	return o
}

// since is the time since base, for the price of reading one clock.
func (o *outcomes) since() time.Duration { return time.Since(o.base) }

// take returns a flight that is not in use. Only the sender calls it.
func (o *outcomes) take() *flight {
	if len(o.mine) == 0 {
		o.mu.Lock()
		o.mine, o.free = o.free, o.mine
		o.mu.Unlock()
	}
	if n := len(o.mine); n > 0 {
		f := o.mine[n-1]
		o.mine = o.mine[:n-1]
		return f
	}
	f := &flight{}
	f.done = func(md posthaste.RecordMetadata, err error) { o.complete(f, md, err) }
	return f
}

// complete counts one outcome.
func (o *outcomes) complete(f *flight, md posthaste.RecordMetadata, err error) {
	took := o.since() - f.at
	size := int64(max(md.KeySize, 0) + max(md.ValueSize, 0))
	o.mu.Lock()
	defer o.mu.Unlock()
	switch {
	case err == nil:
		o.acked++
		o.bytes += size
		o.place(md.Partition)
		o.latency.Add(took)
	case errors.Is(err, errInterrupted):
		o.unsent++
		o.unsentBytes += size
		o.free = append(o.free, f)
		return
	default:
		o.fail(f, err)
	}
	if o.mode != "" {
		o.report(f.n, md, err)
	}
	o.free = append(o.free, f)
}

// place counts an acknowledged record for its partition.
func (o *outcomes) place(partition int32) {
	if partition < 0 {
		return
	}
	for int(partition) >= len(o.counts) {
		o.counts = append(o.counts, 0)
	}
	o.counts[partition]++
}

// fail counts and shows one failure.
func (o *outcomes) fail(f *flight, err error) {
	o.failed++
	if o.acked == 0 && o.first == nil && !aboutTheRecord(err) {
		o.first = err
	}
	switch {
	case o.failed <= mostShown:
		o.e.note("record %d (%s:%d) failed: %v", f.n, f.file, f.line, err)
	case o.failed == mostShown+1:
		o.e.note("more records fail; they are counted, not shown (--delivery-report shows all)")
	}
}

// aboutTheRecord reports whether err is one record's own fault, so that others
// may fare better.
func aboutTheRecord(err error) bool {
	if _, ok := errors.AsType[*posthaste.SerializationError](err); ok {
		return true
	}
	return errors.Is(err, posthaste.ErrRecordTooLarge) || errors.Is(err, posthaste.ErrInvalidRecord)
}

// hopeless returns why it makes no sense to go on, or nil: reports cannot be
// written, or no record was ever acknowledged and the first was not refused for
// a reason of its own.
func (o *outcomes) hopeless() error {
	o.mu.Lock()
	defer o.mu.Unlock()
	switch {
	case o.writeErr != nil:
		return fmt.Errorf("cannot write delivery reports to standard output: %w", o.writeErr)
	case o.first != nil && o.acked == 0:
		return fmt.Errorf("gave up at the first record: %w", o.first)
	}
	return nil
}

// report prints one line about record n.
func (o *outcomes) report(n int64, md posthaste.RecordMetadata, err error) {
	if o.mode == "json" {
		o.line = appendReportJSON(o.line[:0], n, md, err)
	} else {
		o.line = appendReportText(o.line[:0], n, md, err)
	}
	if _, err := o.out.Write(o.line); err != nil && o.writeErr == nil {
		o.writeErr = err
	}
}

func appendReportText(dst []byte, n int64, md posthaste.RecordMetadata, err error) []byte {
	dst = strconv.AppendInt(dst, n, 10)
	if err != nil {
		code, outcome := verdict(err)
		return fmt.Appendf(dst, " %s FAILED %s %s: %s\n", md.Topic, outcome, code, oneLine(err.Error()))
	}
	dst = append(append(dst, ' '), md.Topic...)
	dst = append(dst, '-')
	dst = strconv.AppendInt(dst, int64(md.Partition), 10)
	dst = append(dst, '@')
	dst = strconv.AppendInt(dst, md.Offset, 10)
	return append(dst, '\n')
}

func appendReportJSON(dst []byte, n int64, md posthaste.RecordMetadata, err error) []byte {
	dst = append(dst, `{"n":`...)
	dst = strconv.AppendInt(dst, n, 10)
	dst = append(dst, `,"topic":`...)
	dst = jsontext.AppendString(dst, []byte(md.Topic))
	if err != nil {
		code, outcome := verdict(err)
		dst = append(dst, `,"error":`...)
		dst = jsontext.AppendString(dst, []byte(err.Error()))
		dst = append(dst, `,"code":`...)
		dst = jsontext.AppendString(dst, []byte(code))
		dst = append(dst, `,"outcome":`...)
		dst = jsontext.AppendString(dst, []byte(outcome))
		return append(dst, "}\n"...)
	}
	dst = append(dst, `,"partition":`...)
	dst = strconv.AppendInt(dst, int64(md.Partition), 10)
	dst = append(dst, `,"offset":`...)
	dst = strconv.AppendInt(dst, md.Offset, 10)
	dst = append(dst, `,"timestamp":`...)
	dst = strconv.AppendInt(dst, md.Timestamp.UnixMilli(), 10)
	return append(dst, "}\n"...)
}

// verdict is the code and the outcome of a failure as reports name them. A
// record whose time ran out has the code of the last answer that a broker gave;
// what has no code of its own gets the one that a broker would have used.
func verdict(err error) (code, outcome string) {
	outcome = "not_written"
	de, ok := errors.AsType[*posthaste.DeliveryError](err)
	if ok && de.Certainty == posthaste.MaybeWritten {
		outcome = "maybe_written"
	}
	if ke, found := errors.AsType[posthaste.KafkaError](err); found {
		return ke.Name(), outcome
	}
	if ok {
		if ke, found := errors.AsType[posthaste.KafkaError](de.Timeline.LastError); found {
			return ke.Name(), outcome
		}
	}
	for _, known := range []struct {
		is   error
		code string
	}{
		{posthaste.ErrRecordTooLarge, "MESSAGE_TOO_LARGE"},
		{posthaste.ErrInvalidRecord, "INVALID_RECORD"},
		{posthaste.ErrFenced, "PRODUCER_FENCED"},
		{posthaste.ErrTimeout, "REQUEST_TIMED_OUT"},
		{posthaste.ErrBufferExhausted, "REQUEST_TIMED_OUT"},
	} {
		if errors.Is(err, known.is) {
			return known.code, outcome
		}
	}
	return "UNKNOWN_SERVER_ERROR", outcome
}

// flushOften passes reports on while the input pauses. It ends with close.
func (o *outcomes) flushOften() {
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-o.quit:
			return
		case <-tick.C:
		}
		o.mu.Lock()
		if err := o.out.Flush(); err != nil && o.writeErr == nil {
			o.writeErr = err
		}
		o.mu.Unlock()
	}
}

// close passes the last reports on. No outcome may follow.
func (o *outcomes) close(e *env) {
	close(o.quit)
	o.mu.Lock()
	defer o.mu.Unlock()
	if err := o.out.Flush(); err != nil && o.writeErr == nil {
		o.writeErr = err
		e.warn("cannot write delivery reports to standard output: %v", err)
	}
}
