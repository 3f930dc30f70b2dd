package posthaste

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"reflect"
	"strings"
	"testing"

	"github.com/posthaste-go/posthaste/internal/config"
	"github.com/posthaste-go/posthaste/internal/golden"
)

// TestEveryFieldNamesItsSetting reads Config's declaration: the comment of a field
// begins with the setting that the table gives it, and none is forgotten.
func TestEveryFieldNamesItsSetting(t *testing.T) {
	file, err := parser.ParseFile(token.NewFileSet(), "config.go", nil, parser.ParseComments)
	if err != nil {
		t.Fatal(err)
	}
	comments := map[string]string{}
	ast.Inspect(file, func(n ast.Node) bool {
		if f, ok := n.(*ast.Field); ok && len(f.Names) == 1 && f.Comment != nil {
			words := strings.FieldsFunc(f.Comment.Text(), func(r rune) bool {
				return strings.ContainsRune(" ,;\n", r)
			})
			comments[f.Names[0].Name] = words[0]
		}
		return true
	})
	owners := map[string]string{}
	for _, row := range config.Table {
		if row.Field == "" {
			continue
		}
		if other := owners[row.Field]; other != "" {
			t.Errorf("Config.%s is both %s and %s", row.Field, other, row.Name)
		}
		owners[row.Field] = row.Name
		if comments[row.Field] != row.Name {
			t.Errorf("the comment of Config.%s begins with %q, want %s", row.Field,
				comments[row.Field], row.Name)
		}
	}
	// What properties cannot say has no row.
	code := "Partitioner Interceptors Dial Logger Rand TLS SASLUsername SASLPassword origin"
	for f := range reflect.TypeFor[Config]().Fields() {
		if owners[f.Name] == "" && !strings.Contains(" "+code+" ", " "+f.Name+" ") {
			t.Errorf("Config.%s has no row in the table", f.Name)
		}
	}
}

func TestDocumentationIsMadeFromTheTable(t *testing.T) {
	var doc strings.Builder
	doc.Write(mustRead(t, "testdata/config/configuration-head.md"))
	fields := reflect.TypeFor[Config]()
	for _, group := range config.Groups {
		fmt.Fprintf(&doc, "\n## %s\n\n", group.Title)
		doc.WriteString("| setting | type, default, bounds | `Config` | what it does |\n")
		doc.WriteString("|---|---|---|---|\n")
		for i := range group.Settings {
			row := &group.Settings[i]
			goField := "–"
			if f, ok := fields.FieldByName(row.Field); ok {
				goField = fmt.Sprintf("`%s` %s", f.Name,
					strings.TrimPrefix(f.Type.String(), "posthaste."))
			}
			fmt.Fprintf(&doc, "| `%s` | %s | %s | %s |\n", row.Name, docFacts(row), goField,
				docText(row))
		}
	}
	doc.Write(mustRead(t, "testdata/config/configuration-rules.md"))
	doc.WriteString("\n## Names of other clients\n\n" +
		"A file that has these gets a warning with the name here; the value is not used.\n\n" +
		"| client | its name | here |\n|---|---|---|\n")
	for _, f := range config.ForeignNames() {
		instead := f.Instead
		if instead == "" {
			instead = "nothing like it"
		}
		fmt.Fprintf(&doc, "| %s | `%s` | %s |\n", f.Client, f.Name, instead)
	}
	golden.Compare(t, "docs/configuration.md", []byte(doc.String()))
}

func mustRead(t *testing.T, path string) []byte {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// docFacts is type, default and bounds in few words.
func docFacts(row *config.Setting) string {
	facts := row.Kind.String()
	if unit := [...]string{"", ", ms", ", s", ", bytes"}[row.Unit]; unit != "" {
		facts += unit
	}
	switch {
	case row.Name == "bootstrap.servers":
		facts += "; must be given"
	case row.Null, row.Required:
		facts += "; none"
	case row.Default == "":
		facts += "; empty"
	default:
		facts += "; `" + row.Default + "`"
	}
	if bounds := row.Bounds(); bounds != "" {
		facts += "; " + bounds
	}
	return facts
}

// docText is what the setting does, and whether it is as in Java.
func docText(row *config.Setting) string {
	text := row.Doc
	if row.NoEffect != "" {
		text += " **No effect here**: " + row.NoEffect + "."
	}
	if row.Differs != "" {
		text += fmt.Sprintf(" **Kafka's default is %s**: %s", row.JavaDefault, row.Differs)
	}
	if row.KIP != 0 {
		text += fmt.Sprintf(" (KIP-%d)", row.KIP)
	}
	return text
}
