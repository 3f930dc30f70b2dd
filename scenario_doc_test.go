package posthaste_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var (
	goTest   = regexp.MustCompile("`((?:Test|Fuzz)[A-Z]\\w*)`")
	txtTest  = regexp.MustCompile("`sender/(\\w+\\.txt)`")
	testFunc = regexp.MustCompile(`(?m)^func ((?:Test|Fuzz)\w+)\(`)
)

// docs/scenarios.md names tests that exist.
func TestScenariosAreShown(t *testing.T) {
	text, err := os.ReadFile("docs/scenarios.md")
	if err != nil {
		t.Fatal(err)
	}
	there := testNames(t)
	for _, m := range goTest.FindAllSubmatch(text, -1) {
		if !there[string(m[1])] {
			t.Errorf("docs/scenarios.md names %s, which is not there", m[1])
		}
	}
	named := map[string]bool{}
	for _, m := range txtTest.FindAllSubmatch(text, -1) {
		named[string(m[1])] = true
	}
	files, err := filepath.Glob("internal/producer/sender/testdata/*.txt")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		delete(named, filepath.Base(file))
	}
	for name := range named {
		t.Errorf("docs/scenarios.md names sender/%s, which is not there", name)
	}
	rows := strings.Count(string(text), "\n| ") - strings.Count(string(text), "\n| # |")
	if len(goTest.FindAll(text, -1)) < 200 || rows < 250 {
		t.Errorf("docs/scenarios.md is not what it was: %d rows", rows)
	}
}

var rowNumber = regexp.MustCompile(`(?m)^\| (\d+) \|`)

// Every number of the catalogue has one row in docs/scenarios.md; those that are
// about metrics alone are documented with the metrics. testdata/scenario-tags.txt
// says which numbers are about what.
func TestEveryScenarioHasARow(t *testing.T) {
	text, err := os.ReadFile("docs/scenarios.md")
	if err != nil {
		t.Fatal(err)
	}
	rows := map[string]int{}
	for _, m := range rowNumber.FindAllStringSubmatch(string(text), -1) {
		rows[m[1]]++
	}
	tags, err := os.ReadFile("testdata/scenario-tags.txt")
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]bool{}
	for line := range strings.Lines(string(tags)) {
		tag, numbers, _ := strings.Cut(line, ":")
		for n := range strings.FieldsSeq(numbers) {
			all[n] = true
			if tag != "metrics" && rows[n] != 1 {
				t.Errorf("scenario %s (%s) has %d rows in docs/scenarios.md, want 1", n, tag, rows[n])
			}
		}
	}
	for n := range rows {
		if !all[n] {
			t.Errorf("docs/scenarios.md has a row %s, and there is no such scenario", n)
		}
	}
	if len(all) != 387 {
		t.Errorf("testdata/scenario-tags.txt has %d numbers, want 387", len(all))
	}
}

// testNames is every test of this module.
func testNames(t *testing.T) map[string]bool {
	names := map[string]bool{}
	err := filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, "_test.go") {
			return err
		}
		source, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		for _, m := range testFunc.FindAllSubmatch(source, -1) {
			names[string(m[1])] = true
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return names
}
