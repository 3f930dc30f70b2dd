package partition

// ProducerState is what DescribeProducers says of a producer (KIP-664).
type ProducerState struct {
	ProducerID            int64
	ProducerEpoch         int16
	LastSequence          int32 // -1 if it has written no numbered batch
	LastTimestamp         int64 // milliseconds
	CoordinatorEpoch      int32 // -1 before the first marker
	CurrentTxnStartOffset int64 // -1 without an open transaction
}

// Producers lists the producers that the partition remembers, by id.
func (p *Partition) Producers() []ProducerState {
	p.mu.Lock()
	defer p.mu.Unlock()
	entries := p.log.Producers().Entries()
	out := make([]ProducerState, 0, len(entries))
	for i := range entries {
		e := &entries[i]
		out = append(out, ProducerState{
			ProducerID: e.ProducerID, ProducerEpoch: e.ProducerEpoch,
			LastSequence: e.LastSequence(), LastTimestamp: e.LastTimestamp,
			CoordinatorEpoch: e.CoordinatorEpoch, CurrentTxnStartOffset: e.TxnFirstOffset,
		})
	}
	return out
}
