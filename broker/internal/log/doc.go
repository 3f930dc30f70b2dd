// Package log keeps one partition's records on disk, as an ordered list of
// segments of which the last, the active one, is appended to:
//
//	start ─▶ [segment 0 │ segment 512 │ … │ active 9216] ◀─ end
//	                                   recovery point: synced up to here
//
// A new segment is rolled when the active one is large or old enough; old ones
// are deleted (retention) or rewritten (compaction) as a whole. Beside the
// segments a partition's directory has snapshots of its producers, the leader
// epochs and the topic's id, all in Apache Kafka's formats.
//
// After a crash Open checks what may not have reached the disk, cuts the log
// where it is damaged, and rebuilds indexes and producers from the records.
//
// A Log has one writer at a time: the owner's lock guards the methods that say
// so. Readers need no lock.
//
// Source: UnifiedLog, LocalLog, LogLoader, LogCleaner.
package log
