package compression

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"testing"
)

// text is n bytes that compress as records of one kind do.
func text(n int) []byte {
	r := rand.New(rand.NewPCG(1, 2))
	var b []byte
	for i := 0; len(b) < n; i++ {
		a, z := 'A'+r.IntN(26), 'A'+r.IntN(26)
		b = fmt.Appendf(b, `{"id":%d,"city":"%c%c","delay":%d}`, i, a, z, r.IntN(90))
	}
	return b[:n]
}

func noise(n int) []byte {
	r := rand.New(rand.NewPCG(3, 4))
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(r.Uint32())
	}
	return b
}

func mustNew(t testing.TB, c Codec, level int) *Compressor {
	t.Helper()
	z, err := New(c, level)
	if err != nil {
		t.Fatal(err)
	}
	return z
}

func mustAppend(t testing.TB, z *Compressor, dst, src []byte) []byte {
	t.Helper()
	b, err := z.Append(dst, src)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestWhatIsCompressedIsReadBack(t *testing.T) {
	inputs := map[string][]byte{"nothing": {}, "one byte": {7}, "noise": noise(100_000)}
	for _, n := range []int{5, 100, 32 << 10, 32<<10 + 1, 64 << 10, 64<<10 + 1, 1 << 20, 3<<20 + 17} {
		inputs[fmt.Sprintf("text of %d", n)] = text(n)
	}
	inputs["zeros"] = make([]byte, 2<<20)
	for c := None; c <= ZSTD; c++ {
		z := mustNew(t, c, c.DefaultLevel())
		for name, in := range inputs {
			t.Run(c.String()+"/"+name, func(t *testing.T) {
				const prefix = "kept"
				b := mustAppend(t, z, []byte(prefix), in)
				if string(b[:4]) != prefix {
					t.Fatalf("Append changed what dst held: %q", b[:4])
				}
				if len(in) == 0 && c == None {
					return
				}
				got, err := Decompress([]byte(prefix), b[4:], c, len(in))
				if err != nil {
					t.Fatal(err)
				}
				if string(got[:4]) != prefix || !bytes.Equal(got[4:], in) {
					t.Fatalf("read back %d bytes that differ from the %d written", len(got)-4, len(in))
				}
			})
		}
	}
}
