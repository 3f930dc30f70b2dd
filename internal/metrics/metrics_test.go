package metrics

import (
	"encoding/json"
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/posthaste-go/posthaste/internal/golden"
)

type javaMetric struct{ Group, Name string }

// javaMetrics are what kafka-clients 4.4.0 registers.
func javaMetrics(t *testing.T) []javaMetric {
	t.Helper()
	text, err := os.ReadFile("testdata/java-metrics.json")
	if err != nil {
		t.Fatal(err)
	}
	var all struct{ Metrics []javaMetric }
	if err := json.Unmarshal(text, &all); err != nil {
		t.Fatal(err)
	}
	if len(all.Metrics) < 90 {
		t.Fatalf("%d metrics of Java, want about a hundred", len(all.Metrics))
	}
	return all.Metrics
}

// total is the counter that a rate of Java's is the rate of.
func total(java string) string {
	if name, ok := strings.CutSuffix(java, "-rate"); ok && java != "compression-rate" {
		return name + "-total"
	}
	return java
}

func ours(java string) (Metric, bool) {
	for _, m := range List {
		if m.Java != "" && m.Java == total(java) {
			return m, true
		}
	}
	return Metric{}, false
}

// Who comes from Java must find each of its metrics, or be told where to look.
func TestEveryMetricOfJavaHasAnAnswer(t *testing.T) {
	known := map[string]bool{}
	for _, j := range javaMetrics(t) {
		known[total(j.Name)] = true
		_, here := ours(j.Name)
		_, elsewhere := Instead(total(j.Name))
		if here == elsewhere {
			t.Errorf("%s %s: in the list %t, elsewhere %t", j.Group, j.Name, here, elsewhere)
		}
	}
	for _, m := range List {
		if m.Java != "" && !known[m.Java] {
			t.Errorf("%s names %s, which Java's producer does not have", m.Name, m.Java)
		}
	}
	for name := range instead {
		if !known[name] {
			t.Errorf("instead tells of %s, which Java's producer does not have", name)
		}
	}
}

func TestNamesFollowTheirRules(t *testing.T) {
	legal := regexp.MustCompile(`^posthaste_producer_[a-z_]+$`)
	var names strings.Builder
	seen := map[string]bool{}
	for _, m := range List {
		if !legal.MatchString(m.Name) || seen[m.Name] {
			t.Errorf("%s is no name, or there twice", m.Name)
		}
		seen[m.Name] = true
		if counts := strings.HasSuffix(m.Name, "_total"); counts != (m.Kind == Counter) {
			t.Errorf("%s is a %s", m.Name, m.Kind)
		}
		if m.Scale == 0 || m.Help == "" {
			t.Errorf("%s lacks a scale or a text", m.Name)
		}
		fmt.Fprintf(&names, "%s %s\n", m.Name, m.Kind)
	}
	golden.Compare(t, "testdata/names.golden", []byte(names.String()))
}

// The document is made from the list.
func TestDoc(t *testing.T) {
	var b strings.Builder
	b.WriteString(`# Metrics

What ` + "`Producer.Metrics()`" + ` reports, and package prometheusposthaste exports under these names with the label client_id. Made from
the list in internal/metrics: ` + "`make docs`" + `.

| name | kind | field of posthaste.Metrics | what | Java's producer |
|---|---|---|---|---|
`)
	for _, m := range List {
		java := "–"
		if m.Java != "" {
			java = "`" + m.Java + "`"
		}
		fmt.Fprintf(&b, "| `%s` | %s | `%s` | %s | %s |\n", m.Name, m.Kind, m.Field, m.Help, java)
	}
	b.WriteString(`
## Coming from Java

Metrics of Java's producer that are not in the list, and where to look instead. A ` + "`-rate`" + ` is the rate of the ` +
		"`-total`" + `: ` + "`rate(posthaste_producer_records_sent_total[1m])`" + `. There are no figures by topic or broker.

| Java | here |
|---|---|
`)
	told := map[string]bool{}
	for _, j := range javaMetrics(t) {
		name := total(j.Name)
		if text, ok := Instead(name); ok && !told[name] {
			told[name] = true
			fmt.Fprintf(&b, "| `%s` | %s |\n", name, text)
		}
	}
	golden.Compare(t, "../../docs/metrics.md", []byte(b.String()))
}
