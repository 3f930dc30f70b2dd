package log

// RaiseLeaderEpoch begins a new leader epoch at the end of the log. The caller
// is the log's writer, or holds its lock.
func (l *Log) RaiseLeaderEpoch() error {
	return l.epochs.assign(l.epochs.latest()+1, l.EndOffset())
}
