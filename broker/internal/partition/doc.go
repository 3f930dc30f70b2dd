// Package partition is the leader of a partition: what it accepts, what it
// answers, and where it keeps its bytes. Package api translates requests into
// the calls here; nothing here knows the protocol but for its error codes.
//
//	d, err := partition.OpenDir(partition.DirConfig{Path: "/var/lib/posthaste", Now: now})
//	for _, f := range d.Found() {        // what an earlier run left
//		p, err := d.Open(f.TopicPartition, f.TopicID, cfg)
//	}
//	r, err := p.Append(partition.AppendRequest{Records: batch, Acks: -1})
//	f, err := p.Fetch(buf[:0], partition.FetchRequest{Offset: r.BaseOffset, MaxBytes: 1 << 20})
//
// There is one node, so the high watermark is the log's end: what is appended
// is readable as soon as Append returns.
//
// Every error of a method that serves a request is an *Error with Kafka's code.
package partition
