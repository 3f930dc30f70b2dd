package main

import (
	"slices"
	"strings"
	"testing"
)

func TestSpellingsOfKafkasToolsAreUnderstood(t *testing.T) {
	for in, want := range map[string]string{
		"topics --create --topic t": "topics create --topic t",
		"topics --topic t --alter":  "topics alter --topic t",
		"transactions --bootstrap-server list find-hanging --topic t": "transactions find-hanging " +
			"--bootstrap-server list --topic t",
		"transactions --json list":               "transactions list --json",
		"transactions abort --topic list":        "transactions abort --topic list",
		"transactions forceTerminateTransaction": "transactions force-terminate",
		"topics create --topic list":             "topics create --topic list",
		"produce --list":                         "produce --list",
		"perf --throughput -1 --topic t":         "perf --throughput=-1 --topic t",
		"produce --compression-codec --topic t":  "produce --compression-codec --topic t",
		"produce --compression-codec lz4 a.csv":  "produce --compression-codec=lz4 a.csv",
		"produce --delivery-report json a.csv":   "produce --delivery-report=json a.csv",
		"produce --delivery-report a.csv":        "produce --delivery-report a.csv",
		"produce --topic t -- --delivery-report": "produce --topic t -- --delivery-report",
		"perf --producer-props a=b c=d --json":   "perf --producer-property=a=b --producer-property=c=d --json",
		"--version":                              "version",
		"":                                       "",
	} {
		if got := strings.Join(normalize(strings.Fields(in)), " "); got != want {
			t.Errorf("normalize(%s) = %s, want %s", in, got, want)
		}
	}
	args := []string{"topics", "--create"}
	normalize(args)
	if !slices.Equal(args, []string{"topics", "--create"}) {
		t.Errorf("normalize changed its argument to %v", args)
	}
}
