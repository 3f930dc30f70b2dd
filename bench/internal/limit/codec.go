package limit

import (
	"bytes"
	"fmt"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/s2"
	"github.com/klauspost/compress/zstd"
	"github.com/pierrec/lz4/v4"
)

// codec compresses the records of a batch; nil leaves them as they are.
type codec interface {
	// id is the codec's number in a batch's attributes.
	id() byte
	// compress appends src, compressed, to dst.
	compress(dst, src []byte) []byte
}

// codecs are by their names in compression.type, at each library's default
// level. They are not safe for concurrent use.
var codecs = map[string]codec{
	"none":   nil,
	"gzip":   &gzipCodec{w: gzip.NewWriter(nil)},
	"snappy": snappyCodec{},
	"lz4":    &lz4Codec{w: lz4.NewWriter(nil)},
	"zstd":   &zstdCodec{},
}

type gzipCodec struct {
	w   *gzip.Writer
	out bytes.Buffer
}

func (*gzipCodec) id() byte { return 1 }

func (c *gzipCodec) compress(dst, src []byte) []byte {
	c.out.Reset()
	c.w.Reset(&c.out)
	_, err := c.w.Write(src)
	mustCompress("gzip", err)
	mustCompress("gzip", c.w.Close())
	return append(dst, c.out.Bytes()...)
}

type snappyCodec struct{}

func (snappyCodec) id() byte { return 2 }

func (snappyCodec) compress(dst, src []byte) []byte {
	start := len(dst)
	need := s2.MaxEncodedLen(len(src))
	dst = append(dst, make([]byte, need)...)
	return dst[:start+len(s2.EncodeSnappy(dst[start:], src))]
}

type lz4Codec struct {
	w   *lz4.Writer
	out bytes.Buffer
}

func (*lz4Codec) id() byte { return 3 }

func (c *lz4Codec) compress(dst, src []byte) []byte {
	c.out.Reset()
	c.w.Reset(&c.out)
	mustCompress("lz4", c.w.Apply(lz4.BlockSizeOption(lz4.Block64Kb), lz4.ConcurrencyOption(1)))
	_, err := c.w.Write(src)
	mustCompress("lz4", err)
	mustCompress("lz4", c.w.Close())
	return append(dst, c.out.Bytes()...)
}

type zstdCodec struct{ encoder *zstd.Encoder }

func (*zstdCodec) id() byte { return 4 }

func (c *zstdCodec) compress(dst, src []byte) []byte {
	if c.encoder == nil {
		var err error
		c.encoder, err = zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1),
			zstd.WithWindowSize(128<<10))
		mustCompress("zstd", err)
	}
	return c.encoder.EncodeAll(src, dst)
}

// mustCompress panics: a writer to memory with fixed options cannot fail.
func mustCompress(name string, err error) {
	if err != nil {
		panic(fmt.Sprintf("%s: %v", name, err))
	}
}
