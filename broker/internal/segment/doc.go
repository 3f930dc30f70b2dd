// Package segment is one segment of a log, in the files that Apache Kafka
// writes, named after the segment's first offset in 20 digits:
//
//	.log        record batches, one after the other
//	.index      8 bytes a time: offset i32, position i32      (offset index)
//	.timeindex 12 bytes a time: timestamp i64, offset i32     (time index)
//	.txnindex  34 bytes a time: an aborted transaction        (transaction index)
//
// Offsets in the indexes are relative to the segment's first one and name the
// last record of a batch; the position is that batch's. Every
// index.interval.bytes or so a batch gets an entry. The time index says: no
// batch up to this one has a larger timestamp. Everything but the .log can be
// made again from it: Recover does.
//
// One writer appends; readers need no lock of it. They see batches that were
// written whole, because the size they go by grows after the write.
//
// Source: LogSegment, OffsetIndex, TimeIndex, TransactionIndex.
package segment
