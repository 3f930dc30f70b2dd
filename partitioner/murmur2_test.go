package partitioner

import (
	"encoding/json"
	"os"
	"strconv"
	"testing"
)

// readTestdata decodes testdata/name into v.
func readTestdata(t testing.TB, name string, v any) {
	t.Helper()
	b, err := os.ReadFile("testdata/" + name)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(b, v); err != nil {
		t.Fatalf("testdata/%s: %v", name, err)
	}
}

// Java's own hashes and partitions; see the head of the file for the version.
func TestForKeyEqualsJava(t *testing.T) {
	var golden struct {
		PartitionCounts []int `json:"partitionCounts"`
		Rows            []struct {
			Key        []byte  `json:"key"`
			Murmur2    int32   `json:"murmur2"`
			Partitions []int32 `json:"partitions"`
		} `json:"rows"`
	}
	readTestdata(t, "murmur2.json", &golden)
	if len(golden.Rows) != 487 {
		t.Fatalf("%d rows, want 487", len(golden.Rows))
	}
	for _, row := range golden.Rows {
		if got := Murmur2(row.Key); got != row.Murmur2 {
			t.Errorf("Murmur2(%x) = %d, want %d", row.Key, got, row.Murmur2)
		}
		for i, n := range golden.PartitionCounts {
			if got := ForKey(row.Key, n); got != row.Partitions[i] {
				t.Errorf("ForKey(%x, %d) = %d, want %d", row.Key, n, got, row.Partitions[i])
			}
		}
	}
}

func TestMurmur2OfNullEqualsEmpty(t *testing.T) {
	if got, want := Murmur2(nil), Murmur2([]byte{}); got != want {
		t.Errorf("Murmur2(nil) = %d, Murmur2 of no bytes = %d", got, want)
	}
}

// murmur2Bytewise is the definition, one byte at a time.
func murmur2Bytewise(b []byte) int32 {
	const m = 0x5bd1e995
	h := uint32(0x9747b28c) ^ uint32(len(b))
	whole := len(b) &^ 3
	for i := 0; i < whole; i += 4 {
		k := uint32(b[i]) | uint32(b[i+1])<<8 | uint32(b[i+2])<<16 | uint32(b[i+3])<<24
		k *= m
		k ^= k >> 24
		k *= m
		h = h*m ^ k
	}
	for i := len(b) - 1; i >= whole; i-- {
		h ^= uint32(b[i]) << (8 * (i - whole))
	}
	if whole < len(b) {
		h *= m
	}
	h ^= h >> 13
	h *= m
	return int32(h ^ h>>15)
}

func FuzzForKey(f *testing.F) {
	f.Add([]byte(nil), 1)
	f.Add([]byte("customer-17"), 12)
	f.Add([]byte("0123456789abcdef0123456789abcde"), 1000)
	f.Fuzz(func(t *testing.T, key []byte, n int) {
		if n < 1 || n > 1<<31-1 {
			return
		}
		if got, want := Murmur2(key), murmur2Bytewise(key); got != want {
			t.Fatalf("Murmur2(%x) = %d, want %d", key, got, want)
		}
		for _, p := range Explain(key, n) {
			if p.Partition < Any || int(p.Partition) >= n {
				t.Fatalf("%v places %x in %d of %d partitions", p.Dialect, key, p.Partition, n)
			}
		}
	})
}

func BenchmarkMurmur2(b *testing.B) {
	for _, size := range []int{3, 8, 16, 36, 100, 1000} {
		b.Run(strconv.Itoa(size)+"B", func(b *testing.B) {
			key := make([]byte, size)
			b.SetBytes(int64(size))
			b.ReportAllocs()
			for b.Loop() {
				Murmur2(key)
			}
		})
	}
}
