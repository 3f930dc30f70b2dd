// Package producerstate is what a partition remembers of the producers that
// write to it, so that it can refuse a batch it has and notice one it missed.
//
//	producer id ─▶ epoch, last five batches, first offset of its open transaction
//
// A client may have five requests in flight for a partition, so a batch that
// comes again is among the last five, or its acknowledgement was read. State is
// rebuilt from the log: a snapshot (in Kafka's format) holds it as of an offset
// and Replay adds the batches after that.
//
// Source: ProducerStateManager, ProducerAppendInfo, ProducerStateEntry; KIP-98,
// KIP-360, KIP-890.
package producerstate
