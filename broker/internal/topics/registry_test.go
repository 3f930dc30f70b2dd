package topics

import (
	"errors"
	"io/fs"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/posthaste-go/posthaste/broker/internal/log"
	"github.com/posthaste-go/posthaste/broker/internal/partition"
	"github.com/posthaste-go/posthaste/broker/internal/settings"
	"github.com/posthaste-go/posthaste/broker/internal/vfs"
	"github.com/posthaste-go/posthaste/internal/errcode"
)

// world is a data directory in memory that registries come and go on.
type world struct {
	t     *testing.T
	files *vfs.Faulty
	dir   *partition.Dir
	*Registry
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{t: t, files: vfs.NewFaulty(vfs.NewMem(nil))}
	w.open()
	t.Cleanup(func() { w.dir.Close() })
	return w
}

func (w *world) open() {
	w.t.Helper()
	now := func() time.Time { return time.Unix(1_700_000_000, 0) }
	dir, err := partition.OpenDir(partition.DirConfig{Path: "data", FS: w.files, Now: now, NodeID: 1})
	if err != nil {
		w.t.Fatal(err)
	}
	values, _, err := settings.NewBroker(map[string]string{"num.partitions": "4"})
	if err != nil {
		w.t.Fatal(err)
	}
	w.dir = dir
	w.Registry, err = Open(Config{Dir: dir, FS: w.files, Path: "data", Settings: values,
		Logger: slog.New(slog.DiscardHandler), Nodes: 1})
	if err != nil {
		w.t.Fatal(err)
	}
}

// restart stops in order and starts again.
func (w *world) restart() {
	w.t.Helper()
	if err := w.dir.Close(); err != nil {
		w.t.Fatal(err)
	}
	w.open()
}

func (w *world) create(n NewTopic) *Topic {
	w.t.Helper()
	made, errs := w.Create(n)
	if errs[0] != nil {
		w.t.Fatal(errs[0])
	}
	return made[0]
}

func codeOf(err error) errcode.Code {
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Code
	}
	if err != nil {
		return errcode.UnknownServerError
	}
	return errcode.None
}

func TestCreateRefusesWhatKafkaRefuses(t *testing.T) {
	tests := []struct {
		name  string
		topic NewTopic
		code  errcode.Code
		says  string
	}{
		{"no name", NewTopic{}, errcode.InvalidTopicException, "needs a name"},
		{"a dot", NewTopic{Name: "."}, errcode.InvalidTopicException, `named "."`},
		{"two dots", NewTopic{Name: ".."}, errcode.InvalidTopicException, `named ".."`},
		{"250 characters", NewTopic{Name: strings.Repeat("a", 250)},
			errcode.InvalidTopicException, "at most 249"},
		{"a blank", NewTopic{Name: "my topic"}, errcode.InvalidTopicException, `at " "`},
		{"an umlaut", NewTopic{Name: "aufträge"}, errcode.InvalidTopicException, "illegal at"},
		{"a name that exists", NewTopic{Name: "orders.eu"}, errcode.TopicAlreadyExists, "exists"},
		{"a name that differs in a dot only", NewTopic{Name: "orders_eu"},
			errcode.InvalidTopicException, "collides with topic orders.eu"},
		{"no partitions", NewTopic{Name: "t", Partitions: -1}, errcode.InvalidPartitions, "not -1"},
		{"too many partitions", NewTopic{Name: "t", Partitions: MaxPartitions + 1},
			errcode.InvalidPartitions, "100001"},
		{"three replicas on one node", NewTopic{Name: "t", ReplicationFactor: 3},
			errcode.InvalidReplicationFactor, "there is 1"},
		{"a setting that is not there", NewTopic{Name: "t",
			Configs: map[string]string{"retention": "1"}}, errcode.InvalidConfig, "retention=1"},
		{"a setting of a wrong value", NewTopic{Name: "t",
			Configs: map[string]string{"retention.ms": "soon"}}, errcode.InvalidConfig, "whole number"},
		{"249 characters", NewTopic{Name: strings.Repeat("a", 249)}, errcode.None, ""},
		{"every legal kind of character", NewTopic{Name: "aZ09._-"}, errcode.None, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t)
			w.create(NewTopic{Name: "orders.eu"})
			_, errs := w.Create(tt.topic)
			if got := codeOf(errs[0]); got != tt.code {
				t.Fatalf("code = %v, want %v: %v", got.Name(), tt.code.Name(), errs[0])
			}
			if errs[0] != nil && !strings.Contains(errs[0].Error(), tt.says) {
				t.Errorf("%q does not say %q", errs[0], tt.says)
			}
		})
	}
}

