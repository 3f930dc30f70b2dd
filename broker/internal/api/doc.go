// Package api answers requests: one file for each API, named after it, with the
// versions it speaks and what each of them brought.
//
//	frame ─▶ server ─▶ API.Handle ─▶ table[key] ─▶ produce, fetch, metadata …
//	                                                  │
//	                     topics.Registry ─▶ partition.Partition
//
// Produce and Fetch are decoded and encoded by hand, in place: their batches are
// never copied on the way to the log, and only once on the way from it. All
// other APIs use package kmsg, which stops here: the packages below know nothing
// of requests.
package api
