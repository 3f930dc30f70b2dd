package tidy

import (
	"bytes"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"unicode/utf8"
)

// Limits of the house. Generated code and tables are excepted by name.
const (
	maxFunction = 70  // lines
	maxFile     = 500 // lines
	maxTestFile = 800
	maxColumns  = 100 // a tab counts as one
	maxParams   = 5
)

// excepted names what may be longer, and why.
var excepted = map[string]string{
	"internal/errcode/table.go": "a table",
	"internal/errcode/codes.go": "a table",
	"internal/config/table.go":  "a table",

	// The hottest functions of the product take a record apart: a struct would
	// be copied once more for each.
	"internal/wire/append.go:RecordBodySize": "one copy less",
	"internal/wire/append.go:AppendRecord":   "one copy less",
}

// unbreakable lines hold a struct tag, a long text, or an address.
var unbreakable = regexp.MustCompile("`|\"[^\"]{40,}\"|://")

type source struct {
	path string // from the root of the repository
	text []byte
	file *ast.File
	fset *token.FileSet
}

func sources(t *testing.T) []source {
	t.Helper()
	var all []source
	root := "../.."
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, _ := filepath.Rel(root, path)
		rel = filepath.ToSlash(rel)
		if d.IsDir() {
			if name := d.Name(); rel != "." && (strings.HasPrefix(name, ".") || name == "testdata" ||
				name == "node_modules") {
				return filepath.SkipDir
			}
			return nil
		}
		if !strings.HasSuffix(rel, ".go") || strings.HasSuffix(rel, ".pb.go") {
			return nil
		}
		s := source{path: rel, fset: token.NewFileSet()}
		if s.text, err = os.ReadFile(path); err != nil {
			return err
		}
		s.file, err = parser.ParseFile(s.fset, path, s.text, parser.ParseComments)
		all = append(all, s)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func TestFilesAndFunctionsFitInTheHead(t *testing.T) {
	for _, s := range sources(t) {
		if excepted[s.path] != "" {
			continue
		}
		limit := maxFile
		if strings.HasSuffix(s.path, "_test.go") {
			limit = maxTestFile
		}
		if n := bytes.Count(s.text, []byte("\n")); n > limit {
			t.Errorf("%s has %d lines, more than %d: is there a second noun in it?", s.path, n, limit)
		}
		for i, line := range strings.Split(string(s.text), "\n") {
			if n := utf8.RuneCountInString(line); n > maxColumns && !unbreakable.MatchString(line) {
				t.Errorf("%s:%d has %d columns, more than %d", s.path, i+1, n, maxColumns)
			}
		}
		checkFunctions(t, s)
	}
}

func checkFunctions(t *testing.T, s source) {
	test := strings.HasSuffix(s.path, "_test.go")
	for _, d := range s.file.Decls {
		f, ok := d.(*ast.FuncDecl)
		if !ok || f.Body == nil {
			continue
		}
		lines := s.fset.Position(f.End()).Line - s.fset.Position(f.Pos()).Line + 1
		if lines > maxFunction && !test {
			t.Errorf("%s: %s has %d lines, more than %d", s.path, f.Name.Name, lines, maxFunction)
		}
		params := 0
		for _, p := range f.Type.Params.List {
			params += max(1, len(p.Names))
		}
		if params > maxParams && !test && excepted[s.path+":"+f.Name.Name] == "" {
			t.Errorf("%s: %s takes %d parameters, more than %d", s.path, f.Name.Name, params, maxParams)
		}
	}
}

// calls are made in the named places only.
var calls = []struct{ call, why string }{
	{`\btime\.(Now|Since|Until)\(`, "take the time from internal/clock or an argument"},
	{`\btime\.(Sleep|After)\(`, "wait for a condition or a timer that can be stopped"},
	{`\bfmt\.Print(f|ln)?\(`, "a library does not write to standard output"},
	{`"math/rand"`, "use math/rand/v2"},
}

// free may call anything: programs, and packages for tests.
var free = []string{
	"cmd/", "bench/", "interop/", "tools/", "internal/clock/", "internal/tidy/", "internal/sim/",
	"schemaregistry/cmd/",
}

func TestTimeAndOutputHaveOnePlace(t *testing.T) {
	for _, s := range sources(t) {
		if strings.HasSuffix(s.path, "_test.go") || hasPrefix(s.path, free) {
			continue
		}
		for _, c := range calls {
			for _, at := range regexp.MustCompile(c.call).FindAllIndex(s.text, -1) {
				line := 1 + bytes.Count(s.text[:at[0]], []byte("\n"))
				if !comment(s.text, at[0]) {
					t.Errorf("%s:%d: %s: %s", s.path, line, s.text[at[0]:at[1]], c.why)
				}
			}
		}
	}
}

func TestTestsDoNotSleep(t *testing.T) {
	all := sources(t)
	virtual := map[string]bool{} // folders whose tests run on virtual time
	for _, s := range all {
		if strings.HasSuffix(s.path, "_test.go") && bytes.Contains(s.text, []byte("synctest.")) {
			virtual[filepath.Dir(s.path)] = true
		}
	}
	for _, s := range all {
		if !strings.HasSuffix(s.path, "_test.go") || virtual[filepath.Dir(s.path)] {
			continue
		}
		for _, at := range regexp.MustCompile(`\btime\.Sleep\(`).FindAllIndex(s.text, -1) {
			line := 1 + bytes.Count(s.text[:at[0]], []byte("\n"))
			if !comment(s.text, at[0]) {
				t.Errorf("%s:%d sleeps outside synctest: wait for a condition", s.path, line)
			}
		}
	}
}

// comment reports whether the byte at i stands in a line comment.
func comment(text []byte, i int) bool {
	start := bytes.LastIndexByte(text[:i], '\n') + 1
	return bytes.Contains(text[start:i], []byte("//"))
}

func hasPrefix(path string, prefixes []string) bool {
	for _, p := range prefixes {
		if strings.HasPrefix(path, p) {
			return true
		}
	}
	return false
}