func TestTopicsSurviveARestart(t *testing.T) {
	w := newWorld(t)
	made := w.create(NewTopic{Name: "orders", Configs: map[string]string{"retention.ms": "1000"}})
	if n := made.Partitions(); n != 4 {
		t.Errorf("%d partitions, want num.partitions", n)
	}
	if err := w.Grow("orders", 6); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Partition(w.Snapshot().Named("orders"), 5); err != nil {
		t.Fatal(err)
	}
	w.restart()
	got := w.Snapshot().Named("orders")
	if got == nil || got.ID != made.ID || got.Partitions() != 6 {
		t.Fatalf("after a restart: %+v", got)
	}
	if diff := cmp.Diff(made.Configs, got.Configs); diff != "" {
		t.Errorf("settings (-want +got):\n%s", diff)
	}
	p, err := w.Partition(got, 0)
	if err != nil {
		t.Fatal(err)
	}
	if ms := p.Config().RetentionMillis; ms != 1000 {
		t.Errorf("retention.ms of the partition is %d, want 1000", ms)
	}
	if w.Snapshot().WithID(made.ID) != got {
		t.Error("the topic is not found by its id")
	}
}

func TestATopicMadeAgainIsAnotherTopic(t *testing.T) {
	w := newWorld(t)
	first := w.create(NewTopic{Name: "orders"})
	if _, err := w.Partition(first, 0); err != nil {
		t.Fatal(err)
	}
	if err := w.Delete("orders"); err != nil {
		t.Fatal(err)
	}
	if _, err := w.files.Stat("data/orders-0"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the directory is still there: %v", err)
	}
	if _, err := w.Partition(first, 1); codeOf(err) != errcode.UnknownTopicOrPartition {
		t.Errorf("a partition of the deleted topic: %v", err)
	}
	second := w.create(NewTopic{Name: "orders"})
	if first.ID == second.ID {
		t.Error("the new topic has the old one's id")
	}
	if _, err := w.Partition(second, 0); err != nil {
		t.Error(err)
	}
	if w.Snapshot().WithID(first.ID) != nil {
		t.Error("the old id still finds a topic")
	}
}

// Files that cannot be removed must neither bring a deleted topic back nor get
// into a new one of its name.
func TestADeletionIsFinishedAtTheNextStart(t *testing.T) {
	w := newWorld(t)
	old := w.create(NewTopic{Name: "orders"})
	if _, err := w.Partition(old, 0); err != nil {
		t.Fatal(err)
	}
	w.files.Inject(vfs.Fault{Op: vfs.OpRename, Name: "orders-*", Nth: 1, Times: -1,
		Err: errors.New("busy")})
	if err := w.Delete("orders"); err != nil {
		t.Fatal(err)
	}
	if _, errs := w.Create(NewTopic{Name: "orders"}); codeOf(errs[0]) != errcode.KafkaStorageError {
		t.Errorf("a topic was made over the files of the old one: %v", errs[0])
	}
	w.files.Heal()
	w.restart()
	if w.Snapshot().Named("orders") != nil {
		t.Error("the topic is back")
	}
	if _, err := w.files.Stat("data/orders-0"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the directory is still there: %v", err)
	}
}

