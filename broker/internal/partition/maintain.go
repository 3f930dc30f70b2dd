package partition

import "errors"

// maintenance is when things were last done, in milliseconds.
type maintenance struct {
	retained, expired, synced, compacted int64
	// firstDirty is the offset before which the log is compacted.
	firstDirty int64
}

// How often Maintain looks at what changes slowly; defaults of Kafka's
// log.retention.check.interval.ms, producer.id.expiration.check.interval.ms and
// log.cleaner.backoff.ms.
const (
	retentionCheckMillis  = 5 * 60 * 1000
	expirationCheckMillis = 10 * 60 * 1000
	compactionCheckMillis = 15 * 1000
)

// maintain does what is due by now.
func (p *Partition) maintain(now, retentionCheck int64) error {
	if p.closed.Load() {
		return nil
	}
	cfg := p.Config()
	err := p.log.FlushSealed()
	if now-p.synced >= cfg.FlushMillis {
		p.synced = now
		err = errors.Join(err, p.log.Flush())
	}
	if now-p.expired >= expirationCheckMillis {
		p.expired = now
		p.mu.Lock()
		p.log.Producers().Expire(now, cfg.ProducerIDExpirationMillis)
		p.mu.Unlock()
	}
	if now-p.retained >= retentionCheck {
		p.retained = now
		err = errors.Join(err, p.retain(now))
	}
	if p.closed.Load() {
		return nil // it went away meanwhile, and so did its files
	}
	return err
}

func (p *Partition) retain(now int64) error {
	p.mu.Lock()
	if p.closed.Load() {
		p.mu.Unlock()
		return nil
	}
	retired, err := p.log.Retain(now)
	p.mu.Unlock()
	if retired.Empty() {
		return err
	}
	p.watchers.notify()
	return errors.Join(err, retired.Remove())
}

// compact rewrites segments if that is due; it reports whether it did. Their
// recovery point must have been saved before: see log.Options.KeepGaps.
func (p *Partition) compact(now int64) (bool, error) {
	cfg := p.Config()
	if !cfg.Compact || now-p.compacted < compactionCheckMillis || p.closed.Load() {
		return false, nil
	}
	p.compacted = now
	u := p.log.Uncompacted(p.firstDirty, now)
	if !u.Due(cfg.Config, now) {
		return false, nil
	}
	p.mu.Lock()
	producers := p.log.Producers().Entries()
	p.mu.Unlock()
	c, err := p.log.Compact(u, producers, now)
	if err != nil {
		if p.closed.Load() {
			return false, nil // deleted meanwhile
		}
		return false, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed.Load() {
		return false, c.Drop()
	}
	if err := c.Swap(); err != nil {
		return false, err
	}
	p.firstDirty = c.FirstDirty()
	return true, nil
}
