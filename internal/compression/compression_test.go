package compression

import (
	"bytes"
	"encoding/binary"
	"errors"
	"runtime"
	"strings"
	"sync"
	"testing"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/s2"
	"github.com/klauspost/compress/zstd"
	"github.com/pierrec/lz4/v4"
)

func TestParseKnowsKafkasNamesAndNoOthers(t *testing.T) {
	for c := None; c <= ZSTD; c++ {
		if got, err := Parse(c.String()); got != c || err != nil {
			t.Errorf("Parse(%q) = %v, %v, want %v", c.String(), got, err, c)
		}
	}
	for _, name := range []string{"", "GZIP", "brotli", "lz4 ", "uncompressed"} {
		if _, err := Parse(name); !errors.Is(err, ErrUnknownCodec) {
			t.Errorf("Parse(%q) = %v, want ErrUnknownCodec", name, err)
		}
	}
	if _, err := Parse("Snappy"); err == nil || !strings.HasSuffix(err.Error(), "write snappy") {
		t.Errorf("Parse(Snappy) = %v, want a hint at the right name", err)
	}
	if got := Codec(5).String(); got != "codec 5" {
		t.Errorf("Codec(5) = %q", got)
	}
}

func TestNewTakesTheLevelsThatKafkaTakes(t *testing.T) {
	tests := []struct {
		codec Codec
		level int
		ok    bool
	}{
		{None, 77, true}, // no levels: whatever is set does not matter
		{Snappy, -5, true},
		{Gzip, -1, true},
		{Gzip, 1, true},
		{Gzip, 9, true},
		{Gzip, 0, false}, // zlib's "no compression" is not among Kafka's levels
		{Gzip, -2, false},
		{Gzip, 10, false},
		{LZ4, 1, true},
		{LZ4, 17, true},
		{LZ4, 0, false},
		{LZ4, 18, false},
		{ZSTD, -131072, true},
		{ZSTD, 0, true},
		{ZSTD, 22, true},
		{ZSTD, -131073, false},
		{ZSTD, 23, false},
		{Codec(5), 1, false},
		{Codec(-1), 1, false},
	}
	in := text(10_000)
	for _, tt := range tests {
		z, err := New(tt.codec, tt.level)
		if (err == nil) != tt.ok {
			t.Errorf("New(%v, %d) = %v, want ok = %t", tt.codec, tt.level, err, tt.ok)
		}
		if err != nil {
			continue
		}
		got, err := Decompress(nil, mustAppend(t, z, nil, in), tt.codec, len(in))
		if err != nil || !bytes.Equal(got, in) {
			t.Errorf("%v at level %d does not come back: %v", tt.codec, tt.level, err)
		}
	}
}

func TestHigherLevelsAreSmaller(t *testing.T) {
	in := text(200_000)
	for c, levels := range map[Codec][]int{Gzip: {1, 6, 9}, LZ4: {1, 5, 17}, ZSTD: {3, 6, 22}} {
		last := len(in)
		for _, level := range levels {
			n := len(mustAppend(t, mustNew(t, c, level), nil, in))
			if n >= last {
				t.Errorf("%v at level %d: %d bytes, want less than %d", c, level, n, last)
			}
			last = n
		}
	}
}

// The bytes around the compressed blocks are what other clients look at first.
func TestFramingIsJavas(t *testing.T) {
	in := text(100_000)
	prefix := map[Codec]string{
		Gzip:   "\x1f\x8b\x08",
		Snappy: "\x82SNAPPY\x00\x00\x00\x00\x01\x00\x00\x00\x01",
		LZ4:    "\x04\x22\x4d\x18\x60\x40\x82", // independent 64 KiB blocks, no content size
		ZSTD:   "\x28\xb5\x2f\xfd",
	}
	for c, want := range prefix {
		b := mustAppend(t, mustNew(t, c, c.DefaultLevel()), nil, in)
		if !strings.HasPrefix(string(b), want) {
			t.Errorf("%v begins with % x, want % x", c, b[:len(want)], want)
		}
	}

	b := mustAppend(t, mustNew(t, Snappy, 0), nil, in)[xerialHeaderSize:]
	var sizes []int
	for len(b) > 0 {
		n := binary.BigEndian.Uint32(b)
		size, err := s2.DecodedLen(b[4 : 4+n])
		if err != nil {
			t.Fatal(err)
		}
		sizes, b = append(sizes, size), b[4+n:]
	}
	if len(sizes) != 4 || sizes[0] != 32<<10 || sizes[3] != 100_000-3*32<<10 {
		t.Errorf("snappy blocks are of %v bytes, want 32 KiB and a rest", sizes)
	}
}

