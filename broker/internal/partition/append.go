package partition

import (
	"errors"
	"fmt"

	"github.com/posthaste-go/posthaste/broker/internal/log"
	"github.com/posthaste-go/posthaste/broker/internal/producerstate"
	"github.com/posthaste-go/posthaste/internal/errcode"
	"github.com/posthaste-go/posthaste/internal/wire"
)

// Origin says who appends, and thus what is checked.
// Source: org.apache.kafka.storage.internals.log.AppendOrigin.
type Origin uint8

const (
	// Client is a producer: everything is checked.
	Client Origin = iota
	// Coordinator is the group or transaction coordinator of this broker: its
	// batches carry no sequences, and their base offset does not matter.
	Coordinator
)

// AppendRequest is one partition's part of a produce request.
type AppendRequest struct {
	// Records is one record batch of format v2, as the client sent it; a batch
	// cut short after it is dropped, as Kafka does. Append overwrites the
	// header's fields in place and keeps no reference.
	Records []byte
	Origin  Origin
	Acks    int16 // -1 (all), 0 or 1
	// TransactionVerified says that the transaction coordinator has this
	// partition in the producer's open transaction (KIP-890). Without it the
	// first transactional batch of a producer is INVALID_TXN_STATE.
	TransactionVerified bool
	// Verification is what Verify gave before the coordinator was asked: a marker
	// that comes in between makes TransactionVerified void. Nil skips the check.
	Verification *Verification
	// TransactionVersion2 makes a producer without state here begin with
	// sequence 0, as producers of transactions of version 2 do (KIP-890).
	TransactionVersion2 bool
}

// AppendResult is what a produce response says.
type AppendResult struct {
	BaseOffset     int64
	LastOffset     int64
	LogAppendTime  int64 // milliseconds; -1 if the topic keeps the producer's times
	LogStartOffset int64
	Duplicate      bool // the batch was appended before; the offsets are those of then
}

// Append checks, stores and publishes one batch. When it returns, the batch
// survives the end of the process, and a power cut too if flush.messages or
// flush.ms has made it sync.
//
// Codes: CORRUPT_MESSAGE, INVALID_RECORD (with the records at fault),
// INVALID_TIMESTAMP, MESSAGE_TOO_LARGE, RECORD_LIST_TOO_LARGE,
// OUT_OF_ORDER_SEQUENCE_NUMBER, INVALID_PRODUCER_EPOCH, INVALID_TXN_STATE,
// NOT_ENOUGH_REPLICAS, KAFKA_STORAGE_ERROR, NOT_LEADER_OR_FOLLOWER (closed or
// deleted). With any of them nothing was appended.
//
// A sequence the partition has among the producer's last five batches is
// answered with that batch's offset and Duplicate. Source: UnifiedLog.append,
// LogValidator.
func (p *Partition) Append(r AppendRequest) (AppendResult, error) {
	cfg := p.config.Load()
	if r.Acks == -1 && cfg.MinInSyncReplicas > 1 {
		return AppendResult{}, refuse(errcode.NotEnoughReplicas,
			"%s has 1 replica in sync; min.insync.replicas is %d", p.tp, cfg.MinInSyncReplicas)
	}
	var c candidate
	defer c.release()
	if err := c.checkBatch(r.Records, r.Origin, &cfg.Config, p.nowMillis()); err != nil {
		return AppendResult{}, err
	}
	if err := c.storable(cfg.target(&c.h)); err != nil {
		return AppendResult{}, err
	}
	switch size := len(c.batch); {
	case size > cfg.MaxMessageBytes:
		return AppendResult{}, tooLarge(size, &cfg.Config)
	case size > cfg.SegmentBytes:
		return AppendResult{}, refuse(errcode.RecordListTooLarge,
			"record batch of %d bytes; segment.bytes is %d", size, cfg.SegmentBytes)
	}
	p.mu.Lock()
	result, err := p.appendLocked(&c, r, cfg)
	p.mu.Unlock()
	if err == nil && !result.Duplicate {
		p.watchers.notify()
	}
	return result, err
}

func (p *Partition) appendLocked(
	c *candidate, r AppendRequest, cfg *settings,
) (AppendResult, error) {
	if p.closed.Load() {
		return AppendResult{}, p.gone()
	}
	// Before duplicates are looked for: one that could not be synced is not safe.
	if err := p.log.Failure(); err != nil {
		return AppendResult{}, p.storageError(err)
	}
	now := p.nowMillis()
	c.setTimes(cfg.TimestampType, now)
	h := &c.h
	result := AppendResult{LogAppendTime: -1, LogStartOffset: p.log.StartOffset()}
	if cfg.TimestampType == log.LogAppendTime {
		result.LogAppendTime = now
	}
	if h.ProducerID >= 0 {
		duplicate, found, err := p.log.Producers().Check(h, producerstate.Checks{
			Sequences: r.Origin == Client,
			FirstIsZero: r.TransactionVersion2 ||
				cfg.StrictFirstSequence && !p.log.EverWritten(),
			TxnVerified: r.TransactionVerified, Verification: r.Verification,
		})
		if err != nil {
			return AppendResult{}, p.producerError(err)
		}
		if found {
			result.Duplicate = true
			result.BaseOffset, result.LastOffset = duplicate.FirstOffset(), duplicate.LastOffset
			if cfg.TimestampType == log.LogAppendTime {
				result.LogAppendTime = duplicate.Timestamp
			}
			return result, nil
		}
	}
	if err := p.writeLocked(h, c.batch, now); err != nil {
		return AppendResult{}, err
	}
	result.BaseOffset, result.LastOffset = h.BaseOffset, h.LastOffset()
	return result, nil
}