func TestALostFileLosesNoRecords(t *testing.T) {
	w := newWorld(t)
	made := w.create(NewTopic{Name: "orders"})
	if _, err := w.Partition(made, 2); err != nil {
		t.Fatal(err)
	}
	if err := w.files.Remove("data/" + fileName); err != nil {
		t.Fatal(err)
	}
	w.restart()
	got := w.Snapshot().Named("orders")
	if got == nil || got.ID != made.ID || got.Partitions() != 3 {
		t.Fatalf("taken in as %+v, want the old id and partitions 0 to 2", got)
	}
}

func TestAFullDiskMakesNoTopic(t *testing.T) {
	w := newWorld(t)
	w.files.Inject(vfs.Fault{Op: vfs.OpWrite, Name: fileName + "*", Nth: 1,
		Err: errors.New("no space left on device")})
	if _, errs := w.Create(NewTopic{Name: "orders"}); codeOf(errs[0]) != errcode.KafkaStorageError {
		t.Errorf("Create: %v", errs[0])
	}
	if w.Snapshot().Named("orders") != nil {
		t.Error("the topic is there all the same")
	}
}

func TestGrowOnlyAdds(t *testing.T) {
	w := newWorld(t)
	w.create(NewTopic{Name: "orders", Partitions: 3})
	for _, tt := range []struct {
		total int
		want  errcode.Code
	}{
		{2, errcode.InvalidPartitions}, {3, errcode.InvalidPartitions},
		{MaxPartitions + 1, errcode.InvalidPartitions}, {5, errcode.None},
	} {
		if got := codeOf(w.Grow("orders", tt.total)); got != tt.want {
			t.Errorf("Grow to %d: %v, want %v", tt.total, got.Name(), tt.want.Name())
		}
	}
	if got := codeOf(w.Grow("nothing", 2)); got != errcode.UnknownTopicOrPartition {
		t.Errorf("Grow of no topic: %v", got.Name())
	}
	if n := w.Snapshot().Named("orders").Partitions(); n != 5 {
		t.Errorf("%d partitions, want 5", n)
	}
}

func TestBrokerSettingsAreTopicsDefaults(t *testing.T) {
	w := newWorld(t)
	own := w.create(NewTopic{Name: "own", Configs: map[string]string{"retention.ms": "5"}})
	plain := w.create(NewTopic{Name: "plain"})
	err := w.SetBrokerConfigs(false, func(m map[string]string) map[string]string {
		return map[string]string{"log.retention.ms": "77"}
	})
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]int64{own.Name: 5, plain.Name: 77} {
		p, err := w.Partition(w.Snapshot().Named(name), 0)
		if err != nil {
			t.Fatal(err)
		}
		if got := p.Config().RetentionMillis; got != want {
			t.Errorf("retention.ms of %s = %d, want %d", name, got, want)
		}
	}
	w.restart()
	if v, _ := w.Settings().Value("log.retention.ms"); v != "77" {
		t.Errorf("log.retention.ms after a restart = %s", v)
	}
}

// A power cut brings a directory back that a topic made anew had replaced: the
// newer topic opens, and has none of the older one's records.
func TestADeletedTopicsDirectoryGivesWayToANewerTopic(t *testing.T) {
	w := newWorld(t)
	topic := w.create(NewTopic{Name: "orders", Partitions: 2})
	if _, err := w.Partition(topic, 0); err != nil {
		t.Fatal(err)
	}
	if err := w.dir.Close(); err != nil {
		t.Fatal(err)
	}
	if err := log.WriteTopicID(w.files, "data/orders-0", [16]byte{1, 2, 3}); err != nil {
		t.Fatal(err)
	}
	w.open()
	p, err := w.Partition(w.Snapshot().Named("orders"), 0)
	if err != nil {
		t.Fatal(err)
	}
	if end := p.HighWatermark(); end != 0 {
		t.Errorf("the partition ends at offset %d, want it empty", end)
	}
}
