package compression

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"sync"

	"github.com/klauspost/compress/gzip"
)

// maxLimit leaves room for the arithmetic of a caller that has no limit.
const maxLimit = math.MaxInt - 1<<20

// Decompress appends the decompressed form of src to dst and returns the
// result. limit is the most bytes it may append; dst and src must not overlap.
// None appends src as it is: callers that want no copy use src themselves.
//
// Errors match ErrCorrupt (src is damaged or cut short), ErrTooLarge (limit) or
// ErrUnknownCodec; the bytes returned with them are dst's own, perhaps moved.
// It is safe for concurrent use.
func Decompress(dst, src []byte, codec Codec, limit int) ([]byte, error) {
	if !codec.Valid() {
		return dst, fmt.Errorf("%w: %d", ErrUnknownCodec, int8(codec))
	}
	if codec != None && len(src) == 0 {
		return dst, fmt.Errorf("%w: no bytes at all are not %s", ErrCorrupt, codec)
	}
	base := len(dst)
	limit = min(limit, maxLimit)
	var err error
	switch codec {
	case Gzip:
		dst, err = decodeGzip(dst, src, limit)
	case Snappy:
		dst, err = decodeSnappy(dst, src, limit)
	case LZ4:
		dst, err = decodeLZ4(dst, src, limit)
	case ZSTD:
		dst, err = decodeZSTD(dst, src, limit)
	default:
		if len(src) > limit {
			return dst, tooLarge(None, limit)
		}
		dst = append(dst, src...)
	}
	if err != nil {
		return dst[:base], err
	}
	return dst, nil
}

func tooLarge(codec Codec, limit int) error {
	return fmt.Errorf("%w: %s data expands to more than %d bytes", ErrTooLarge, codec, limit)
}

// expand makes room for more output: at first a guess from the size of the
// input, later twice what there is. It never asks for more than limit in all.
func expand(dst []byte, base, input, limit int) []byte {
	have := len(dst) - base
	want := max(4*input, 4<<10, 2*have)
	return slices.Grow(dst, min(want, limit)-have)
}

// gzipDecoder keeps a reader and the source it reads from together in the pool.
type gzipDecoder struct {
	r   gzip.Reader
	src bytes.Reader
}

var gzipDecoders = sync.Pool{New: func() any { return new(gzipDecoder) }}

func decodeGzip(dst, src []byte, limit int) ([]byte, error) {
	d := gzipDecoders.Get().(*gzipDecoder)
	defer gzipDecoders.Put(d)
	defer d.src.Reset(nil)
	d.src.Reset(src)
	if err := d.r.Reset(&d.src); err != nil {
		return dst, fmt.Errorf("%w: gzip: %w", ErrCorrupt, err)
	}
	base := len(dst)
	for {
		if len(dst)-base > limit {
			return dst, tooLarge(Gzip, limit)
		}
		if len(dst) == cap(dst) {
			dst = expand(dst, base, len(src), limit+1) // one more shows an overrun
		}
		n, err := d.r.Read(dst[len(dst):cap(dst)])
		dst = dst[:len(dst)+n]
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return dst, fmt.Errorf("%w: gzip: %w", ErrCorrupt, err)
		}
	}
	if len(dst)-base > limit {
		return dst, tooLarge(Gzip, limit)
	}
	return dst, nil
}
