package interop

import (
	"testing"

	"github.com/posthaste-go/posthaste/interop/kafka"
)

func TestOneNodeOfApacheKafka(t *testing.T) {
	tg := newTarget(t, kafka.StartNode(t, kafka.Options{}).Bootstrap(), 1)
	t.Run("written by posthaste", func(t *testing.T) { testMatrix(t, tg, ours) })
	// The control: were it to fail, the fault would be the harness's.
	t.Run("written by franz-go", func(t *testing.T) { testMatrix(t, tg, franzWriter) })
	for _, w := range []writer{ours, javaWriter, kafkaJSWriter} {
		t.Run("partitions chosen by "+w.name, func(t *testing.T) { testKeyed(t, tg, w) })
	}
	t.Run("partitions chosen by librdkafka", func(t *testing.T) { testDialects(t, tg) })
	t.Run("input files", func(t *testing.T) { testInputs(t, tg) })
	t.Run("command line tool", func(t *testing.T) { testCLI(t, tg) })
	t.Run("readers of committed records", func(t *testing.T) { testCommitted(t, tg) })
}
