package input

import (
	"bytes"
	"errors"
	"fmt"
	"io"
)

// initialBuffer is what a lineScanner reads at a time; it grows to the longest
// line met, never past the bound on a line.
const initialBuffer = 256 << 10

// errTooLong is wrapped in what lineScanner.next returns for a line over the
// bound. The line has been passed over.
var errTooLong = errors.New("line too long")

// lineScanner divides a stream into lines without copying them and without
// waiting for more bytes than the line at hand needs.
//
// The slices it returns point into buf and are good until the next call.
type lineScanner struct {
	r   io.Reader
	max int // longest line in bytes, newline not counted

	buf   []byte // unread bytes are buf[start:end]
	start int
	end   int
	line  int64 // of the line returned last, from 1
	err   error // why r gave no more; nil while it may
	begun bool  // a byte order mark has been looked for
}

func newLineScanner(r io.Reader, max int) *lineScanner {
	return &lineScanner{r: r, max: max, buf: make([]byte, min(initialBuffer, max+2))}
}

// next returns the next line without its "\n" or "\r\n". A last line without a
// newline is a line; nothing after the last newline is not. The line is gone,
// also when it was too long.
func (s *lineScanner) next() ([]byte, error) {
	n, size, err := s.find(0)
	if errors.Is(err, errTooLong) {
		return nil, s.discardLine(n)
	}
	if err != nil {
		return nil, err
	}
	line := s.peek(n)
	s.consume(size, 1)
	return line, nil
}

// find looks for the end of the line that the unread byte at skip is in. n is
// the length of the unread bytes up to there, size counts the newline too.
// Nothing is consumed. io.EOF means that there is no byte at skip; errTooLong
// that the bytes from the first unread one exceed the bound, n of them seen.
func (s *lineScanner) find(skip int) (n, size int, err error) {
	s.skipMark()
	seen := skip
	for {
		if i := bytes.IndexByte(s.buf[s.start+seen:s.end], '\n'); i >= 0 {
			n, size = seen+i, seen+i+1
			break
		}
		seen = s.end - s.start
		if seen > s.max {
			return seen, 0, errTooLong
		}
		if s.err != nil {
			if seen == skip || s.err != io.EOF { // cut short by an error: no record
				return 0, 0, s.err
			}
			n, size = seen, seen
			break
		}
		s.fill()
	}
	if n > s.max {
		return n, size, errTooLong
	}
	return n, size, nil
}

// peek returns the first n unread bytes, less a carriage return at their end.
func (s *lineScanner) peek(n int) []byte {
	line := s.buf[s.start : s.start+n : s.start+n]
	if n > 0 && line[n-1] == '\r' {
		line = line[:n-1]
	}
	return line
}

// consume takes size bytes that held so many lines.
func (s *lineScanner) consume(size int, lines int64) {
	s.start += size
	s.line += lines
}

// skipMark passes over a UTF-8 byte order mark, once. Only an input that begins
// like one waits for its second and third byte.
func (s *lineScanner) skipMark() {
	const mark = "\xEF\xBB\xBF"
	for !s.begun {
		have := s.buf[s.start:s.end]
		switch {
		case len(have) >= len(mark) || len(have) > 0 && have[0] != mark[0] || s.err != nil:
			s.begun = true
			if bytes.HasPrefix(have, []byte(mark)) {
				s.start += len(mark)
			}
		default:
			s.fill()
		}
	}
}

// fill reads once. It moves what is unread to the front, or grows the buffer,
// if there is no room behind it.
func (s *lineScanner) fill() {
	if s.start == s.end {
		s.start, s.end = 0, 0
	}
	if s.end == len(s.buf) {
		if s.start > len(s.buf)/2 {
			s.end = copy(s.buf, s.buf[s.start:s.end])
		} else {
			bigger := make([]byte, min(2*len(s.buf), s.max+2+s.start))
			if len(bigger) <= len(s.buf) {
				bigger = make([]byte, len(s.buf)+initialBuffer)
			}
			s.end = copy(bigger, s.buf[s.start:s.end])
			s.buf = bigger
		}
		s.start = 0
	}
	for range 100 {
		n, err := s.r.Read(s.buf[s.end:])
		s.end += n
		if err != nil {
			s.err = err
		}
		if n > 0 || err != nil {
			return
		}
	}
	s.err = io.ErrNoProgress
}

// discardLine passes over a line of which the first seen bytes are buffered,
// so that a line of any length costs no more memory than the bound.
func (s *lineScanner) discardLine(seen int) error {
	s.line++
	size := 0
	for {
		if i := bytes.IndexByte(s.buf[s.start:s.end], '\n'); i >= 0 {
			s.start += i + 1
			return s.tooLong(max(size+i, seen))
		}
		size += s.end - s.start
		s.start = s.end
		if s.err == io.EOF {
			return s.tooLong(size)
		}
		if s.err != nil {
			return s.err
		}
		s.fill()
	}
}

func (s *lineScanner) tooLong(n int) error {
	return fmt.Errorf("%w: %d bytes, at most %d are taken", errTooLong, n, s.max)
}

// rowError gives err, which next returned for line, the form that callers see.
func (s *lineScanner) rowError(name string, err error) error {
	if errors.Is(err, errTooLong) {
		return &RowError{File: name, Line: s.line, Problem: err.Error(),
			Remedy: "split the record, or raise max.request.size here and " +
				"message.max.bytes on the broker"}
	}
	if err == io.EOF {
		return io.EOF
	}
	return fmt.Errorf("%s:%d: cannot read on: %w", name, s.line+1, err)
}
