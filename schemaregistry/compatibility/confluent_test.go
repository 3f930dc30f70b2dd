package compatibility_test

import (
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/posthaste-go/posthaste/schemaregistry/internal/compat"
)

// A subject is one of testdata/confluent-protobuf.ndjson.gz: generated versions
// and what the code of Confluent's registry (8.5.0, kafka-protobuf-provider) says
// of them. Interop's TestConfluentsAnswersAreTheRecordedOnes makes it.
type subject struct {
	Versions []struct {
		Text    string
		Imports map[string]string
	}
	Confluent struct {
		Texts   []string
		Reasons map[string][]string // "reader<writer": kinds and paths
		Levels  map[string]bool
	}
}

func (s subject) parse(t *testing.T) (all []compat.Version) {
	t.Helper()
	for i, v := range s.Versions {
		source := compat.Source{Type: "PROTOBUF", Text: v.Text}
		for name, text := range v.Imports {
			source.References = append(source.References, compat.Reference{Name: name, Text: text})
		}
		parsed, err := compat.Parse(source, compat.Options{Strict: true})
		if err != nil {
			t.Fatalf("%v in\n%s", err, v.Text)
		}
		all = append(all, compat.Version{Schema: parsed, Version: i + 1})
	}
	return all
}

func subjects(t *testing.T) (all []subject) {
	t.Helper()
	f, err := os.Open("testdata/confluent-protobuf.ndjson.gz")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	for d := json.NewDecoder(z); ; {
		var s subject
		if err := d.Decode(&s); errors.Is(err, io.EOF) {
			return all
		} else if err != nil {
			t.Fatal(err)
		}
		all = append(all, s)
	}
}

// Kinds and paths of reasons, answers at the seven levels and canonical texts are
// those of Confluent's own code, on 4,800 pairs that nobody thought of. There is
// one difference, on purpose: Confluent compares labels only if both are written,
// so that in proto3, or in a oneof, one number may become many. They are encoded
// in another way, one alone and many packed, and we say so.
func TestProtobufAnswersAreConfluents(t *testing.T) {
	count := map[string]int{}
	for n, s := range subjects(t) {
		versions := s.parse(t)
		stricter := map[string]bool{}
		for r, reader := range versions {
			if got := reader.Schema.Text(); got != s.Confluent.Texts[r] {
				t.Errorf("subject %d: %s\n(-Confluent +ours)\n%s", n, s.Versions[r].Text,
					cmp.Diff(s.Confluent.Texts[r], got))
			}
			for w, writer := range versions {
				if r == w {
					continue
				}
				pair := fmt.Sprintf("%d<%d", r, w)
				kind := comparePair(t, reader, writer, s.Confluent.Reasons[pair])
				count[kind]++
				if kind == numberBecomesMany {
					stricter[pair] = true
				}
			}
		}
		last := len(versions) - 1
		for level, want := range s.Confluent.Levels {
			got := len(compat.Check(level, versions[last].Schema, versions[:last])) == 0
			if got != want && (got || len(stricter) == 0) {
				t.Errorf("subject %d at %s: compatible %v, Confluent says %v", n, level, got, want)
			}
			count["levels"]++
		}
	}
	want := map[string]int{"compatible": 2755, "incompatible": 1931, numberBecomesMany: 114,
		"levels": 5600}
	if d := cmp.Diff(want, count); d != "" {
		t.Errorf("answers (-want +got)\n%s", d)
	}
}

const numberBecomesMany = "one number becomes many without a label"

// comparePair says of which kind Confluent's answer and ours are.
func comparePair(t *testing.T, reader, writer compat.Version, theirs []string) string {
	t.Helper()
	ours, more := map[string]bool{}, map[string]bool{}
	for _, reason := range reader.Schema.CanRead(writer.Schema) {
		ours[reason.Type+" "+reason.Path] = true
	}
	maps.Copy(more, ours)
	for _, reason := range theirs {
		if !ours[reason] {
			t.Errorf("reader\n%s\nwriter\n%s\nlacks %s", reader.Schema.Text(), writer.Schema.Text(), reason)
		}
		delete(more, reason)
	}
	switch {
	case len(more) == 0 && len(ours) == 0:
		return "compatible"
	case len(more) == 0:
		return "incompatible"
	}
	labels := 0
	for _, reason := range slices.Sorted(maps.Keys(more)) {
		switch kind, _, _ := strings.Cut(reason, " "); kind {
		case "FIELD_NUMERIC_LABEL_CHANGED":
			labels++
		case "FIELD_NAMED_TYPE_CHANGED": // the field of an imported type that has such a field
		default:
			t.Errorf("reader\n%s\nwriter\n%s\nonly we have %s", reader.Schema.Text(), writer.Schema.Text(),
				reason)
		}
	}
	if labels == 0 {
		t.Errorf("only we have %v", more)
	}
	return numberBecomesMany
}
