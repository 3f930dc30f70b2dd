package main

import (
	"strings"
	"testing"
	"time"

	"github.com/posthaste-go/posthaste/broker"
)

func TestConsumeAsJSONTellsNullFromEmptyAndTextFromBytes(t *testing.T) {
	_, flags := testBroker(t, broker.Config{})
	must(t, "h:1,i:N\tN\t\n", with(flags, "produce", "--topic", "t", "--property", "parse.key=true",
		"--property", "parse.headers=true", "--property", "null.marker=N")...)
	must(t, "\xff\"\n", with(flags, "produce", "--topic", "t")...)
	r := must(t, "", with(flags, "consume", "--topic", "t", "--from-beginning", "--json",
		"--max-messages", "2")...)
	all := decode[message](t, r.out)
	if m := all[0]; m.Key != nil || str(m.Value) != "" || len(m.Headers) != 2 ||
		str(m.Headers[0][1]) != "1" || m.Headers[1][1] != nil || m.Timestamp == 0 {
		t.Errorf("first record = %s", r.out)
	}
	if got := str(all[1].Value); got != "\uFFFD\"" {
		t.Errorf("bytes that are no text became %q", got)
	}
	names := []string{`{"topic":"t","partition":0,"offset":0,"timestamp":`, `,"key":null,"value":"",` +
		`"headers":[["h","1"],["i",null]]}`}
	for _, part := range names {
		if !strings.Contains(r.out, part) {
			t.Errorf("%s lacks %s", r.out, part)
		}
	}
	all = consumeAll(t, flags, "t", 2, "--base64")
	if str(all[1].Value) != "/yI=" || str(all[0].Value) != "" || all[0].Key != nil ||
		str(all[0].Headers[0][1]) != "MQ==" {
		t.Errorf("in base64: %+v", all)
	}
}

func TestConsumeStartsWhereItIsTold(t *testing.T) {
	_, flags := testBroker(t, broker.Config{Topics: map[string]int{"t": 2}})
	must(t, "p,v\n0,a\n0,b\n1,c\n0,d\n", with(flags, "produce", "--topic", "t", "--format", "csv",
		"--partition-field", "p")...)
	values := func(args ...string) string {
		var all []string
		args = append([]string{"consume", "--topic", "t", "--json", "--timeout-ms", "300"}, args...)
		for _, m := range decode[message](t, must(t, "", with(flags, args...)...).out) {
			all = append(all, strings.Split(str(m.Value), `"`)[5])
		}
		return strings.Join(all, " ")
	}
	for _, tt := range []struct{ args, want string }{
		{"--partition 0 --offset 1", "b d"},
		{"--partition 0 --offset earliest --max-messages 1", "a"},
		{"--partition 0 --offset latest", ""},
		{"--partition 1 --from-beginning", "c"},
		{"", ""}, // behind the last record
	} {
		if got := values(strings.Fields(tt.args)...); got != tt.want {
			t.Errorf("consume %s printed %q, want %q", tt.args, got, tt.want)
		}
	}
	r := runCommand(t, "", with(flags, "consume", "--topic", "t", "--partition", "2")...)
	if r.code != exitUsage || r.err != "posthaste: --partition 2: topic t has partitions 0 to 1\n" {
		t.Errorf("a partition that is not there: %d %s", r.code, r.err)
	}
}

func TestConsumeWaitsForATopicAndReadsItFromItsStart(t *testing.T) {
	_, flags := testBroker(t, broker.Config{})
	c := start(t, with(flags, "consume", "--topic", "t")...)
	must(t, "a\nb\n", with(flags, "produce", "--topic", "t")...)
	if got := c.out.wait(t, 2); got != "a\nb\n" {
		t.Errorf("consume printed %q", got)
	}
	c.interrupt()
	if r := <-c.done; r.code != exitOK || !strings.HasSuffix(r.err, "posthaste: 2 records\n") {
		t.Errorf("exit code %d: %s", r.code, r.err)
	}
}

func TestConsumeStopsWhenTimeIsUp(t *testing.T) {
	_, flags := testBroker(t, broker.Config{Topics: map[string]int{"t": 1}})
	begun := time.Now()
	r := must(t, "", with(flags, "consume", "--topic", "t", "--timeout-ms", "200")...)
	if r.out != "" || time.Since(begun) < 200*time.Millisecond {
		t.Errorf("consume printed %q after %v", r.out, time.Since(begun))
	}
	r = runCommand(t, "", with(flags, "consume", "--topic", "none", "--timeout-ms", "200")...)
	if want := "topic none did not appear within --timeout-ms 200\n"; r.code != exitFailed ||
		!strings.HasSuffix(r.err, want) {
		t.Errorf("a topic that does not come: %d %s", r.code, r.err)
	}
}

func TestAGroupGoesOnWhereItStopped(t *testing.T) {
	_, flags := testBroker(t, broker.Config{})
	must(t, "a\nb\nc\n", with(flags, "produce", "--topic", "t")...)
	for _, want := range []string{"a\nb\n", "c\n"} {
		out := must(t, "", with(flags, "consume", "--topic", "t", "--group", "g", "--from-beginning",
			"--max-messages", "2", "--timeout-ms", "3000")...).out
		if out != want {
			t.Errorf("the group read %q, want %q", out, want)
		}
	}
}

func TestCompletionScripts(t *testing.T) {
	for shell, want := range map[string]string{"bash": "--key-field", "zsh": "#compdef posthaste",
		"fish": "-l key-field"} {
		if out := must(t, "", "completion", shell).out; !strings.Contains(out, want) {
			t.Errorf("the script for %s lacks %s:\n%s", shell, want, out)
		}
	}
}

func TestVersion(t *testing.T) {
	if out := must(t, "", "--version").out; !strings.HasPrefix(out, "posthaste ") {
		t.Errorf("version printed %q", out)
	}
}
