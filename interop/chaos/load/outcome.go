package load

import (
	"bufio"
	"fmt"
	"io"
	"strconv"
	"strings"
	"sync"
	"time"
)

// An Outcome is what became of a record, or of a transaction.
type Outcome struct {
	Key       uint32
	Number    uint64 // of a transaction: its own number
	Txn       bool   // it is that of a transaction
	What      string // Acked, ... or Committed, ...
	Partition int32  // -1 if not known
	Offset    int64  // -1 if not known
	Micros    int64  // when the client said so, since 1970
	Why       string // of a failure
}

// A Writer writes outcomes. It is safe for concurrent use.
type Writer struct {
	mu      sync.Mutex
	w       *bufio.Writer
	line    []byte
	written uint64
	err     error
}

// NewWriter writes to w.
func NewWriter(w io.Writer) *Writer { return &Writer{w: bufio.NewWriterSize(w, 1<<18)} }

// Write notes an outcome, at the time of now.
func (w *Writer) Write(o Outcome, now time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	b := w.line[:0]
	if o.Txn {
		b = fmt.Appendf(b, "txn %d %s %d", o.Number, o.What, now.UnixMicro())
	} else {
		b = strconv.AppendUint(b, uint64(o.Key), 10)
		b = append(b, ' ')
		b = strconv.AppendUint(b, o.Number, 10)
		b = append(b, ' ')
		b = append(b, o.What...)
		for _, n := range []int64{int64(o.Partition), o.Offset, now.UnixMicro()} {
			b = append(b, ' ')
			b = strconv.AppendInt(b, n, 10)
		}
		w.written++
	}
	if o.Why != "" {
		b = append(b, ' ')
		b = append(b, strings.ReplaceAll(o.Why, "\n", " ")...)
	}
	w.line = append(b, '\n')
	if _, err := w.w.Write(w.line); err != nil && w.err == nil {
		w.err = err
	}
}

// Close writes what is buffered and returns how many records' outcomes there
// were, and the first error.
func (w *Writer) Close() (uint64, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if err := w.w.Flush(); w.err == nil {
		w.err = err
	}
	return w.written, w.err
}

// Read hands every outcome of r to each.
func Read(r io.Reader, each func(Outcome) error) error {
	lines := bufio.NewScanner(r)
	lines.Buffer(make([]byte, 1<<18), 1<<20)
	for lines.Scan() {
		o, err := ParseOutcome(lines.Text())
		if err == nil {
			err = each(o)
		}
		if err != nil {
			return err
		}
	}
	return lines.Err()
}

// ParseOutcome reads a line that a client wrote.
func ParseOutcome(line string) (Outcome, error) {
	if rest, ok := strings.CutPrefix(line, "txn "); ok {
		f := strings.SplitN(rest, " ", 4)
		if len(f) < 3 {
			return Outcome{}, fmt.Errorf("outcome %q has not the form txn number what time", line)
		}
		n := numbers{}
		o := Outcome{Txn: true, Number: n.unsigned(f[0]), What: f[1], Partition: -1, Offset: -1,
			Micros: n.signed(f[2])}
		if len(f) == 4 {
			o.Why = f[3]
		}
		return o, n.wrap(line)
	}
	f := strings.SplitN(line, " ", 7)
	if len(f) < 6 {
		return Outcome{}, fmt.Errorf(
			"outcome %q has not the form key number what partition offset time", line)
	}
	n := numbers{}
	o := Outcome{Key: uint32(n.unsigned(f[0])), Number: n.unsigned(f[1]), What: f[2],
		Partition: int32(n.signed(f[3])), Offset: n.signed(f[4]), Micros: n.signed(f[5])}
	if len(f) == 7 {
		o.Why = f[6]
	}
	return o, n.wrap(line)
}

// numbers parses several numbers and keeps the first error.
type numbers struct{ err error }

func (n *numbers) unsigned(s string) uint64 {
	v, err := strconv.ParseUint(s, 10, 64)
	if err != nil && n.err == nil {
		n.err = err
	}
	return v
}

func (n *numbers) signed(s string) int64 {
	v, err := strconv.ParseInt(s, 10, 64)
	if err != nil && n.err == nil {
		n.err = err
	}
	return v
}

func (n *numbers) wrap(line string) error {
	if n.err != nil {
		return fmt.Errorf("outcome %q: %w", line, n.err)
	}
	return nil
}
