package golden

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// recorder stands in for the test that calls Compare.
type recorder struct {
	testing.TB
	said string
}

func (r *recorder) Helper() {}

func (r *recorder) Errorf(format string, args ...any) { r.said += fmt.Sprintf(format, args...) }

func (r *recorder) Fatalf(format string, args ...any) {
	r.said += fmt.Sprintf(format, args...)
	panic(r)
}

// run calls Compare as a test would and returns what it complained about.
func run(t *testing.T, path, got string) string {
	t.Helper()
	r := &recorder{TB: t}
	func() {
		defer func() {
			if p := recover(); p != nil && p != any(r) {
				panic(p)
			}
		}()
		Compare(r, path, []byte(got))
	}()
	return r.said
}

func TestCompareNamesTheFirstLineThatDiffers(t *testing.T) {
	if *update {
		t.Skip("this test compares on purpose with files that differ")
	}
	path := filepath.Join(t.TempDir(), "want.txt")
	if err := os.WriteFile(path, []byte("one\ntwo\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	tests := map[string]struct{ got, want string }{
		"equal":            {"one\ntwo\n", ""},
		"another line":     {"one\nzwei\n", "line 2 differs"},
		"a line too many":  {"one\ntwo\n\nthree", "line 4 is not in the golden file"},
		"no final newline": {"one\ntwo", "line 3 is missing"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			said := run(t, path, tt.got)
			if (said == "") != (tt.want == "") || !strings.Contains(said, tt.want) {
				t.Errorf("Compare says %q, want %q in it", said, tt.want)
			}
		})
	}
}

func TestCompareSaysHowToWriteAMissingFile(t *testing.T) {
	if *update {
		t.Skip("would write the file")
	}
	said := run(t, filepath.Join(t.TempDir(), "none.txt"), "x")
	if !strings.Contains(said, "-update") {
		t.Errorf("Compare says %q, want a word on -update", said)
	}
}

func TestUpdateWritesTheFile(t *testing.T) {
	defer func(was bool) { *update = was }(*update)
	*update = true
	path := filepath.Join(t.TempDir(), "new", "file.txt")
	if said := run(t, path, "written"); said != "" {
		t.Fatal(said)
	}
	got, err := os.ReadFile(path)
	if err != nil || string(got) != "written" {
		t.Errorf("file holds %q, %v", got, err)
	}
}
