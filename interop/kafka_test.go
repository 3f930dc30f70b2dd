package interop

import (
	"testing"

	"github.com/posthaste-go/posthaste/interop/kafka"
)

func TestOneNodeOfApacheKafka(t *testing.T) {
	tg := newTarget(t, kafka.StartNode(t, kafka.Options{}).Bootstrap(), 1, true)
	t.Run("written by posthaste", func(t *testing.T) { testMatrix(t, tg, ours) })
	t.Run("written by franz-go", func(t *testing.T) { testMatrix(t, tg, franzWriter) })
	t.Run("written by Java", func(t *testing.T) { testMatrix(t, tg, javaWriter) })
	t.Run("written by librdkafka", func(t *testing.T) { testMatrix(t, tg, librdkafkaWriter) })
	t.Run("written by kafka-python", func(t *testing.T) { testMatrix(t, tg, kafkaPythonWriter) })
	t.Run("written by kafkajs", func(t *testing.T) { testMatrix(t, tg, kafkaJSWriter) })
	for _, w := range []writer{ours, javaWriter, kafkaJSWriter} {
		t.Run("partitions chosen by "+w.name, func(t *testing.T) { testKeyed(t, tg, w) })
	}
	t.Run("partitions chosen by librdkafka", func(t *testing.T) { testDialects(t, tg) })
	t.Run("command line tool", func(t *testing.T) { testCLI(t, tg) })
}
