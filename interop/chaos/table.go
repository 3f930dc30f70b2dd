//go:build unix

package chaos

import (
	"bytes"
	"fmt"
	"os"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/posthaste-go/posthaste/interop/java"
)

// The goals of recovery.
const (
	KilledMedian = 80 * time.Millisecond
	KilledP99    = 400 * time.Millisecond
	FrozenMost   = time.Second
)

// Table is the results as Markdown: a line for each client, and what was run.
func Table(results []Result) string {
	var b strings.Builder
	b.WriteString("| client | records | failed | lost | duplicated | reordered |" +
		" wrongly NotWritten | killed: p50 / p99 / max | frozen: p50 / max |" +
		" isolated: p50 / max | moved: p50 / p99 |\n")
	b.WriteString("|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|\n")
	for _, r := range results {
		c, took := r.Counts, r.Recoveries
		fmt.Fprintf(&b, "| %s | %d | %d | %d | %d | %d | %s | %s | %s | %s | %s |\n",
			r.Config.Client, c.Sent, c.Sent-c.Acked, c.Lost, c.Duplicated, c.Reordered, denied(r),
			took[Killed].quantiles(0.5, 0.99, 1), took[Frozen].quantiles(0.5, 1),
			took[Isolated].quantiles(0.5, 1), took[Moved].quantiles(0.5, 0.99))
	}
	b.WriteByte('\n')
	for _, r := range results {
		fmt.Fprintf(&b, "- %s\n", describe(r))
	}
	return b.String()
}

// denied is how many records of a client that says so were wrongly reported as
// not written.
func denied(r Result) string {
	if r.Config.Client != "posthaste" && r.Counts.WronglyDenied == 0 {
		return "–"
	}
	return fmt.Sprint(r.Counts.WronglyDenied)
}

// describe is a line on what was run, and what the table has no column for.
func describe(r Result) string {
	c, n := r.Config, r.Counts
	text := fmt.Sprintf("%s: seed %d, %d events, %d connections cut, %d records/s for %v, Apache Kafka %s, %d CPUs,"+
		" load averages at the end %s", c.Client, c.Seed, r.Events, r.Cuts, c.Rate,
		r.Took.Round(time.Second), java.Version, runtime.NumCPU(), r.Load)
	if c.TxnRecords > 0 {
		text += fmt.Sprintf("; %d transactions: %d committed, %d aborted, %d unknown, %d torn,"+
			" %d wrongly reported", n.Txns, n.Committed, n.Aborted, n.CommitsUnknown, n.TornTxns,
			n.WronglyTxns)
	}
	for _, other := range []struct {
		count int
		what  string
	}{
		{n.Misplaced, "not where the client was told"},
		{n.WithoutOutcome, "without an outcome"},
		{n.OutcomeTwice, "with two outcomes"},
		{n.NeverSent, "in the log only"},
	} {
		if other.count > 0 {
			text += fmt.Sprintf("; %d records %s", other.count, other.what)
		}
	}
	return text
}

// quantiles prints some, in milliseconds, and of how many takeovers; those that
// were acknowledged only when the old leader was back are named.
func (r Recoveries) quantiles(qs ...float64) string {
	if len(r.Took) == 0 && r.Never == 0 {
		return "–"
	}
	var parts []string
	for _, q := range qs {
		parts = append(parts, fmt.Sprint(r.Quantile(q).Milliseconds()))
	}
	text := fmt.Sprintf("%s ms (%d)", strings.Join(parts, " / "), len(r.Took))
	if r.Never > 0 {
		text += fmt.Sprintf(", %d held until it was back", r.Never)
	}
	return text
}

// The table in a document stands between these lines.
const (
	tableBegin = "<!-- table: written by make chaos -->"
	tableEnd   = "<!-- end of table -->"
)

// WriteTable replaces the table in a Markdown file.
func WriteTable(file string, results []Result) error {
	text, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	before, rest, ok := bytes.Cut(text, []byte(tableBegin))
	_, after, ok2 := bytes.Cut(rest, []byte(tableEnd))
	if !ok || !ok2 {
		return fmt.Errorf("%s has no lines %q and %q to write the table between", file, tableBegin,
			tableEnd)
	}
	table := fmt.Sprintf("%s\n\n%s\n%s", tableBegin, Table(results), tableEnd)
	return os.WriteFile(file, slices.Concat(before, []byte(table), after), 0o644)
}
