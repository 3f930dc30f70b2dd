package posthaste

// Metrics is a snapshot of a producer's counters since it was made. Package
// prometheusposthaste exports them; docs/metrics.md has their names there, and
// what Java's producer calls the same.
type Metrics struct {
	RecordsSent       uint64 // acknowledged
	RecordsFailed     uint64 // accepted, but not acknowledged
	Batches           uint64 // acknowledged
	BatchesFailed     uint64
	Requests          uint64 // produce requests sent
	Retries           uint64 // batches sent again
	Splits            uint64 // batches split because the broker found them too large
	BytesUncompressed uint64 // of acknowledged batches' records, before compression
	BytesCompressed   uint64 // of acknowledged batches as sent, headers included
	MetadataRequests  uint64
	EpochRaises       uint64 // times the producer lost count and started again (KIP-360)
	ConnectionsLost   uint64
	ThrottleMillis    uint64 // how long brokers asked us to wait

	BufferTotal     int64  // buffer.memory, bytes
	BufferAvailable int64  // bytes that no batch holds
	BufferWaiting   int    // senders that wait for memory
	BufferExhausted uint64 // sends refused because memory stayed full
}

// Metrics reports the producer's counters. It is safe for concurrent use and
// cheap enough to call every second.
func (p *Producer) Metrics() Metrics {
	c, m := p.loop.Counters(), p.acc.Memory()
	return Metrics{
		RecordsSent: c.Records, RecordsFailed: c.RecordsFailed,
		Batches: c.Batches, BatchesFailed: c.BatchesFailed,
		Requests: c.Requests, Retries: c.Retries, Splits: c.Splits,
		BytesUncompressed: c.BytesRaw, BytesCompressed: c.BytesSent,
		MetadataRequests: c.MetadataRefresh, EpochRaises: c.EpochRaises,
		ConnectionsLost: c.ConnectionsLost, ThrottleMillis: c.ThrottleMillis,
		BufferTotal: m.Total, BufferAvailable: m.Available,
		BufferWaiting: m.Waiting, BufferExhausted: m.Exhausted,
	}
}
