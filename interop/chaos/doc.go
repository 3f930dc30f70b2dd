//go:build unix

// Package chaos breaks a cluster of Apache Kafka under a producer's load, in ways
// drawn from a seed, and then counts.
//
//	client process ──▶ proxies ──▶ three nodes ◀── proxies ──▶ each other
//	      │ outcomes                    ▲
//	      ▼                             │ kill, freeze, cut, silence, elect, reassign, grow
//	    audit ◀── what the log holds ── Run
//
// A client is a process that sends numbered records at a pace and writes down
// what it was told of each (package load). Run starts a cluster whose nodes are
// reached through proxies (package proxy), lets the client send, carries out a
// plan of events one after the other, stops the client, and compares what it was
// told with what the partitions hold. The same seed gives every client the same
// records and the same plan.
//
// Beside it a watcher asks every node for its metadata, past the proxies. The
// time between the first sight of a new leader and the first acknowledgement on
// its partition after that is the client's recovery.
package chaos
