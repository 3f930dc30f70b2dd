// Package store keeps a registry's schemas, configs and modes in a compacted
// topic of one partition, and all of it in memory.
//
//	Write ──▶ topic _schemas ──▶ reader ──▶ State ◀── questions
//
// Records are those of Confluent's registry, key and value in JSON, so that
// either registry can take the topic over from the other. State changes only by
// what is read back from the topic: a write returns when its own record has come
// round, so what was answered is what every later start finds.
package store