// writeLocked gives the batch its place and stores it.
func (p *Partition) writeLocked(h *wire.BatchHeader, batch []byte, now int64) error {
	h.BaseOffset, h.LeaderEpoch = p.log.EndOffset(), p.log.LeaderEpoch()
	wire.PatchOffset(batch, h.BaseOffset, h.LeaderEpoch)
	if err := p.log.Append(h, batch, now); err != nil {
		p.logger.Error("append failed", "partition", p.tp.String(), "error", err)
		return p.storageError(err)
	}
	return nil
}

// producerError gives a refusal of package producerstate its code.
func (p *Partition) producerError(err error) error {
	code := errcode.UnknownServerError
	for _, x := range []struct {
		err  error
		code errcode.Code
	}{
		{producerstate.ErrOutOfOrderSequence, errcode.OutOfOrderSequenceNumber},
		{producerstate.ErrProducerEpoch, errcode.InvalidProducerEpoch},
		{producerstate.ErrTxnState, errcode.InvalidTxnState},
		{producerstate.ErrCoordinatorFenced, errcode.TransactionCoordinatorFenced},
	} {
		if errors.Is(err, x.err) {
			code = x.code
		}
	}
	return &Error{Code: code, Message: fmt.Sprintf("%s: %v", p.tp, err)}
}

// storageError is what a client is told when the disk fails.
func (p *Partition) storageError(err error) error {
	return &Error{
		Code: errcode.KafkaStorageError, Err: err,
		Message: fmt.Sprintf("%s: the broker's disk failed", p.tp),
	}
}

// Marker is a control record that ends a producer's transaction.
type Marker struct {
	ProducerID       int64
	ProducerEpoch    int16
	CoordinatorEpoch int32
	Commit           bool // false aborts
	// OwnEpoch refuses the marker if a record has its epoch, and writes it once:
	// in transactions of version 2 a second one would end what came after
	// (KIP-890, KIP-1228).
	OwnEpoch bool
}

// AppendMarker writes a transaction's end; its offset is returned. A producer
// without an open transaction here gets a marker too, which changes nothing.
//
// Codes: INVALID_PRODUCER_EPOCH, TRANSACTION_COORDINATOR_FENCED,
// KAFKA_STORAGE_ERROR, NOT_LEADER_OR_FOLLOWER. Source: KIP-98.
func (p *Partition) AppendMarker(m Marker) (int64, error) {
	offset, err := p.appendMarker(m)
	if err == nil {
		p.watchers.notify()
	}
	return offset, err
}

func (p *Partition) appendMarker(m Marker) (int64, error) {
	end := wire.EndTxnMarker{Type: wire.Abort, CoordinatorEpoch: m.CoordinatorEpoch}
	if m.Commit {
		end.Type = wire.Commit
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed.Load() {
		return 0, p.gone()
	}
	err := p.log.Producers().CheckMarker(&producerstate.Marker{
		EndTxnMarker: end, ProducerID: m.ProducerID, ProducerEpoch: m.ProducerEpoch,
	}, m.OwnEpoch)
	if err != nil {
		return 0, p.producerError(err)
	}
	now := p.nowMillis()
	h := wire.BatchHeader{
		Attributes: wire.Transactional | wire.Control, Count: 1,
		BaseTimestamp: now, MaxTimestamp: now,
		ProducerID: m.ProducerID, ProducerEpoch: m.ProducerEpoch, BaseSequence: wire.NoSequence,
	}
	if p.config.Load().TimestampType == log.LogAppendTime {
		h.Attributes |= wire.LogAppendTime
	}
	batch := markerBatch(&h, end)
	if err := p.writeLocked(&h, batch, now); err != nil {
		return 0, err
	}
	return h.BaseOffset, nil
}

// markerBatch encodes a control batch with one marker.
func markerBatch(h *wire.BatchHeader, end wire.EndTxnMarker) []byte {
	key, value := end.AppendKey(nil), end.AppendValue(nil)
	batch := make([]byte, wire.BatchHeaderSize, wire.BatchHeaderSize+32)
	body := wire.RecordBodySize(0, 0, key, value, 0, 0)
	batch = wire.AppendRecord(batch, body, 0, 0, key, value, 0)
	h.Seal(batch)
	return batch
}
