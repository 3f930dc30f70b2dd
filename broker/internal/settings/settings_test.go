package settings

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/posthaste-go/posthaste/broker/internal/partition"
)

func mustBroker(t *testing.T, values map[string]string) *Broker {
	t.Helper()
	b, _, err := NewBroker(values)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestDefaultsAreThoseOfAPartition(t *testing.T) {
	got := mustBroker(t, nil).Partition(nil)
	if diff := cmp.Diff(partition.DefaultConfig(), got); diff != "" {
		t.Errorf("defaults (-partition.DefaultConfig +table):\n%s", diff)
	}
}

func TestTablesAreSound(t *testing.T) {
	for _, table := range [][]Key{Topic, BrokerTable} {
		names := make(map[string]bool)
		for i := range table {
			k := &table[i]
			if names[k.Name] {
				t.Errorf("%s is there twice", k.Name)
			}
			names[k.Name] = true
			if k.Default != "" {
				if err := k.Check(k.Default); err != nil {
					t.Errorf("the default is not legal: %v", err)
				}
			}
			if k.Doc == "" || !strings.HasSuffix(k.Doc, ".") {
				t.Errorf("%s has no sentence that says what it is", k.Name)
			}
		}
		if !slices.IsSortedFunc(table, func(a, b Key) int { return strings.Compare(a.Name, b.Name) }) {
			t.Error("the table is not sorted")
		}
	}
	for i := range Topic {
		if BrokerKey(Topic[i].Broker) == nil {
			t.Errorf("%s has no setting of the broker as its default", Topic[i].Name)
		}
	}
}

func TestCheck(t *testing.T) {
	tests := []struct{ name, value, want string }{
		{"cleanup.policy", "compact, delete", ""},
		{"cleanup.policy", "shred", "want some of compact, delete"},
		{"compression.type", "lz4", ""},
		{"compression.type", "rar", "want one of"},
		{"retention.ms", "-1", ""},
		{"retention.ms", "-2", "want a whole number from -1"},
		{"segment.bytes", "2147483648", "to 2147483647"},
		{"min.cleanable.dirty.ratio", "1.1", "between 0 and 1"},
		{"preallocate", "TRUE", ""},
		{"preallocate", "yes", "want true or false"},
	}
	for _, tt := range tests {
		t.Run(tt.name+"="+tt.value, func(t *testing.T) {
			err := TopicKey(tt.name).Check(tt.value)
			switch e, ok := errors.AsType[*Error](err); {
			case tt.want == "" && err != nil:
				t.Errorf("refused: %v", err)
			case tt.want != "" && (!ok || !strings.Contains(e.Reason, tt.want)):
				t.Errorf("Check = %v, want %q", err, tt.want)
			}
		})
	}
}

func TestCoarserSpellings(t *testing.T) {
	tests := []struct {
		name   string
		values map[string]string
		want   int64
	}{
		{"hours", map[string]string{"log.retention.hours": "2"}, 2 * 3600_000},
		{"minutes beat hours", map[string]string{
			"log.retention.hours": "2", "log.retention.minutes": "3"}, 3 * 60_000},
		{"milliseconds beat all", map[string]string{
			"log.retention.hours": "2", "log.retention.ms": "4"}, 4},
		{"for ever stays for ever", map[string]string{"log.retention.hours": "-1"}, -1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := mustBroker(t, tt.values).Partition(nil).RetentionMillis; got != tt.want {
				t.Errorf("retention = %d ms, want %d", got, tt.want)
			}
		})
	}
}

func TestWhoWins(t *testing.T) {
	b := mustBroker(t, map[string]string{"message.max.bytes": "2000"})
	own := map[string]string{"max.message.bytes": "4000"}
	if got := b.Partition(nil).MaxMessageBytes; got != 2000 {
		t.Errorf("the file says 2000, in force is %d", got)
	}
	b.SetDynamic(map[string]string{"message.max.bytes": "3000"})
	if got := b.Partition(nil).MaxMessageBytes; got != 3000 {
		t.Errorf("set at run time to 3000, in force is %d", got)
	}
	if got := b.Partition(own).MaxMessageBytes; got != 4000 {
		t.Errorf("the topic says 4000, in force is %d", got)
	}
}

func TestUnknownNamesAreReportedAndIllegalValuesRefused(t *testing.T) {
	_, unknown, err := NewBroker(map[string]string{
		"log.retenton.ms": "1", "process.roles": "broker", "num.partitions": "3"})
	if err != nil || !slices.Equal(unknown, []string{"log.retenton.ms"}) {
		t.Errorf("unknown = %v, err = %v", unknown, err)
	}
	if _, _, err = NewBroker(map[string]string{"num.partitions": "0"}); err == nil {
		t.Error("num.partitions=0 was taken")
	}
}

func TestCheckDynamicKnowsWhatIsFixed(t *testing.T) {
	if err := CheckDynamic(map[string]string{"log.retention.ms": "1"}); err != nil {
		t.Error(err)
	}
	for _, name := range []string{"listeners", "no.such.setting"} {
		if err := CheckDynamic(map[string]string{name: "1"}); err == nil {
			t.Errorf("%s can be set at run time", name)
		}
	}
}
