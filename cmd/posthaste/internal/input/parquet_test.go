package input

import (
	"bytes"
	"errors"
	"io"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/klauspost/compress/gzip"
	"github.com/parquet-go/parquet-go"
)

type inner struct {
	X int32   `parquet:"x"`
	Y *string `parquet:"y,optional"`
}

type deep struct {
	P []string `parquet:"p,list"`
}

// sample has a column of every kind that has a rule of its own.
type sample struct {
	ID      string           `parquet:"id"`
	Flag    bool             `parquet:"flag"`
	Big     uint64           `parquet:"big"`
	Small   int32            `parquet:"small"`
	Float   float32          `parquet:"float"`
	Double  float64          `parquet:"double"`
	Price   int64            `parquet:"price,decimal(2:18)"`
	Day     int32            `parquet:"day,date"`
	Time    time.Time        `parquet:"time,timestamp(microsecond)"`
	UUID    [16]byte         `parquet:"uuid,uuid"`
	Raw     []byte           `parquet:"raw"`
	Maybe   *int64           `parquet:"maybe,optional"`
	Inner   inner            `parquet:"inner"`
	List    []int32          `parquet:"list,list"`
	Nested  []deep           `parquet:"nested,list"`
	Objects []inner          `parquet:"objects,list"`
	Map     map[string]int64 `parquet:"map"`
	Plain   []string         `parquet:"plain"`
}

func ptr[T any](v T) *T { return &v }

var sampleRows = []sample{
	{ID: "a\"b", Flag: true, Big: math.MaxUint64, Small: -7, Float: 0.1, Double: 1e300, Price: -5,
		Day: 19753, Time: time.UnixMicro(1700000000123456).UTC(),
		UUID: [16]byte{0, 17, 34, 51, 68, 85, 102, 119, 136, 153, 170, 187, 204, 221, 238, 255},
		Raw:  []byte{0, 1, 255}, Maybe: ptr(int64(9007199254740993)),
		Inner: inner{X: 1, Y: ptr("é")}, List: []int32{1, 2}, Nested: []deep{{[]string{"p", "q"}}, {}, {[]string{"r"}}},
		Objects: []inner{{X: 2}, {X: 3, Y: ptr("z")}}, Map: map[string]int64{"k": 1},
		Plain: []string{"u", "v"}},
	{ID: "", Float: float32(math.Inf(-1)), Double: math.NaN(), Price: 12345, Raw: []byte{}},
}

func parquetBytes(t testing.TB, rows []sample) []byte {
	t.Helper()
	var buf bytes.Buffer
	w := parquet.NewGenericWriter[sample](&buf)
	if _, err := w.Write(rows); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

func writeFile(t testing.TB, name string, data []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestParquetTypesBecomeJSON(t *testing.T) {
	path := writeFile(t, "s.parquet", parquetBytes(t, sampleRows))
	r, err := Open(path, Options{KeyField: "inner.y", TimestampField: "time", PartitionField: "maybe",
		HeaderFields: []string{"raw", "price"}})
	if err != nil {
		t.Fatal(err)
	}
	// The partition of the first row does not fit, so nothing of it is sent.
	rows, problems := readAll(t, r)
	if d := cmp.Diff([]string{path + `:1: partition field "maybe": "9007199254740993" is no ` +
		`partition, which is a number from 0; correct the field`,
		path + `:2: timestamp field "time": 0001-01-01T00:00:00Z is before 1970, ` +
			`which Kafka refuses; correct the field`}, problems); d != "" || len(rows) > 0 {
		t.Errorf("%d rows; errors differ (-want +got):\n%s", len(rows), d)
	}
	r, err = Open(path, Options{KeyField: "inner.y", HeaderFields: []string{"raw", "price"}})
	if err != nil {
		t.Fatal(err)
	}
	rows, problems = readAll(t, r)
	want := []row{{Line: 1, Key: "é", Headers: "raw=\x00\x01\xff price=-0.05",
		Value: `{"id":"a\"b","flag":true,"big":18446744073709551615,"small":-7,"float":0.1,` +
			`"double":1e+300,"price":-0.05,"day":"2024-01-31","time":"2023-11-14T22:13:20.123456Z",` +
			`"uuid":"00112233-4455-6677-8899-aabbccddeeff","raw":"AAH/","maybe":9007199254740993,` +
			`"inner":{"x":1,"y":"é"},"list":[1,2],"nested":[{"p":["p","q"]},{"p":[]},{"p":["r"]}],` +
			`"objects":[{"x":2,"y":null},{"x":3,"y":"z"}],"map":{"k":1},"plain":["u","v"]}`},
		{Line: 2, Key: null, Headers: "raw= price=123.45",
			Value: `{"id":"","flag":false,"big":0,"small":0,"float":"-Infinity",` +
				`"double":"NaN","price":123.45,"day":"1970-01-01","time":"0001-01-01T00:00:00Z",` +
				`"uuid":"00000000-0000-0000-0000-000000000000","raw":"","maybe":null,` +
				`"inner":{"x":0,"y":null},"list":[],"nested":[],"objects":[],"map":{},"plain":[]}`}}
	if d := cmp.Diff(want, rows); d != "" || len(problems) > 0 {
		t.Errorf("errors %v; records differ (-want +got):\n%s", problems, d)
	}
}

func TestParquetColumnsThatAreNotThere(t *testing.T) {
	path := writeFile(t, "s.parquet", parquetBytes(t, sampleRows))
	tests := []struct{ name, key, want string }{
		{"a slip of the pen", "idd", `no column "idd"; did you mean "id"?`},
		{"inside a group", "inner.yy", `no column "inner.yy"; did you mean "inner.y"?`},
		{"a list", "list", `column "list" is a list or a group; choose a single value inside it`},
		{"a group", "inner", `column "inner" is a list or a group; choose a single value inside it`},
		{"below a value", "id.x", `no column "id.x"; the columns are `},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := Open(path, Options{KeyField: tt.key})
			if err == nil || err.Error() != path+": "+tt.want {
				t.Errorf("Open = %v, want %s", err, tt.want)
			}
		})
	}
}

