package partition

// RaiseLeaderEpoch begins a new leader epoch, as when leadership goes to
// another node: here, when the broker only poses as several nodes. Codes:
// NOT_LEADER_OR_FOLLOWER, KAFKA_STORAGE_ERROR.
func (p *Partition) RaiseLeaderEpoch() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed.Load() {
		return p.gone()
	}
	if err := p.log.RaiseLeaderEpoch(); err != nil {
		return p.storageError(err)
	}
	return nil
}
