package fault

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/posthaste-go/posthaste/internal/errcode"
	"github.com/posthaste-go/posthaste/internal/protocol"
)

func TestRulesApplyToTheRequestsTheyCount(t *testing.T) {
	drop := Action{Kind: Drop}
	tests := []struct {
		name string
		rule Rule
		want string // of eight requests by "app", alternately Produce and Fetch
	}{
		{"the first", Rule{API: protocol.Produce, Action: drop}, "x......."},
		{"the third", Rule{API: protocol.Produce, Nth: 3, Action: drop}, "....x..."},
		{"two from the second on", Rule{API: protocol.Produce, Nth: 2, Times: 2, Action: drop},
			"..x.x..."},
		{"all from the third on", Rule{API: protocol.Fetch, Nth: 3, Times: Always, Action: drop},
			".....x.x"},
		{"any API", Rule{API: AnyAPI, Nth: 4, Times: 2, Action: drop}, "...xx..."},
		{"another client's", Rule{API: AnyAPI, Client: "other", Action: drop}, "........"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var p Plan
			p.Add(tt.rule)
			var got strings.Builder
			for i := range 8 {
				mark := "."
				if len(p.Next(protocol.Key(i%2), []byte("app"))) > 0 {
					mark = "x"
				}
				got.WriteString(mark)
			}
			if got.String() != tt.want {
				t.Errorf("applied to %s, want %s", got.String(), tt.want)
			}
		})
	}
}

func TestSpentRulesAreForgotten(t *testing.T) {
	var p Plan
	p.Add(Rule{API: protocol.Produce, Action: Action{Kind: Drop}})
	p.Add(Rule{API: protocol.Produce, Nth: 2, Action: Action{Kind: Delay, Duration: 1}})
	p.Add(Rule{API: AnyAPI, Times: Always, Action: Action{Kind: DropResponse}})
	for i, want := range []string{"drop drop-response", "delay=1ns drop-response", "drop-response"} {
		var got []string
		for _, a := range p.Next(protocol.Produce, nil) {
			got = append(got, a.String())
		}
		if strings.Join(got, " ") != want {
			t.Errorf("request %d meets %v, want %s", i+1, got, want)
		}
	}
	if n := p.Pending(); n != 1 {
		t.Errorf("%d rules are pending, want the one for ever", n)
	}
	p.Clear()
	if p.Pending() != 0 {
		t.Error("Clear left rules")
	}
}

func TestParseReadsWhatStringWrites(t *testing.T) {
	rules := []Rule{
		{API: protocol.Produce, Action: Action{Kind: DropResponse}},
		{API: protocol.Produce, Nth: 3, Times: 2, Client: "app",
			Action: Action{Kind: Error, Code: errcode.NotLeaderOrFollower}},
		{API: protocol.Fetch, Times: Always,
			Action: Action{Kind: Delay, Duration: 250 * time.Millisecond}},
		{API: AnyAPI, Nth: 100, Action: Action{Kind: Restart}},
		{API: protocol.Metadata, Action: Action{Kind: CutAt, Bytes: 17}},
		{API: protocol.InitProducerID, Action: Action{Kind: Pause, Duration: time.Minute}},
		{API: AnyAPI, Action: Action{Kind: MoveLeader, Topic: "a-b", Partition: 3, Node: 2}},
		{API: AnyAPI, Action: Action{Kind: DelayResponse, Duration: 1}},
		{API: AnyAPI, Action: Action{Kind: Throttle, Duration: time.Second}},
		{API: AnyAPI, Action: Action{Kind: Kill}},
		{API: AnyAPI, Action: Action{Kind: Drop}},
	}
	for _, want := range rules {
		t.Run(want.String(), func(t *testing.T) {
			got, err := Parse(want.String())
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestParseSaysWhatIsWrong(t *testing.T) {
	tests := []struct{ text, want string }{
		{"", "want API"},
		{"produce drop", "want API"},
		{"sell: drop", `no API "sell"`},
		{"produce nth=0: drop", "not a number from 1"},
		{"produce often: drop", `"often" is none of`},
		{"produce: explode", `no action "explode"`},
		{"produce: drop=1", "has no value"},
		{"produce: delay=soon", "soon"},
		{"produce: cut-at=-1", "not a number from 0"},
		{"produce: error=OOPS", `no error code "OOPS"`},
		{"produce: move-leader=orders@1", "TOPIC-PARTITION@NODE"},
	}
	for _, tt := range tests {
		t.Run(tt.text, func(t *testing.T) {
			if _, err := Parse(tt.text); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("Parse = %v, want %q", err, tt.want)
			}
		})
	}
}

// A rule comes from a command line: no text may panic, and what is read must
// read the same again.
func FuzzParse(f *testing.F) {
	f.Add("produce nth=3 times=2 client=app: error=NOT_LEADER_OR_FOLLOWER")
	f.Add("any: move-leader=a-1@2")
	f.Fuzz(func(t *testing.T, text string) {
		r, err := Parse(text)
		if err != nil {
			return
		}
		again, err := Parse(r.String())
		if err != nil {
			t.Fatalf("%q became %q: %v", text, r, err)
		}
		if fmt.Sprint(again) != fmt.Sprint(r) {
			t.Fatalf("%q became %v, then %v", text, r, again)
		}
	})
}
