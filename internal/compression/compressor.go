package compression

import (
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/klauspost/compress/gzip"
)

// Compressor compresses with one codec at one level. It may be used by many
// goroutines at once: each call takes an encoder for itself, so that encoders are
// as many as calls that run at the same time, and idle ones but one are collected.
type Compressor struct {
	codec Codec
	level int

	// The encoder used last goes first: its tables, up to 1.3 MB, may still be in
	// the processor's caches. A sync.Pool alone hands a goroutine that moves
	// between processors another encoder each time.
	warm atomic.Pointer[worker]
	idle sync.Pool // of *worker
}

// worker is an encoder in a place of its own, which a pointer can name.
type worker struct{ encoder }

// encoder appends the compressed form of src to dst. One goroutine at a time.
type encoder interface {
	encode(dst, src []byte) ([]byte, error)
}

// New makes a compressor. A level out of codec's range is an error; None and
// Snappy have no levels and ignore it. See Codec.DefaultLevel.
func New(codec Codec, level int) (*Compressor, error) {
	if err := codec.CheckLevel(level); err != nil {
		return nil, err
	}
	return &Compressor{codec: codec, level: level}, nil // encoders are large: made when needed
}

// Codec is the codec that c compresses with.
func (c *Compressor) Codec() Codec { return c.codec }

// Append appends the compressed form of src to dst, growing it as append does.
// dst and src must not overlap. It does not allocate once pools are warm and
// dst has room. None appends src as it is.
func (c *Compressor) Append(dst, src []byte) ([]byte, error) {
	w, err := c.take()
	if err != nil {
		return dst, err
	}
	out, err := w.encode(dst, src)
	if err != nil {
		return dst, fmt.Errorf("compress %d bytes with %s: %w", len(src), c.codec, err)
	}
	if !c.warm.CompareAndSwap(nil, w) {
		c.idle.Put(w)
	}
	return out, nil
}

// take is an encoder that nobody else uses.
func (c *Compressor) take() (*worker, error) {
	if w := c.warm.Swap(nil); w != nil {
		return w, nil
	}
	if w, ok := c.idle.Get().(*worker); ok {
		return w, nil
	}
	e, err := newEncoder(c.codec, c.level)
	if err != nil {
		return nil, fmt.Errorf("make a %s encoder of level %d: %w", c.codec, c.level, err)
	}
	return &worker{e}, nil
}

func newEncoder(codec Codec, level int) (encoder, error) {
	switch codec {
	case Gzip:
		return newGzipEncoder(level)
	case Snappy:
		return snappyEncoder{}, nil
	case LZ4:
		return newLZ4Encoder(level), nil
	case ZSTD:
		return newZSTDEncoder(level)
	default:
		return noneEncoder{}, nil
	}
}

type noneEncoder struct{}

func (noneEncoder) encode(dst, src []byte) ([]byte, error) { return append(dst, src...), nil }

type gzipEncoder struct {
	w   *gzip.Writer
	out sliceWriter
}

// sliceWriter is an io.Writer that appends.
type sliceWriter struct{ b []byte }

func (s *sliceWriter) Write(p []byte) (int, error) {
	s.b = append(s.b, p...)
	return len(p), nil
}

func newGzipEncoder(level int) (*gzipEncoder, error) {
	e := &gzipEncoder{}
	w, err := gzip.NewWriterLevel(&e.out, level)
	e.w = w
	return e, err
}

func (e *gzipEncoder) encode(dst, src []byte) ([]byte, error) {
	e.out.b = dst
	defer func() { e.out.b = nil }() // the pool must not keep a batch alive
	e.w.Reset(&e.out)
	if _, err := e.w.Write(src); err != nil {
		return nil, err
	}
	if err := e.w.Close(); err != nil {
		return nil, err
	}
	return e.out.b, nil
}
