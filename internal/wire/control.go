package wire

import (
	"encoding/binary"
	"fmt"
)

// ControlType is what a control record says. Source: ControlRecordType.
type ControlType int16

// The control records of transactions (KIP-98).
const (
	Abort  ControlType = 0
	Commit ControlType = 1
)

// EndTxnMarker is the control record that ends a transaction in a partition.
type EndTxnMarker struct {
	Type             ControlType
	CoordinatorEpoch int32
}

// AppendKey appends the marker's key: version and type.
func (m EndTxnMarker) AppendKey(dst []byte) []byte {
	dst = binary.BigEndian.AppendUint16(dst, 0)
	return binary.BigEndian.AppendUint16(dst, uint16(m.Type))
}

// AppendValue appends the marker's value: version and coordinator epoch.
func (m EndTxnMarker) AppendValue(dst []byte) []byte {
	dst = binary.BigEndian.AppendUint16(dst, 0)
	return binary.BigEndian.AppendUint32(dst, uint32(m.CoordinatorEpoch))
}

// ParseEndTxnMarker reads a control record's key and value. Newer versions may
// have more fields, which are passed over.
func ParseEndTxnMarker(key, value []byte) (EndTxnMarker, error) {
	if len(key) < 4 || len(value) < 6 {
		return EndTxnMarker{}, fmt.Errorf("%w: control record of %d and %d bytes, want 4 and 6",
			ErrCorrupt, len(key), len(value))
	}
	return EndTxnMarker{
		Type:             ControlType(binary.BigEndian.Uint16(key[2:])),
		CoordinatorEpoch: int32(binary.BigEndian.Uint32(value[2:])),
	}, nil
}
