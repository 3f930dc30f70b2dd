package broker_test

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/posthaste-go/posthaste/broker"
)

// client is a franz-go client of b.
func client(t testing.TB, b *broker.Broker, opts ...kgo.Opt) *kgo.Client {
	t.Helper()
	cl, err := kgo.NewClient(append([]kgo.Opt{kgo.SeedBrokers(b.Addr()),
		kgo.MetadataMinAge(10 * time.Millisecond),
		kgo.RetryBackoffFn(func(int) time.Duration { return 5 * time.Millisecond })}, opts...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cl.Close)
	return cl
}

func mustProduce(t testing.TB, cl *kgo.Client, topic string, values ...string) {
	t.Helper()
	var records []*kgo.Record
	for _, v := range values {
		records = append(records, &kgo.Record{Topic: topic, Value: []byte(v)})
	}
	if err := cl.ProduceSync(t.Context(), records...).FirstErr(); err != nil {
		t.Fatal(err)
	}
}

func TestRecordsSurviveARestart(t *testing.T) {
	dir := t.TempDir()
	b, err := broker.Start(broker.Config{DataDir: dir, Topics: map[string]int{"orders": 1}})
	if err != nil {
		t.Fatal(err)
	}
	mustProduce(t, client(t, b), "orders", "tea", "milk")
	id := b.ClusterID()
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	b = broker.Run(t, broker.Config{DataDir: dir})
	if got := b.End("orders", 0); got != 2 {
		t.Errorf("log end offset = %d, want 2", got)
	}
	if got := b.ClusterID(); got != id || len(id) != 22 {
		t.Errorf("cluster id %q became %q", id, got)
	}
}

func TestReadyWithinATenthOfASecond(t *testing.T) {
	dir := t.TempDir()
	b, err := broker.Start(broker.Config{DataDir: dir, Topics: map[string]int{"orders": 100}})
	if err != nil {
		t.Fatal(err)
	}
	mustProduce(t, client(t, b, kgo.RecordPartitioner(kgo.RoundRobinPartitioner())),
		"orders", strings.Split(strings.Repeat("x", 1000), "")...)
	if err := b.Kill(); err != nil {
		t.Fatal(err)
	}
	best := time.Hour // of several: the machine may be busy with other things
	for range 5 {
		start := time.Now()
		b, err = broker.Start(broker.Config{DataDir: dir})
		best = min(best, time.Since(start))
		if err != nil {
			t.Fatal(err)
		}
		if err := b.Kill(); err != nil {
			t.Fatal(err)
		}
	}
	if best > 100*time.Millisecond {
		t.Errorf("ready after %v, want 100ms at most", best)
	}
}

func TestASecondBrokerIsToldWhoHasTheDirectory(t *testing.T) {
	dir := t.TempDir()
	b := broker.Run(t, broker.Config{DataDir: dir})
	_, err := broker.Start(broker.Config{DataDir: dir})
	if !errors.Is(err, broker.ErrDirInUse) {
		t.Fatalf("Start = %v, want ErrDirInUse", err)
	}
	e, ok := errors.AsType[*broker.DirInUseError](err)
	if !ok || e.PID != os.Getpid() || e.Addr != b.Addr() {
		t.Errorf("Start = %#v, want process %d at %s", err, os.Getpid(), b.Addr())
	}
	if s := err.Error(); !strings.Contains(s, b.Addr()) || !strings.Contains(s, dir) {
		t.Errorf("%q names neither address nor directory", s)
	}
}

func TestTheAddressFileIsThereWhileABrokerServes(t *testing.T) {
	dir := t.TempDir()
	b, err := broker.Start(broker.Config{DataDir: dir})
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "posthaste.addr")
	text, err := os.ReadFile(file)
	if err != nil || strings.TrimSpace(string(text)) != b.Addr() {
		t.Errorf("%s = %q, %v, want %s", file, text, err, b.Addr())
	}
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(file); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("after Close: %v", err)
	}
}

func TestAnAddressInUse(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	dir := t.TempDir()
	_, err = broker.Start(broker.Config{DataDir: dir, Listen: l.Addr().String()})
	if !errors.Is(err, broker.ErrAddrInUse) || !strings.Contains(err.Error(), l.Addr().String()) {
		t.Errorf("Start = %v, want ErrAddrInUse with the address", err)
	}
	broker.Run(t, broker.Config{DataDir: dir}) // the directory is free
}

