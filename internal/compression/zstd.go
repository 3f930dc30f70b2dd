package compression

import (
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/klauspost/compress/zstd"
)

const (
	// zstdEncoderWindow bounds how far the encoder looks back, bytes. Batches are
	// rarely larger (max.request.size is 1 MiB), and each encoder holds a window.
	zstdEncoderWindow = 1 << 20

	// zstdDecoderWindow is the window that a frame may ask for, bytes: what the
	// reference library allows, and with it every Java consumer.
	zstdDecoderWindow = 1 << 27

	zstdMaxBlock = 128 << 10 // bytes that one block can make

	// zstdMaxRatio is the most that zstd can expand: a block of one repeated byte
	// is 4 bytes long. A frame that claims more is a lie, found before memory is
	// spent on it.
	zstdMaxRatio = zstdMaxBlock / 4
)

type zstdEncoder struct{ e *zstd.Encoder }

func newZSTDEncoder(level int) (*zstdEncoder, error) {
	e, err := zstd.NewWriter(nil,
		zstd.WithEncoderLevel(zstd.EncoderLevelFromZstd(level)),
		zstd.WithEncoderConcurrency(1), // the pool is the concurrency
		zstd.WithWindowSize(zstdEncoderWindow),
		zstd.WithEncoderCRC(false), // a batch has its own
		zstd.WithZeroFrames(true),  // no records is still a frame
	)
	return &zstdEncoder{e}, err
}

func (e *zstdEncoder) encode(dst, src []byte) ([]byte, error) {
	return e.e.EncodeAll(src, dst), nil
}

// zstdDecoders hold decoders that write into the capacity they are given and
// allocate no output of their own, whatever a frame claims about its window.
var zstdDecoders = sync.Pool{New: func() any { return newZSTDDecoder() }}

// keptDecoders replaces zstdDecoders if it is not nil.
var keptDecoders chan *zstd.Decoder

// KeepZSTDDecoders makes n decoders that are used in place of a pool that grows
// and shrinks. It is for tests with testing/synctest and comes before them: a
// decoder has channels, and one that was made in a bubble is of no use in others.
func KeepZSTDDecoders(n int) {
	keptDecoders = make(chan *zstd.Decoder, n)
	for range n {
		keptDecoders <- newZSTDDecoder()
	}
}

func getZSTDDecoder() *zstd.Decoder {
	if keptDecoders != nil {
		return <-keptDecoders
	}
	return zstdDecoders.Get().(*zstd.Decoder)
}

func putZSTDDecoder(d *zstd.Decoder) {
	if keptDecoders != nil {
		keptDecoders <- d
		return
	}
	zstdDecoders.Put(d)
}

func newZSTDDecoder() *zstd.Decoder {
	d, err := zstd.NewReader(nil,
		zstd.WithDecoderConcurrency(1),
		zstd.WithDecodeAllCapLimit(true),
		zstd.WithDecoderMaxWindow(zstdDecoderWindow),
	)
	if err != nil {
		panic(fmt.Sprintf("compression: zstd refuses constant options: %v", err))
	}
	return d
}

// decodeZSTD decodes into dst's capacity and, if that is too small, again into
// four times as much: frames of streaming writers, Java's among them, do not say
// how much is in them. A reused dst soon has the room at once.
//
// Lack of room and damage are told apart by the room that is left: a block makes
// zstdMaxBlock at most, so an error where that much is free is damage.
func decodeZSTD(dst, src []byte, limit int) ([]byte, error) {
	guess := max(4*len(src), 4<<10)
	var h zstd.Header
	if h.Decode(src) == nil && h.HasFCS {
		if h.FrameContentSize > uint64(limit) {
			return dst, tooLarge(ZSTD, limit)
		}
		if h.FrameContentSize > uint64(zstdMaxRatio*len(src)) {
			return dst, fmt.Errorf("%w: %d bytes of zstd cannot hold %d",
				ErrCorrupt, len(src), h.FrameContentSize)
		}
		guess = max(guess, int(h.FrameContentSize))
	}
	d := getZSTDDecoder()
	defer putZSTDDecoder(d)

	base := len(dst)
	most := limit + zstdMaxBlock // beyond limit, so that an overrun shows
	room := min(most, max(guess+zstdMaxBlock, cap(dst)-base))
	for {
		dst = slices.Grow(dst, room)
		out, err := d.DecodeAll(src, dst[:base:base+room])
		made := len(out) - base
		full := errors.Is(err, zstd.ErrDecoderSizeExceeded)
		switch {
		case made > limit, full && room == most:
			return dst, tooLarge(ZSTD, limit)
		case err == nil:
			return out, nil
		case !full && room-made >= zstdMaxBlock:
			return dst, fmt.Errorf("%w: zstd: %w", ErrCorrupt, err)
		}
		if room > most/4 {
			room = most
		} else {
			room *= 4
		}
	}
}