func TestDecompressReadsWhatOtherClientsWrite(t *testing.T) {
	in := text(300_000)
	gz := mustAppend(t, mustNew(t, Gzip, -1), nil, in[:100])
	xerial := mustAppend(t, mustNew(t, Snappy, 0), nil, in[:100])
	xerial = mustAppend(t, mustNew(t, Snappy, 0), xerial, in[100:])
	tests := map[string]struct {
		codec Codec
		b     []byte
	}{
		"raw snappy, as librdkafka":    {Snappy, s2.EncodeSnappy(nil, in)},
		"two xerial streams":           {Snappy, xerial},
		"two gzip members":             {Gzip, append(gz, gzipStored(t, in[100:])...)},
		"lz4 with checksum, as sarama": {LZ4, lz4With(t, in, lz4.ChecksumOption(true))},
		"lz4 with block checksums":     {LZ4, lz4With(t, in, lz4.BlockChecksumOption(true))},
		"lz4 with content size":        {LZ4, lz4With(t, in, lz4.SizeOption(300_000))},
		"lz4 with 4 MiB blocks":        {LZ4, lz4With(t, in, lz4.BlockSizeOption(lz4.Block4Mb))},
		"lz4 of noise, stored blocks":  {LZ4, lz4With(t, noise(100_000))},
		"zstd without content size":    {ZSTD, zstdStream(t, in)},
		"zstd in two frames with checksums": {
			ZSTD, append(zstdStream(t, in[:9]), zstdStream(t, in[9:])...),
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			want := in
			if strings.Contains(name, "noise") {
				want = noise(100_000)
			}
			got, err := Decompress(nil, tt.b, tt.codec, len(want))
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(got, want) {
				t.Errorf("%d bytes that differ from the %d written", len(got), len(want))
			}
			_, err = Decompress(nil, tt.b, tt.codec, len(want)-1)
			if !errors.Is(err, ErrTooLarge) {
				t.Errorf("with a limit one byte short: %v, want ErrTooLarge", err)
			}
		})
	}
}

