// Package protocol is the ground that both ends of a connection stand on: API
// keys, request and response headers, version ranges, and the primitives for the
// few messages that are read or written by hand because they carry record
// batches.
//
//	frame = int32 length ─ header ─ body
//
// All other messages are encoded and decoded by franz-go's generated package
// kmsg; this package adds what kmsg leaves to its user. It opens no connection
// and starts no goroutine.
//
// Source: the Kafka protocol guide; KIP-482 (flexible versions), KIP-511 (headers
// of ApiVersions).
package protocol
