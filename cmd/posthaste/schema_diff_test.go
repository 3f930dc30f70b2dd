package main

import (
	"strings"
	"testing"
)

func TestDiffTellsWhatChangedAndWhetherItFits(t *testing.T) {
	tests := []struct{ name, file, old, new, want string }{
		{"Avro", "a.avsc", `{"type":"record","name":"O","fields":[{"name":"id","type":"int"},
			{"name":"gone","type":"string"}]}`,
			`{"type":"record","name":"O","fields":[{"name":"id","type":"long"},
			{"name":"note","type":["null","string"],"default":null}]}`,
			"~ id: int -> long\n+ note: [null, string], default null\n- gone: string\n" +
				"BACKWARD compatible\nFORWARD  incompatible\n"},
		{"Protobuf", "a.proto", "syntax = \"proto3\";\nmessage O { int64 id = 1; }\n",
			"syntax = \"proto3\";\nmessage O { int64 id = 1; optional string note = 2; }\n",
			"+ O.note: optional string = 2\nBACKWARD compatible\nFORWARD  compatible\nFULL     compatible\n"},
		{"JSON Schema", "a.json",
			`{"type":"object","properties":{"id":{"type":"integer"}},"additionalProperties":false}`,
			`{"type":"object","properties":{"id":{"type":"number"}},"required":["id"],"additionalProperties":false}`,
			`~ id: {"type":"integer"} -> required {"type":"number"}` + "\nBACKWARD incompatible\n"},
		{"nothing", "a.avsc", `{"type":"record","name":"O","fields":[]}`,
			`{ "name":"O", "type":"record", "fields":[]}`, "no field differs\nBACKWARD compatible\n"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := must(t, "", "schema", "diff", file(t, tt.file, tt.old), file(t, tt.file, tt.new))
			if !strings.HasPrefix(r.out, tt.want) {
				t.Errorf("diff prints\n%s\nwant\n%s", r.out, tt.want)
			}
		})
	}
}

func TestEvolveMakesAndRegistersTheNextVersion(t *testing.T) {
	_, flags := testRegistry(t)
	v1 := file(t, "v1.avsc", `{"type":"record","name":"O","fields":[{"name":"id","type":"long"}]}`)
	must(t, "", with(flags, "schema", "register", "--subject", "o-value", v1)...)
	r := must(t, "", with(flags, "schema", "evolve", "--subject", "o-value", "--add", "note:string?",
		"--register")...)
	if want := "posthaste: registered o-value version 2, id 2\n"; r.err != want {
		t.Errorf("standard error is %q, want %q", r.err, want)
	}
	r = must(t, "", with(flags, "schema", "diff", "--json", "o-value:1", "o-value")...)
	want := `{"changes":[{"change":"added","path":"note","new":"[null, string], default null"}],` +
		`"compatibility":[{"level":"BACKWARD","compatible":true,"reasons":[]},`
	if !strings.HasPrefix(r.out, want) {
		t.Errorf("diff --json prints %s, want %s", r.out, want)
	}
	r = runCommand(t, "", with(flags, "schema", "evolve", "--subject", "o-value", "--add", "n:int",
		"--register")...)
	if r.code != exitFailed || !strings.Contains(r.err, "incompatible with subject o-value at level "+
		"BACKWARD") || strings.Count(r.err, "\n") != 1 {
		t.Errorf("exit code %d, standard error %s", r.code, r.err)
	}
	r = runCommand(t, "", with(flags, "schema", "evolve", "--subject", "o-value")...)
	if r.code != exitUsage {
		t.Errorf("evolving nothing ends with %d", r.code)
	}
}

func TestEvolveAndLockPrintJSON(t *testing.T) {
	_, flags := testRegistry(t)
	v1 := file(t, "v1.avsc", `{"type":"record","name":"O","fields":[{"name":"id","type":"long"}]}`)
	must(t, "", with(flags, "schema", "register", "--subject", "o-value", v1)...)
	evolve := []string{"schema", "evolve", "--json", "--subject", "o-value"}
	r := must(t, "", with(flags, append(evolve, "--add", "note:string?", "--register")...)...)
	want := `"compatible":true,"level":"BACKWARD","reasons":[],"version":2,"id":2}` + "\n"
	if !strings.HasPrefix(r.out, `{"subject":"o-value","schema":"{\"type\":\"record\",`) ||
		!strings.HasSuffix(r.out, want) || r.err != "" {
		t.Errorf("evolve --json prints %s%s, want %s at its end", r.out, r.err, want)
	}
	r = runCommand(t, "", with(flags, append(evolve, "--add", "n:int", "--register")...)...)
	if r.code != exitFailed || !strings.Contains(r.out, `"compatible":false`) ||
		!strings.Contains(r.out, `"reasons":["`) || strings.Contains(r.out, `"version"`) {
		t.Errorf("exit code %d, standard output %s", r.code, r.out)
	}
	r = must(t, "", with(flags, "schema", "lock", "--json", "--out",
		file(t, "schemas.lock.json", ""))...)
	want = `{"subject":"o-value","version":2,"id":2,"guid":"`
	if !strings.HasPrefix(r.out, want) || strings.Count(r.out, "\n") != 1 || r.err != "" {
		t.Errorf("lock --json prints %s%s, want %s", r.out, r.err, want)
	}
}
