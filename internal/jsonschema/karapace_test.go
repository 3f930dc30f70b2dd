package jsonschema

import (
	"compress/gzip"
	"encoding/json"
	"errors"
	"io"
	"os"
	"testing"
)

// What Karapace, a registry of another hand, answered for 2,000 generated pairs
// of schemas. There is no difference to explain.
func TestAnswersAreKarapaces(t *testing.T) {
	f, err := os.Open("testdata/karapace.ndjson.gz")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	count := map[bool]int{}
	for d := json.NewDecoder(z); ; {
		var row struct {
			Reader, Writer json.RawMessage
			Compatible     bool
		}
		if err := d.Decode(&row); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		found := Incompatibilities(mustParse(t, string(row.Reader)), mustParse(t, string(row.Writer)))
		if (len(found) == 0) != row.Compatible {
			t.Errorf("reader %s\nwriter %s\nours %v, Karapace fits: %v", row.Reader, row.Writer, found,
				row.Compatible)
		}
		count[row.Compatible]++
	}
	if count[true] < 200 || count[false] < 200 {
		t.Errorf("pairs that fit and do not: %v", count)
	}
}
