package embedded_test

import (
	"fmt"
	"runtime"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/posthaste-go/posthaste/broker"
	"github.com/posthaste-go/posthaste/schemaregistry/embedded"
)

// fill writes n schemas into the topic as another registry would have.
func fill(tb testing.TB, addr string, n int) {
	tb.Helper()
	client, err := kgo.NewClient(kgo.SeedBrokers(addr), kgo.DefaultProduceTopic("_schemas"),
		kgo.RecordPartitioner(kgo.ManualPartitioner()))
	if err != nil {
		tb.Fatal(err)
	}
	defer client.Close()
	for i := range n {
		subject := fmt.Sprintf("subject-%d", i/10)
		key := fmt.Sprintf(`{"keytype":"SCHEMA","subject":"%s","version":%d,"magic":1}`, subject, i%10+1)
		value := fmt.Sprintf(`{"subject":"%s","version":%d,"id":%d,"schema":"{\"type\":\"record\",`+
			`\"name\":\"R%d\",\"namespace\":\"com.example.shop\",\"fields\":[{\"name\":\"id\",\"type\":\"long\"},`+
			`{\"name\":\"name\",\"type\":\"string\",\"default\":\"\"},{\"name\":\"amounts\",\"type\":`+
			`{\"type\":\"array\",\"items\":\"double\"}}]}","deleted":false}`, subject, i%10+1, i+1, i)
		client.Produce(tb.Context(), &kgo.Record{Key: []byte(key), Value: []byte(value)},
			func(_ *kgo.Record, err error) {
				if err != nil {
					tb.Errorf("produce: %v", err)
				}
			})
	}
	if err := client.Flush(tb.Context()); err != nil {
		tb.Fatal(err)
	}
}

// load starts a registry over n schemas and says what that cost.
func load(tb testing.TB, n int) (took time.Duration, bytesEach float64) {
	tb.Helper()
	b := broker.Run(tb, broker.Config{DataDir: tb.TempDir()})
	empty, err := embedded.Start(embedded.Config{BootstrapServers: []string{b.Addr()}})
	if err != nil {
		tb.Fatal(err)
	}
	if err := empty.Close(); err != nil {
		tb.Fatal(err)
	}
	fill(tb, b.Addr(), n)
	before := heap()
	start := time.Now()
	r := embedded.Run(tb, embedded.Config{BootstrapServers: []string{b.Addr()}})
	took = time.Since(start)
	bytesEach = (heap() - before) / float64(n)
	t, ok := tb.(*testing.T)
	if ok {
		status, got := call(t, r.URL(), "GET", fmt.Sprintf("/schemas/ids/%d/versions", n), "")
		want := fmt.Sprintf(`[{"subject":"subject-%d","version":%d}]`, (n-1)/10, (n-1)%10+1)
		if got = must(t, status, got); got != want {
			t.Errorf("the last schema is %s, want %s", got, want)
		}
	}
	return took, bytesEach
}

func heap() float64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return float64(m.HeapAlloc)
}

// A registry that another one has left behind is read as it is, at a cost that
// lets 100,000 schemas be ordinary: BenchmarkLoad has the figures.
func TestManySchemasAreLoaded(t *testing.T) {
	_, bytesEach := load(t, 5000)
	if bytesEach > 4096 {
		t.Errorf("a schema of 250 bytes takes %.0f bytes, want 4 KiB at most", bytesEach)
	}
}

// BenchmarkLoad starts a registry over 100,000 schemas of 10,000 subjects.
func BenchmarkLoad(b *testing.B) {
	const n = 100_000
	for b.Loop() {
		took, bytesEach := load(b, n)
		b.ReportMetric(n/took.Seconds(), "schemas/s")
		b.ReportMetric(bytesEach, "B/schema")
		b.ReportMetric(took.Seconds(), "s/load")
	}
}
