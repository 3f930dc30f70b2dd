package interop

import (
	"fmt"
	"testing"
	"time"

	"github.com/posthaste-go/posthaste"
	"github.com/posthaste-go/posthaste/broker"
)

// A partition may be in the metadata before its leader is ready. A broker that
// knows nothing of a producer accepts any sequence from it, so if the first
// batch is refused while the second is on its way, the second is written first.
// Apache Kafka does just that, now and then, on topics made a moment ago.
func TestFirstBatchThatIsRefusedStaysFirst(t *testing.T) {
	b := broker.Run(t, broker.Config{Topics: map[string]int{"new": 1}})
	refused := broker.Produce().Nth(1)
	b.Inject(refused.Delay(200*time.Millisecond), refused.Error(int16(posthaste.NotLeaderOrFollower)))
	p, err := newOurs(b.Addr(), map[string]string{"batch.size": "100", "linger.ms": "0"})
	if err != nil {
		t.Fatal(err)
	}
	const n = 50
	var deliveries []posthaste.Delivery
	for i := range n {
		d, err := p.Send(t.Context(), posthaste.Record{Topic: "new",
			Value: fmt.Appendf(nil, "a record that fills half of a batch: %10d", i)})
		if err != nil {
			t.Fatal(err)
		}
		deliveries = append(deliveries, d)
	}
	for i, d := range deliveries {
		if md, err := d.Wait(t.Context()); err != nil || md.Offset != int64(i) {
			t.Errorf("record %d is at %d (%v), want %d", i, md.Offset, err, i)
		}
	}
	if err := p.Close(t.Context()); err != nil {
		t.Error(err)
	}
}