func TestParquetThatIsNone(t *testing.T) {
	path := writeFile(t, "s.parquet", []byte("iata,name\nA,B\n"))
	_, err := Open(path, Options{})
	if err == nil || !strings.HasPrefix(err.Error(), path+": not a readable Parquet file: ") {
		t.Errorf("Open = %v, want an error that names the file", err)
	}
}

func gzipped(t testing.TB, data []byte) []byte {
	t.Helper()
	var buf bytes.Buffer
	w := gzip.NewWriter(&buf)
	if _, err := w.Write(data); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

func TestGzippedFilesAreReadAsTheFilesInThem(t *testing.T) {
	tests := []struct {
		name string
		data []byte
		want int
	}{
		{"a.csv.gz", gzipped(t, []byte("id\n1\n2\n")), 2},
		{"two members.txt.gz", append(gzipped(t, []byte("a\n")), gzipped(t, []byte("b\n"))...), 2},
		{"s.parquet.gz", gzipped(t, parquetBytes(t, sampleRows)), 2},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r, err := Open(writeFile(t, tt.name, tt.data), Options{})
			if err != nil {
				t.Fatal(err)
			}
			if rows, problems := readAll(t, r); len(rows) != tt.want || len(problems) > 0 {
				t.Errorf("%d rows, errors %v; want %d rows", len(rows), problems, tt.want)
			}
		})
	}
	path := writeFile(t, "plain.csv.gz", []byte("id\n1\n"))
	if _, err := Open(path, Options{}); err == nil || !strings.Contains(err.Error(),
		"plain.csv.gz: not gzip although its name ends in .gz") {
		t.Errorf("Open = %v, want that it is not gzip", err)
	}
}

func TestFilesThatCannotBeOpened(t *testing.T) {
	dir := t.TempDir()
	if _, err := Open(filepath.Join(dir, "none.csv"), Options{}); !errors.Is(err, os.ErrNotExist) &&
		(err == nil || !strings.HasSuffix(err.Error(), "none.csv: no such file or directory")) {
		t.Errorf("Open of no file = %v", err)
	}
	if _, err := Open(dir, Options{}); err == nil ||
		!strings.HasSuffix(err.Error(), ": it is a directory; name the files in it") {
		t.Errorf("Open of a directory = %v", err)
	}
}

// Memory must not grow with the file: rows are read a few hundred at a time.
func TestParquetMemoryIsFlat(t *testing.T) {
	type wide struct {
		N int64  `parquet:"n"`
		S string `parquet:"s"`
	}
	path := filepath.Join(t.TempDir(), "big.parquet")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	w := parquet.NewGenericWriter[wide](f, parquet.MaxRowsPerRowGroup(50_000))
	batch := make([]wide, 1000)
	for i := range 200 {
		for j := range batch {
			n := int64(i*1000 + j)
			batch[j] = wide{n, strings.Repeat("x", 50)}
		}
		if _, err := w.Write(batch); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(w.Close(), f.Close()); err != nil {
		t.Fatal(err)
	}
	r, err := Open(path, Options{KeyField: "n"})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	var rec Record
	var most uint64
	rows := 0
	for ; ; rows++ {
		if err := r.Read(&rec); err == io.EOF {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		if rows%20_000 == 0 {
			var m runtime.MemStats
			runtime.GC()
			runtime.ReadMemStats(&m)
			most = max(most, m.HeapAlloc)
		}
	}
	if done, total := r.Progress(); rows != 200_000 || done != 200_000 || total != 200_000 {
		t.Errorf("read %d rows, progress %d of %d; want 200000", rows, done, total)
	}
	if most > 32<<20 {
		t.Errorf("heap reached %d bytes, want at most 32 MiB", most)
	}
}
