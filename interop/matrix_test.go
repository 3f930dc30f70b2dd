package interop

import (
	"context"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/posthaste-go/posthaste/interop/driver"
	"github.com/posthaste-go/posthaste/interop/record"
)

// patience bounds one operation of one client on a busy machine.
const patience = time.Minute

// A target is what clients talk to: a cluster of Apache Kafka or the embedded
// broker.
type target struct {
	bootstrap string
	replicas  int16
	admin     *kadm.Client
}

func newTarget(t *testing.T, bootstrap string, replicas int16) target {
	t.Helper()
	client, err := kgo.NewClient(kgo.SeedBrokers(strings.Split(bootstrap, ",")...))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	return target{bootstrap: bootstrap, replicas: replicas,
		admin: kadm.NewClient(client)}
}

// createTopic creates a topic that keeps records whatever their timestamp, and
// waits until its leaders serve it: Kafka tells of a topic before that, and what
// is then sent with acks=0 is lost.
func (tg target) createTopic(t *testing.T, name string, partitions int32) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	forever := "-1"
	config := map[string]*string{"retention.ms": &forever}
	if _, err := tg.admin.CreateTopic(ctx, partitions, tg.replicas, config, name); err != nil {
		t.Fatalf("create topic %s: %v", name, err)
	}
	tg.waitEnd(t, name, partitions, 0)
}

// waitEnd waits until all partitions of a topic, which are so many, end at n or
// behind it: with acks=0 nobody tells the writer.
func (tg target) waitEnd(t *testing.T, topic string, partitions int32, n int64) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		reached := int32(0)
		ends, err := tg.admin.ListEndOffsets(ctx, topic)
		if err == nil {
			ends.Each(func(o kadm.ListedOffset) {
				if o.Err == nil && o.Offset >= n {
					reached++
				}
			})
		}
		if reached == partitions {
			return
		}
		select {
		case <-ctx.Done():
			t.Fatalf("%s does not reach %d: it ends at %v (%v)", topic, n, ends, err)
		case <-tick.C:
		}
	}
}

// testMatrix lets w write Shapes with each codec and acks, and every reader
// read them.
func testMatrix(t *testing.T, tg target, w writer) {
	for _, codec := range w.codecs {
		for _, acks := range []string{"0", "1", "all"} {
			t.Run(codec+"/acks="+acks, func(t *testing.T) {
				topic := strings.Join([]string{"matrix", w.name, codec, acks}, "-")
				tg.createTopic(t, topic, 1)
				want := writeShapes(t, tg, w, topic, map[string]string{
					"compression.type": codec, "acks": acks, "linger.ms": "5",
					"enable.idempotence": map[bool]string{true: "true", false: "false"}[acks == "all"],
				})
				tg.waitEnd(t, topic, 1, int64(len(want)))
				readByAll(t, tg, driver.Consume{Topic: topic}, codec, want)
			})
		}
	}
}

// writeShapes writes the records of record.Shapes that w can write and checks
// what it was told about them. It returns them with their offsets.
func writeShapes(t *testing.T, tg target, w writer, topic string, config map[string]string,
) []record.Record {
	t.Helper()
	records := record.Shapes(topic, 0)
	if w.shapes != nil {
		records = slices.DeleteFunc(records, func(r record.Record) bool { return !w.shapes(r) })
	}
	outcomes := write(t, tg, w, config, records)
	for i, o := range outcomes {
		records[i].Offset = int64(i)
		unknown := config["acks"] == "0" // nobody tells; some clients invent one
		if o.Error != "" || o.Partition != 0 || (!unknown && o.Offset != int64(i)) {
			t.Errorf("record %d: %+v, want partition 0 offset %d", i, o, i)
		}
	}
	if t.Failed() {
		t.FailNow()
	}
	return records
}

// write lets w write records and checks that it reports on each.
func write(t *testing.T, tg target, w writer, config map[string]string, records []record.Record,
) []record.Outcome {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	config = maps.Clone(config)
	maps.Copy(config, w.config)
	outcomes, err := w.open(t).Produce(ctx, driver.Produce{
		Bootstrap: tg.bootstrap, Config: config, Records: records})
	if err != nil {
		t.Fatalf("%s writes: %v", w.name, err)
	}
	if len(outcomes) != len(records) {
		t.Fatalf("%s reports on %d records of %d", w.name, len(outcomes), len(records))
	}
	return outcomes
}

// readByAll lets every reader that can read a topic and compares.
func readByAll(t *testing.T, tg target, c driver.Consume, codec string, want []record.Record) {
	for _, r := range readers {
		if !slices.Contains(r.codecs, codec) {
			continue // named in the table of readers
		}
		t.Run("read by "+r.name, func(t *testing.T) { readBy(t, tg, r, c, want) })
	}
}

func readBy(t *testing.T, tg target, r reader, c driver.Consume, want []record.Record) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	c.Bootstrap = tg.bootstrap
	got, err := r.open(t).Consume(ctx, c)
	if err != nil {
		t.Fatal(err)
	}
	want = slices.Clone(want)
	for i := range want {
		if r.sees != nil {
			want[i] = r.sees(want[i])
		}
	}
	if diff := record.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}
