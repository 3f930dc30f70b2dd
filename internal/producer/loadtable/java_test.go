package loadtable

import (
	"encoding/json"
	"os"
	"testing"
)

// Kafka's BuiltInPartitioner was given these loads and the random numbers 0, 1,
// 2, …; a Table must draw the same partitions.
func TestChooseDrawsWhatJavaDraws(t *testing.T) {
	b, err := os.ReadFile("testdata/java-draws.json")
	if err != nil {
		t.Fatal(err)
	}
	var golden struct {
		Cases []struct {
			RackAware bool `json:"rackAware"`
			Loads     []struct {
				Queued             int
				Leader, Slow, Near bool
			} `json:"loads"`
			Draws []int32 `json:"draws"`
		} `json:"cases"`
	}
	if err := json.Unmarshal(b, &golden); err != nil {
		t.Fatal(err)
	}
	if len(golden.Cases) != 60 {
		t.Fatalf("%d cases, want 60", len(golden.Cases))
	}
	var table Table
	for i, c := range golden.Cases {
		loads := make([]Load, len(c.Loads))
		for p, l := range c.Loads {
			loads[p] = Load{int32(p), l.Queued, l.Leader, l.Slow, l.Near && c.RackAware}
		}
		table.Build(loads)
		for random, want := range c.Draws {
			if got := table.Choose(uint32(random)); got != want {
				t.Errorf("case %d, loads %+v: Choose(%d) = %d, want %d", i, loads, random, got, want)
			}
		}
	}
}
