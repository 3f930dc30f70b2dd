// Package topics knows which topics there are, with their ids, settings and
// partitions, and keeps that in the data directory.
//
//	posthaste-topics.json    topics, ids, numbers of partitions, settings
//	<topic>-<n>/             a partition; made when it is first used
//
// The file is the truth: a topic exists from the moment the file names it, and
// directories that are still missing are made on demand, so that a topic of ten
// thousand partitions costs one write. A directory that the file does not name
// is taken in as a topic of its own: a lost file loses settings, not records.
//
// Readers go through an immutable Snapshot and take no lock.
package topics