func gzipStored(t *testing.T, in []byte) []byte {
	t.Helper()
	var b bytes.Buffer
	w, err := gzip.NewWriterLevel(&b, gzip.NoCompression)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(in); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func lz4With(t *testing.T, in []byte, options ...lz4.Option) []byte {
	t.Helper()
	var b bytes.Buffer
	w := lz4.NewWriter(&b)
	if err := w.Apply(append([]lz4.Option{lz4.ChecksumOption(false)}, options...)...); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(in); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func zstdStream(t *testing.T, in []byte) []byte {
	t.Helper()
	var b bytes.Buffer
	w, err := zstd.NewWriter(&b, zstd.WithEncoderConcurrency(1))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(in); err != nil {
		t.Fatal(err)
	}
	if err := w.Flush(); err != nil { // a second block, and no content size
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestOtherReadersReadOurLZ4(t *testing.T) {
	for _, in := range [][]byte{{}, text(1000), text(200_000), noise(70_000)} {
		b := mustAppend(t, mustNew(t, LZ4, 9), nil, in)
		var got bytes.Buffer
		if _, err := got.ReadFrom(lz4.NewReader(bytes.NewReader(b))); err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got.Bytes(), in) {
			t.Errorf("frame of %d bytes reads as %d", len(in), got.Len())
		}
	}
}

// A cut may leave a shorter sound stream only where the format says so: between
// gzip members, zstd frames or snappy blocks. Here there is one of each.
func TestDataCutShortIsCorrupt(t *testing.T) {
	in := text(3000)
	for c := Gzip; c <= ZSTD; c++ {
		b := mustAppend(t, mustNew(t, c, c.DefaultLevel()), nil, in)
		for n := range len(b) {
			if c == Snappy && n == xerialHeaderSize {
				continue // a stream of no blocks
			}
			if _, err := Decompress(nil, b[:n], c, 1<<20); !errors.Is(err, ErrCorrupt) {
				t.Errorf("%v cut to %d of %d bytes: %v, want ErrCorrupt", c, n, len(b), err)
			}
		}
	}
}

func TestDecompressRefuses(t *testing.T) {
	badVersion := []byte("\x82SNAPPY\x00\x00\x00\x00\x00\x00\x00\x00\x01")
	badLength := append(bytes.Clone(xerialHeader), 0xff, 0xff, 0xff, 0xff)
	frame := mustAppend(t, mustNew(t, LZ4, 9), nil, text(1000))
	edit := func(at int, x byte) []byte {
		b := bytes.Clone(frame)
		b[at] ^= x
		if at == 4 || at == 5 {
			b[6] = byte(xxh32(b[4:6]) >> 8)
		}
		return b
	}
	tests := map[string]struct {
		codec Codec
		b     []byte
		want  error
	}{
		"a codec that does not exist":           {Codec(7), []byte("x"), ErrUnknownCodec},
		"no bytes for gzip":                     {Gzip, nil, ErrCorrupt},
		"no bytes for zstd":                     {ZSTD, nil, ErrCorrupt},
		"lz4 labelled zstd":                     {ZSTD, frame, ErrCorrupt},
		"zstd and more bytes":                   {ZSTD, append(zstdStream(t, nil), 0), ErrCorrupt},
		"lz4 and more bytes":                    {LZ4, append(bytes.Clone(frame), 'x'), ErrCorrupt},
		"lz4 of another version":                {LZ4, edit(4, 0xc0), ErrCorrupt},
		"lz4 with a reserved flag":              {LZ4, edit(4, 0x02), ErrCorrupt},
		"lz4 with a dictionary":                 {LZ4, edit(4, 0x01), ErrCorrupt},
		"lz4 with blocks that depend":           {LZ4, edit(4, 0x20), ErrCorrupt},
		"lz4 with an unknown block size":        {LZ4, edit(5, 0x70), ErrCorrupt},
		"lz4 with Kafka's old descriptor hash":  {LZ4, edit(6, 0xff), ErrCorrupt},
		"lz4 with a block above the block size": {LZ4, edit(9, 0x7f), ErrCorrupt},
		"snappy that claims more than it can":   {Snappy, []byte{0xff, 0xff, 0x3f, 0}, ErrCorrupt},
		"snappy of a version before the first":  {Snappy, badVersion, ErrCorrupt},
		"snappy block length above the bytes":   {Snappy, badLength, ErrCorrupt},
		"more bytes than the limit":             {None, make([]byte, 2<<20), ErrTooLarge},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			dst := []byte("kept")
			got, err := Decompress(dst, tt.b, tt.codec, 1<<20)
			if !errors.Is(err, tt.want) {
				t.Errorf("error = %v, want %v", err, tt.want)
			}
			if string(got) != "kept" {
				t.Errorf("result = %q, want what dst held", got)
			}
		})
	}
}

// 16 MiB of zeros shrink to a few kilobytes; reading them back under a limit of
// 1 MiB must not cost more memory than the limit suggests.
func TestBombCostsNoMoreThanTheLimit(t *testing.T) {
	const limit = 1 << 20
	for c := Gzip; c <= ZSTD; c++ {
		bomb := mustAppend(t, mustNew(t, c, c.DefaultLevel()), nil, make([]byte, 16<<20))
		if c == Snappy {
			bomb = s2.EncodeSnappy(nil, make([]byte, 16<<20)) // one block: size is claimed at once
		}
		if _, err := Decompress(nil, bomb[:len(bomb)/2], c, limit); err == nil {
			t.Errorf("%v: half a bomb is read", c)
		}
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		_, err := Decompress(nil, bomb, c, limit)
		runtime.ReadMemStats(&after)
		if !errors.Is(err, ErrTooLarge) {
			t.Errorf("%v: %v, want ErrTooLarge", c, err)
		}
		// Growth in steps sums to some limits; decoders have tables too.
		if n := after.TotalAlloc - before.TotalAlloc; n > 8*limit {
			t.Errorf("%v: %d bytes allocated under a limit of %d", c, n, limit)
		}
	}
}

func TestNeitherWayAllocatesOnceWarm(t *testing.T) {
	if raceEnabled {
		t.Skip("pools drop at random under the race detector")
	}
	in := text(60_000)
	for c := None; c <= ZSTD; c++ {
		z := mustNew(t, c, c.DefaultLevel())
		out := mustAppend(t, z, make([]byte, 0, 100_000), in)
		if n := testing.AllocsPerRun(50, func() { out = mustAppend(t, z, out[:0], in) }); n >= 1 {
			t.Errorf("%v: Append allocates %v times, want 0", c, n)
		}
		back := make([]byte, 0, 100_000)
		n := testing.AllocsPerRun(50, func() {
			var err error
			if back, err = Decompress(back[:0], out, c, 60_000); err != nil {
				t.Fatal(err)
			}
		})
		if n >= 1 {
			t.Errorf("%v: Decompress allocates %v times, want 0", c, n)
		}
	}
}

func TestOneCompressorServesManyGoroutines(t *testing.T) {
	for c := Gzip; c <= ZSTD; c++ {
		z := mustNew(t, c, c.DefaultLevel())
		var wg sync.WaitGroup
		for g := range 4 {
			wg.Go(func() {
				in := text(20_000 + 1000*g)
				var b, back []byte
				for range 20 {
					var err error
					if b, err = z.Append(b[:0], in); err == nil {
						back, err = Decompress(back[:0], b, c, len(in))
					}
					if err != nil || !bytes.Equal(back, in) {
						t.Errorf("%v, goroutine %d: %v", c, g, err)
					}
				}
			})
		}
		wg.Wait()
	}
}

func FuzzDecompress(f *testing.F) {
	for c := None; c <= ZSTD; c++ {
		z := mustNew(f, c, c.DefaultLevel())
		f.Add(int8(c), mustAppend(f, z, nil, text(300)))
		f.Add(int8(c), mustAppend(f, z, nil, nil))
	}
	f.Add(int8(LZ4), []byte("\x04\x22\x4d\x18\x7c\x40"))
	f.Fuzz(func(t *testing.T, codec int8, b []byte) {
		const limit = 1 << 18
		got, err := Decompress(nil, b, Codec(codec), limit)
		if len(got) > limit {
			t.Fatalf("%d bytes above the limit of %d", len(got), limit)
		}
		if err != nil && !errors.Is(err, ErrCorrupt) && !errors.Is(err, ErrTooLarge) &&
			!errors.Is(err, ErrUnknownCodec) {
			t.Fatalf("error %v is none of this package's", err)
		}
	})
}

func FuzzRoundTrip(f *testing.F) {
	var zs [ZSTD + 1]*Compressor
	for c := range zs {
		zs[c] = mustNew(f, Codec(c), Codec(c).DefaultLevel())
	}
	f.Add(int8(3), text(3000))
	f.Add(int8(2), noise(300))
	f.Fuzz(func(t *testing.T, codec int8, in []byte) {
		c := Codec(codec)
		if !c.Valid() || len(in) == 0 {
			return
		}
		got, err := Decompress(nil, mustAppend(t, zs[c], nil, in), c, len(in))
		if err != nil || !bytes.Equal(got, in) {
			t.Fatalf("%v: %d bytes became %d, %v", c, len(in), len(got), err)
		}
	})
}