func TestDirectoriesThatDoNotFit(t *testing.T) {
	tests := []struct {
		name, meta string
		cfg        broker.Config
	}{
		{"another version", "version=7\ncluster.id=x\nnode.id=1\n", broker.Config{}},
		{"another cluster", "version=1\ncluster.id=AAAAAAAAQACAAAAAAAAAAA\nnode.id=1\n",
			broker.Config{Properties: map[string]string{"cluster.id": "BBBBBBBBQACAAAAAAAAAAA"}}},
		{"another node", "version=1\ncluster.id=AAAAAAAAQACAAAAAAAAAAA\nnode.id=3\n",
			broker.Config{}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			tt.cfg.DataDir = t.TempDir()
			file := filepath.Join(tt.cfg.DataDir, "meta.properties")
			if err := os.WriteFile(file, []byte(tt.meta), 0o644); err != nil {
				t.Fatal(err)
			}
			b, err := broker.Start(tt.cfg)
			if err == nil {
				b.Close()
			}
			if !errors.Is(err, broker.ErrDirFormat) || !strings.Contains(fmt.Sprint(err), tt.cfg.DataDir) {
				t.Errorf("Start = %v, want ErrDirFormat with the directory", err)
			}
		})
	}
}

func TestLoadConfig(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "server.properties")
	text := strings.Join([]string{
		"listeners=PLAINTEXT://127.0.0.1:0,CONTROLLER://127.0.0.1:0",
		"process.roles=broker,controller",
		"log.dirs=" + filepath.Join(dir, "logs"),
		"num.partitions=7",
		"no.such.setting=1",
	}, "\n")
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	cfg, err := broker.LoadConfig(file)
	if err != nil {
		t.Fatal(err)
	}
	var logs bytes.Buffer
	cfg.Logger = slog.New(slog.NewTextHandler(&logs, nil))
	b, err := broker.Start(cfg)
	if err != nil {
		t.Fatal(err)
	}
	mustProduce(t, client(t, b, kgo.AllowAutoTopicCreation()), "orders", "tea")
	if b.End("orders", 6) < 0 || b.End("orders", 7) >= 0 {
		t.Error("the topic has not 7 partitions")
	}
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(dir, "logs", "meta.properties")); err != nil {
		t.Errorf("log.dirs: %v", err)
	}
	if !strings.Contains(logs.String(), "no.such.setting") {
		t.Error("the log does not name the unknown setting")
	}
	if strings.Contains(logs.String(), "process.roles") {
		t.Error("the log warns about a setting that every file has")
	}
}

func TestConfigErrorsNameTheSetting(t *testing.T) {
	tests := []struct {
		name string
		cfg  broker.Config
		want string
	}{
		{"a number that is none", broker.Config{Properties: map[string]string{
			"num.partitions": "many"}}, "num.partitions=many"},
		{"two listeners", broker.Config{Properties: map[string]string{
			"listeners": "PLAINTEXT://:1,PLAINTEXT2://:2"}}, "listeners="},
		{"a listener with TLS", broker.Config{Properties: map[string]string{
			"listeners": "SSL://:9093"}}, "SSL is not served here"},
		{"two directories", broker.Config{Properties: map[string]string{
			"log.dirs": "/a,/b"}}, "log.dirs=/a,/b"},
		{"no port", broker.Config{Listen: "localhost"}, `"localhost": want HOST:PORT`},
		{"an advertised address without port", broker.Config{Advertise: "kafka"}, "HOST:PORT"},
		{"an illegal topic", broker.Config{Topics: map[string]int{"a b": 1}}, `"a b"`},
		{"a directory and a disk", broker.Config{DataDir: "x", Disk: broker.NewDisk(nil)}, "exclude"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b, err := broker.Start(tt.cfg)
			if err == nil {
				b.Close()
			}
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("Start = %v, want %q", err, tt.want)
			}
		})
	}
	file := filepath.Join(t.TempDir(), "bad.properties")
	if err := os.WriteFile(file, []byte("# a comment\nnum.partitions=0\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	_, err := broker.LoadConfig(file)
	if err == nil || !strings.Contains(err.Error(), "bad.properties:2") ||
		!strings.Contains(err.Error(), "num.partitions=0") {
		t.Errorf("LoadConfig = %v, want file, line and setting", err)
	}
}

func TestCloseTwiceAndUseAfterwards(t *testing.T) {
	b := start(t, map[string]int{"orders": 1})
	for range 2 {
		if err := b.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if got := b.End("orders", 0); got != -1 {
		t.Errorf("End = %d", got)
	}
	for name, err := range map[string]error{"Restart": b.Restart(true),
		"MoveLeader": b.MoveLeader("orders", 0, 0)} {
		if !errors.Is(err, broker.ErrClosed) {
			t.Errorf("%s = %v, want ErrClosed", name, err)
		}
	}
}

// A listener on all interfaces tells each client the address that it has
// reached.
func TestAListenerOnAllInterfaces(t *testing.T) {
	b := broker.Run(t, broker.Config{Listen: "0.0.0.0:0", Topics: map[string]int{"orders": 1}})
	_, port, err := net.SplitHostPort(b.Addr())
	if err != nil {
		t.Fatal(err)
	}
	cl, err := kgo.NewClient(kgo.SeedBrokers(net.JoinHostPort("127.0.0.1", port)))
	if err != nil {
		t.Fatal(err)
	}
	defer cl.Close()
	mustProduce(t, cl, "orders", "tea")
}
