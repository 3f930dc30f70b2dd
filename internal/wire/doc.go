// Package wire encodes and decodes record batches of Kafka's message format v2
// (magic 2, KIP-98), the form in which records travel and are stored.
//
//	batch = 61-byte header ─ record ─ record ─ …   (records compressed as one block)
//
// It knows bytes and nothing else: no compression, no protocol, no time. The
// producer appends records straight into a batch's buffer and writes the header
// when the batch is sealed; the embedded broker checks and patches headers in
// place; both read records through Iterator.
//
// Source: org.apache.kafka.common.record.DefaultRecordBatch, DefaultRecord.
package wire
