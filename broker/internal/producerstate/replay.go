package producerstate

import (
	"fmt"

	"github.com/posthaste-go/posthaste/internal/compression"
	"github.com/posthaste-go/posthaste/internal/wire"
)

// maxMarkerBytes bounds a control batch that was compressed: it holds one
// record of a few bytes.
const maxMarkerBytes = 4096

// Replay notes one batch, data or marker, that the log holds: it checks no
// sequence and no epoch, because that was done when the batch was appended. It
// returns the transaction that the batch ended, if it did.
func (s *State) Replay(h *wire.BatchHeader, batch []byte, now int64) (CompletedTxn, bool, error) {
	if h.ProducerID < 0 {
		return CompletedTxn{}, false, nil
	}
	if !h.Attributes.Has(wire.Control) {
		s.Append(h, now)
		return CompletedTxn{}, false, nil
	}
	m, ok, err := parseMarker(h, batch)
	if err != nil || !ok {
		return CompletedTxn{}, false, err
	}
	done, ended := s.AppendMarker(&m, now)
	return done, ended, nil
}

// parseMarker reads the control record of a control batch; false means that
// compaction has left none in it.
func parseMarker(h *wire.BatchHeader, batch []byte) (Marker, bool, error) {
	if h.Count == 0 {
		return Marker{}, false, nil
	}
	records := batch[wire.BatchHeaderSize:]
	if codec := compression.Codec(h.Attributes.Codec()); codec != compression.None {
		var err error
		if records, err = compression.Decompress(nil, records, codec, maxMarkerBytes); err != nil {
			return Marker{}, false, fmt.Errorf("control batch at offset %d: %w", h.BaseOffset, err)
		}
	}
	r, _, err := wire.ParseRecord(records)
	if err != nil {
		return Marker{}, false, fmt.Errorf("control batch at offset %d: %w", h.BaseOffset, err)
	}
	end, err := wire.ParseEndTxnMarker(r.Key, r.Value)
	if err != nil {
		return Marker{}, false, fmt.Errorf("control batch at offset %d: %w", h.BaseOffset, err)
	}
	if end.Type != wire.Abort && end.Type != wire.Commit {
		return Marker{}, false, nil // a control record of another kind ends nothing
	}
	return Marker{
		EndTxnMarker: end, ProducerID: h.ProducerID, ProducerEpoch: h.ProducerEpoch,
		Offset: h.BaseOffset + int64(r.OffsetDelta), Timestamp: h.BaseTimestamp + r.TimestampDelta,
	}, true, nil
}
