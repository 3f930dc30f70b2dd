package sink

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// readBufferBytes holds several batches and still fits a core's L2 cache, so
// that the bytes thrown away never reach memory.
const readBufferBytes = 128 << 10

// errMalformed is for a request whose lengths contradict each other. The
// connection is closed: the position of the next request is unknown.
var errMalformed = errors.New("malformed request")

// reader walks requests on a stream. It never holds a whole request: bytes that
// nobody looks at are overwritten by those that follow.
//
// The first error sticks; from then on next returns zeros and skip does nothing,
// so a caller may check err once after several reads.
type reader struct {
	src  io.Reader
	buf  []byte
	lo   int // buf[lo:hi] has been read from src and not consumed
	hi   int
	left int // bytes of the current request not consumed yet
	err  error
}

var zeros [64]byte // what next returns after an error

func newReader(src io.Reader) *reader {
	return &reader{src: src, buf: make([]byte, readBufferBytes)}
}

// begin reads the length of the next request. io.EOF means that the peer ended
// the connection between two requests.
func (r *reader) begin() (size int, err error) {
	r.left = 4
	if r.hi-r.lo == 0 {
		if err := r.fill(); err != nil {
			return 0, err
		}
	}
	size = int(int32(binary.BigEndian.Uint32(r.next(4))))
	if r.err == nil && size < 8 {
		r.err = fmt.Errorf("%w: length %d", errMalformed, size)
	}
	r.left = size
	return size, r.err
}

// fill reads more bytes behind those not consumed yet.
func (r *reader) fill() error {
	switch {
	case r.lo == r.hi:
		r.lo, r.hi = 0, 0
	case r.hi == len(r.buf):
		r.hi = copy(r.buf, r.buf[r.lo:r.hi])
		r.lo = 0
	}
	n, err := r.src.Read(r.buf[r.hi:])
	r.hi += n
	if n > 0 {
		return nil
	}
	if err == nil {
		err = io.ErrNoProgress
	}
	return err
}

// next consumes n bytes, at most 64, and returns them. They are valid until the
// next call of any method.
func (r *reader) next(n int) []byte {
	if n > r.left {
		r.fail(errMalformed)
	}
	for r.err == nil && r.hi-r.lo < n {
		r.fail(r.fill())
	}
	if r.err != nil {
		return zeros[:n]
	}
	b := r.buf[r.lo : r.lo+n]
	r.lo += n
	r.left -= n
	return b
}

// skip consumes n bytes without looking at them.
func (r *reader) skip(n int) {
	if n < 0 || n > r.left {
		r.fail(errMalformed)
	}
	for r.err == nil && n > 0 {
		if r.lo == r.hi {
			r.fail(r.fill())
			continue
		}
		k := min(n, r.hi-r.lo)
		r.lo += k
		r.left -= k
		n -= k
	}
}

// fail keeps err if it is the first; end of input inside a request is
// unexpected.
func (r *reader) fail(err error) {
	if r.err != nil || err == nil {
		return
	}
	if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	r.err = err
}

func (r *reader) int16() int16 { return int16(binary.BigEndian.Uint16(r.next(2))) }
func (r *reader) int32() int32 { return int32(binary.BigEndian.Uint32(r.next(4))) }

// uvarint reads an unsigned varint of at most five bytes.
func (r *reader) uvarint() int {
	var v uint64
	for shift := 0; shift < 35; shift += 7 {
		b := r.next(1)[0]
		v |= uint64(b&0x7f) << shift
		if b < 0x80 {
			return int(v)
		}
	}
	r.fail(errMalformed)
	return 0
}

// length reads the length of an array or of nullable bytes, -1 for null.
func (r *reader) length(flexible bool) int {
	if flexible {
		return r.uvarint() - 1
	}
	return int(r.int32())
}

// stringLength reads the length of a nullable string, -1 for null.
func (r *reader) stringLength(flexible bool) int {
	if flexible {
		return r.uvarint() - 1
	}
	return int(r.int16())
}

// skipTags consumes a tagged-field section (KIP-482).
func (r *reader) skipTags() {
	for n := r.uvarint(); n > 0 && r.err == nil; n-- {
		r.uvarint()
		r.skip(r.uvarint())
	}
}

// rest consumes what is left of the request into a new slice.
func (r *reader) rest() []byte {
	body := make([]byte, 0, min(r.left, 64<<10))
	for r.left > 0 && r.err == nil {
		if r.lo == r.hi {
			r.fail(r.fill())
			continue
		}
		k := min(r.left, r.hi-r.lo)
		body = append(body, r.buf[r.lo:r.lo+k]...)
		r.lo += k
		r.left -= k
	}
	return body
}
