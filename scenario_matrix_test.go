package posthaste_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/posthaste-go/posthaste"
	"github.com/posthaste-go/posthaste/internal/errcode"
	"github.com/posthaste-go/posthaste/internal/protocol"
	"github.com/posthaste-go/posthaste/internal/scriptedbroker"
)

// matrixRow is what Apache Kafka's producer made of one error, answered once.
type matrixRow struct {
	Where, Mode, Error string
	Results            map[string]string
	Requests           []string
}

func readJSON(t *testing.T, path string, into any) {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(b, into); err != nil {
		t.Fatalf("%s: %v", path, err)
	}
}

// TestErrorMatrix answers every error once, to a plain and to an idempotent
// producer, and compares what the application and the brokers see with Java's
// (39, 168, 169, 188, 189, 192, 193, 200 to 204, 211, 213, 227, 233).
func TestErrorMatrix(t *testing.T) {
	var matrix struct{ Rows []matrixRow }
	readJSON(t, "testdata/error-matrix.json", &matrix)
	names := exceptionNames(t)
	ran := 0
	for _, row := range matrix.Rows {
		if row.Where != "Produce" && row.Where != "InitProducerId" ||
			row.Mode != "plain" && row.Mode != "idempotent" {
			continue
		}
		ran++
		t.Run(row.Where+"/"+row.Mode+"/"+row.Error, func(t *testing.T) {
			play(t, one, matrixSettings(row.Mode), func(s *scenario) { s.matrix(row, names) })
		})
	}
	if ran < 50 {
		t.Errorf("only %d rows of the matrix were found", ran)
	}
}

// matrixSettings are those that the matrix was made with.
func matrixSettings(mode string) func(*posthaste.Config) {
	return func(c *posthaste.Config) {
		c.RetryBackoff, c.RetryBackoffMax = 10*time.Millisecond, 20*time.Millisecond
		c.RequestTimeout = 1500 * time.Millisecond
		c.DeliveryTimeout, c.MaxBlock = 2500*time.Millisecond, 2500*time.Millisecond
		if mode == "plain" {
			c.EnableIdempotence = posthaste.IdempotenceOff
		}
	}
}

func (s *scenario) matrix(row matrixRow, names map[errcode.Code]string) {
	code, ok := errcode.ByName(row.Error)
	if !ok {
		s.Fatalf("no code %s", row.Error)
	}
	got := map[string]string{}
	for i, record := range slices.Sorted(maps.Keys(row.Results)) {
		switch {
		case row.Where == "InitProducerId" && i == 0:
			s.cluster.Next(protocol.InitProducerID, scriptedbroker.Fail(code))
		case row.Where == "Produce" && i == 1:
			s.cluster.Next(protocol.Produce, scriptedbroker.Fail(code))
		}
		md, err := s.p.SendSync(s.Context(), posthaste.Record{Topic: "t", Value: []byte("v")})
		got[record] = inJava(md, err, names)
		time.Sleep(100 * time.Millisecond)
	}
	for record, want := range row.Results {
		if want != got[record] && !vague(want, got[record]) {
			s.Errorf("%s: %s, Java's: %s", record, got[record], want)
		}
	}
	if d := cmp.Diff(row.Requests, s.cluster.Requests()); d != "" {
		s.Errorf("requests: (-Java's +ours)\n%s", d)
	}
}

// vague reports whether Java says no more than that the producer failed, and
// ours says what failed.
func vague(java, ours string) bool {
	return java == "KafkaException<KafkaException" && !strings.HasPrefix(ours, "ok")
}

// inJava is an outcome in the matrix's words.
func inJava(md posthaste.RecordMetadata, err error, names map[errcode.Code]string) string {
	if err == nil {
		return fmt.Sprintf("ok@%d", md.Offset)
	}
	code, ok := errors.AsType[posthaste.KafkaError](err)
	name := names[errcode.Code(code)]
	switch {
	case !ok:
		return err.Error()
	case errors.Is(err, posthaste.ErrFatal):
		return "KafkaException<" + name
	}
	return name
}

func exceptionNames(t *testing.T) map[errcode.Code]string {
	var table struct {
		Errors []struct {
			Code      int16
			Exception string
		}
	}
	readJSON(t, "internal/errcode/testdata/errors.json", &table)
	names := map[errcode.Code]string{}
	for _, e := range table.Errors {
		names[errcode.Code(e.Code)] = e.Exception
	}
	return names
}
