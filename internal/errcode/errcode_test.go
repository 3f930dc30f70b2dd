package errcode

import (
	"encoding/json"
	"os"
	"testing"
)

// The table must say of each code what Kafka's own Errors class says.
func TestTableEqualsKafkas(t *testing.T) {
	raw, err := os.ReadFile("testdata/errors.json")
	if err != nil {
		t.Fatal(err)
	}
	var golden struct {
		Errors []struct {
			Code            Code
			Name            string
			Retriable       bool
			RefreshMetadata bool
		}
	}
	if err := json.Unmarshal(raw, &golden); err != nil {
		t.Fatal(err)
	}
	if len(golden.Errors) < 100 || len(golden.Errors) != len(table) {
		t.Fatalf("Kafka has %d codes, our table %d", len(golden.Errors), len(table))
	}
	for _, g := range golden.Errors {
		if g.Code.Name() != g.Name || g.Code.Retriable() != g.Retriable ||
			g.Code.RefreshMetadata() != g.RefreshMetadata {
			t.Errorf("code %d: %s retriable=%v refresh=%v, want %s %v %v", g.Code, g.Code.Name(),
				g.Code.Retriable(), g.Code.RefreshMetadata(), g.Name, g.Retriable, g.RefreshMetadata)
		}
		if back, ok := ByName(g.Name); !ok || back != g.Code {
			t.Errorf("ByName(%q) = %d, %v, want %d", g.Name, back, ok, g.Code)
		}
	}
}
