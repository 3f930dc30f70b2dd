package compression

import (
	"errors"
	"fmt"
	"strings"
)

// Codec is a compression codec by its number in a batch's attributes.
// Source: CompressionType.
type Codec int8

// The codecs of Kafka.
const (
	None   Codec = 0
	Gzip   Codec = 1
	Snappy Codec = 2
	LZ4    Codec = 3
	ZSTD   Codec = 4 // KIP-110
)

// Errors of this package. Test with errors.Is.
var (
	ErrCorrupt      = errors.New("corrupt compressed data")
	ErrTooLarge     = errors.New("decompressed data is larger than the limit")
	ErrUnknownCodec = errors.New("unknown compression codec")
)

// codecs holds what New and Parse need to know. Level bounds are those of
// GzipCompression, Lz4Compression and ZstdCompression (KIP-390).
var codecs = [...]struct {
	name          string
	hasLevel      bool
	min, max, def int
}{
	None:   {name: "none"},
	Gzip:   {name: "gzip", hasLevel: true, min: 1, max: 9, def: -1},
	Snappy: {name: "snappy"},
	LZ4:    {name: "lz4", hasLevel: true, min: 1, max: 17, def: 9},
	ZSTD:   {name: "zstd", hasLevel: true, min: -131072, max: 22, def: 3},
}

// Valid reports whether c is one of Kafka's codecs.
func (c Codec) Valid() bool { return c >= None && c <= ZSTD }

// String is Kafka's name of c, as in compression.type.
func (c Codec) String() string {
	if !c.Valid() {
		return fmt.Sprintf("codec %d", int8(c))
	}
	return codecs[c].name
}

// Parse finds a codec by Kafka's name. Case matters, as it does in Kafka.
func Parse(name string) (Codec, error) {
	for c := None; c <= ZSTD; c++ {
		if codecs[c].name == name {
			return c, nil
		}
	}
	hint := ""
	if low := strings.ToLower(strings.TrimSpace(name)); low != name {
		if c, err := Parse(low); err == nil {
			hint = fmt.Sprintf("; write %s", c)
		}
	}
	return None, fmt.Errorf("%w %q: want none, gzip, snappy, lz4 or zstd%s",
		ErrUnknownCodec, name, hint)
}

// DefaultLevel is the level that Kafka uses if none is set, and 0 for codecs
// without levels. Gzip's -1 stands for the library's own default.
func (c Codec) DefaultLevel() int {
	if !c.Valid() {
		return 0
	}
	return codecs[c].def
}

// CheckLevel reports whether level is one that Kafka accepts for c: gzip 1 to 9
// or -1, lz4 1 to 17, zstd -131072 to 22. Codecs without levels take any.
func (c Codec) CheckLevel(level int) error {
	if !c.Valid() {
		return fmt.Errorf("%w: %d", ErrUnknownCodec, int8(c))
	}
	k := codecs[c]
	if !k.hasLevel || level == k.def || level >= k.min && level <= k.max {
		return nil
	}
	return fmt.Errorf("%s has no compression level %d: want %d to %d, or %d, the default",
		k.name, level, k.min, k.max, k.def)
}
