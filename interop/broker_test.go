package interop

import (
	"log/slog"
	"path/filepath"
	"testing"

	"github.com/posthaste-go/posthaste/broker"
)

// runBroker starts an embedded broker on disk that says in the test's log what
// goes wrong.
func runBroker(t *testing.T) (*broker.Broker, string) {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "data")
	b := broker.Run(t, broker.Config{
		DataDir: dir,
		Logger:  slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelWarn})),
	})
	return b, dir
}

func TestEmbeddedBroker(t *testing.T) {
	b, _ := runBroker(t)
	tg := newTarget(t, b.Addr(), 1)
	t.Run("written by posthaste", func(t *testing.T) { testMatrix(t, tg, ours) })
	t.Run("written by franz-go", func(t *testing.T) { testMatrix(t, tg, franzWriter) })
	t.Run("written by Java", func(t *testing.T) { testMatrix(t, tg, javaWriter) })
	t.Run("written by librdkafka", func(t *testing.T) { testMatrix(t, tg, librdkafkaWriter) })
	t.Run("written by kafka-python", func(t *testing.T) { testMatrix(t, tg, kafkaPythonWriter) })
	t.Run("written by kafkajs", func(t *testing.T) { testMatrix(t, tg, kafkaJSWriter) })
	for _, w := range []writer{ours, javaWriter, kafkaJSWriter} {
		t.Run("partitions chosen by "+w.name, func(t *testing.T) { testKeyed(t, tg, w) })
	}
	t.Run("command line tool", func(t *testing.T) { testCLI(t, tg) })
}
