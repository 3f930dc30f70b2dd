// Package metrics is the list of a producer's metrics: their names, what they
// count, and what Java's producer calls the same.
//
// Names are stable: dashboards and alerts are made of them, and
// testdata/names.golden fails when one changes. Units are the last word of a
// name before _total, base units only. docs/metrics.md is made from this list.
package metrics

// Kind is how a metric behaves.
type Kind string

const (
	Counter Kind = "counter" // only grows
	Gauge   Kind = "gauge"
)

// Metric is one of them.
type Metric struct {
	Name  string // as Prometheus has it
	Kind  Kind
	Field string // of posthaste.Metrics
	Scale float64
	Help  string
	Java  string // the metric of Java's producer that counts the same; empty if none does
}

// List is all of them, in the order of posthaste.Metrics.
var List = []Metric{
	{"posthaste_producer_records_sent_total", Counter, "RecordsSent", 1,
		"Records that were acknowledged.", "record-send-total"},
	{"posthaste_producer_records_failed_total", Counter, "RecordsFailed", 1,
		"Records that were accepted and then not acknowledged.", "record-error-total"},
	{"posthaste_producer_batches_sent_total", Counter, "Batches", 1,
		"Batches that were acknowledged.", ""},
	{"posthaste_producer_batches_failed_total", Counter, "BatchesFailed", 1,
		"Batches that were given up.", ""},
	{"posthaste_producer_requests_total", Counter, "Requests", 1,
		"Produce requests sent.", "request-total"},
	{"posthaste_producer_batches_retried_total", Counter, "Retries", 1,
		"Batches sent again; Java counts their records.", "record-retry-total"},
	{"posthaste_producer_batches_split_total", Counter, "Splits", 1,
		"Batches split because a broker found them too large.", "batch-split-total"},
	{"posthaste_producer_uncompressed_bytes_total", Counter, "BytesUncompressed", 1,
		"Bytes of acknowledged batches' records before compression.", ""},
	{"posthaste_producer_sent_bytes_total", Counter, "BytesCompressed", 1,
		"Bytes of acknowledged batches as sent, headers included.", "byte-total"},
	{"posthaste_producer_metadata_requests_total", Counter, "MetadataRequests", 1,
		"Requests for metadata.", ""},
	{"posthaste_producer_epoch_raises_total", Counter, "EpochRaises", 1,
		"Times the producer's epoch was raised because sequence numbers were lost (KIP-360).", ""},
	{"posthaste_producer_connections_lost_total", Counter, "ConnectionsLost", 1,
		"Connections that ended without being asked to.", "connection-close-total"},
	{"posthaste_producer_throttle_seconds_total", Counter, "ThrottleMillis", 1e-3,
		"Time that brokers asked the producer to wait because of quotas.", ""},
	{"posthaste_producer_buffer_bytes", Gauge, "BufferTotal", 1,
		"The setting buffer.memory.", "buffer-total-bytes"},
	{"posthaste_producer_buffer_available_bytes", Gauge, "BufferAvailable", 1,
		"Bytes of buffer.memory that no batch holds.", "buffer-available-bytes"},
	{"posthaste_producer_buffer_waiting_senders", Gauge, "BufferWaiting", 1,
		"Senders that wait for buffer.memory.", "waiting-threads"},
	{"posthaste_producer_buffer_exhausted_total", Counter, "BufferExhausted", 1,
		"Sends refused because buffer.memory stayed full for max.block.ms.",
		"buffer-exhausted-total"},
}

// Instead says where the figure of a metric of Java's producer can be found that
// has no counterpart in List.
func Instead(java string) (string, bool) {
	text, ok := instead[java]
	return text, ok
}

const (
	divide  = "divide: "
	perf    = "measured by `posthaste perf`; in an application by a callback"
	threads = "there is no I/O thread that waits or is busy; the process's CPU time is the operating system's"
	traffic = "counted by the operating system; records' bytes are in posthaste_producer_sent_bytes_total"
	logged  = "logged when it fails; not counted"
	built   = "`posthaste version`; `runtime/debug.ReadBuildInfo`"
	caller  = "the call returns when it is done: time it where it is made"
)

// instead lists Java's other metrics, without their -rate: those are rates of
// the totals.
var instead = map[string]string{
	"batch-size-avg":                divide + "sent_bytes by batches_sent",
	"batch-size-max":                "bounded by the setting batch.size, or one record",
	"bufferpool-wait-ratio":         "posthaste_producer_buffer_waiting_senders, now",
	"bufferpool-wait-time-ns-total": "posthaste_producer_buffer_waiting_senders, now",
	"compression-rate":              divide + "sent_bytes by uncompressed_bytes",
	"compression-rate-avg":          divide + "sent_bytes by uncompressed_bytes",
	"connection-count":              "one for each broker that leads a partition in use",
	"connection-creation-total":     logged,
	"failed-authentication-total":   logged, "failed-reauthentication-total": logged,
	"successful-authentication-total": logged, "successful-reauthentication-total": logged,
	"successful-authentication-no-reauth-total": logged,
	"reauthentication-latency-avg":              logged, "reauthentication-latency-max": logged,
	"flush-time-ns-total": caller, "txn-abort-time-ns-total": caller,
	"txn-begin-time-ns-total": caller, "txn-commit-time-ns-total": caller,
	"txn-init-time-ns-total": caller, "txn-send-offsets-time-ns-total": caller,
	"txn-prepare-time-ns-total": caller,
	"incoming-byte-total":       traffic, "outgoing-byte-total": traffic, "network-io-total": traffic,
	"response-total": "posthaste_producer_requests_total: every request but those with acks=0 has one",
	"io-ratio":       threads, "io-time-ns-avg": threads, "io-time-ns-total": threads,
	"io-wait-ratio": threads, "io-wait-time-ns-avg": threads, "io-wait-time-ns-total": threads,
	"select-total":                threads,
	"metadata-age":                "at most metadata.max.age.ms",
	"metadata-wait-time-ns-total": "part of the time that Send takes for a topic not seen before",
	"produce-throttle-time-avg":   divide + "throttle_seconds by requests",
	"produce-throttle-time-max":   divide + "throttle_seconds by requests",
	"record-queue-time-avg":       perf, "record-queue-time-max": perf,
	"request-latency-avg": perf, "request-latency-max": perf,
	"record-size-avg":         divide + "uncompressed_bytes by records_sent",
	"record-size-max":         "bounded by the setting max.request.size",
	"records-per-request-avg": divide + "records_sent by requests",
	"request-size-avg":        divide + "sent_bytes by requests",
	"request-size-max":        "bounded by the setting max.request.size",
	"requests-in-flight":      "bounded by max.in.flight.requests.per.connection a broker",
	"commit-id":               built, "version": built,
	"start-time-ms": "the process's own", "count": "the length of this list",
}
