package infer

import (
	"fmt"
	"io"

	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/format"
)

// Parquet is the type of the rows of a Parquet file, which the file itself says:
// no row is read. Values are of the kinds that package input makes JSON of.
func Parquet(r io.ReaderAt, size int64) (t *Type, err error) {
	defer func() { // the library trusts some of what a damaged file says
		if v := recover(); v != nil {
			err = fmt.Errorf("the Parquet file is damaged: %v", v)
		}
	}()
	f, err := parquet.OpenFile(r, size, &parquet.FileConfig{SkipPageIndex: true,
		SkipBloomFilters: true})
	if err != nil {
		return nil, fmt.Errorf("not a readable Parquet file: %w", err)
	}
	return parquetGroup(f.Root()), nil
}

func parquetGroup(c *parquet.Column) *Type {
	t := &Type{Kind: Record}
	for _, child := range c.Columns() {
		t.Fields = append(t.Fields, &Field{Name: child.Name(), Type: parquetNode(child)})
	}
	return t
}

func parquetNode(c *parquet.Column) *Type {
	if c.Repeated() {
		return &Type{Kind: Array, Items: parquetValue(c)}
	}
	t := parquetValue(c)
	t.Nullable = t.Nullable || c.Optional()
	return t
}

// parquetValue is the type of one value of c, which is there.
func parquetValue(c *parquet.Column) *Type {
	if c.Leaf() {
		return parquetLeaf(c)
	}
	if children := c.Columns(); len(children) == 1 && children[0].Repeated() {
		inner := children[0]
		switch logical(c).(type) {
		case *format.ListType:
			if !inner.Leaf() && len(inner.Columns()) == 1 {
				return &Type{Kind: Array, Items: parquetNode(inner.Columns()[0])}
			}
			return &Type{Kind: Array, Items: parquetValue(inner)}
		case *format.MapType:
			if !inner.Leaf() && len(inner.Columns()) == 2 && inner.Columns()[0].Leaf() {
				return &Type{Kind: Map, Items: parquetNode(inner.Columns()[1])}
			}
		}
	}
	return parquetGroup(c)
}

func logical(c *parquet.Column) format.LogicalTypeValue {
	if lt := c.Type().LogicalType(); lt != nil {
		return lt.Value
	}
	return nil
}

func parquetLeaf(c *parquet.Column) *Type {
	kind := c.Type().Kind()
	switch l := logical(c).(type) {
	case *format.DecimalType:
		return &Type{Kind: Decimal, Precision: int(l.Precision), Scale: int(l.Scale)}
	case *format.DateType:
		return &Type{Kind: Date}
	case *format.TimeType:
		return &Type{Kind: timeKind(l)}
	case *format.TimestampType:
		return &Type{Kind: timestampKind(l)}
	case *format.UUIDType:
		return &Type{Kind: UUID}
	case *format.StringType, *format.EnumType, *format.JsonType:
		return &Type{Kind: String}
	case *format.IntType:
		if !l.IsSigned && kind == parquet.Int64 {
			return &Type{Kind: Decimal, Precision: 20}
		}
		if !l.IsSigned && l.BitWidth == 32 {
			return &Type{Kind: Long}
		}
	}
	switch kind {
	case parquet.Boolean:
		return &Type{Kind: Boolean}
	case parquet.Int32:
		return &Type{Kind: Int}
	case parquet.Int64:
		return &Type{Kind: Long}
	case parquet.Int96:
		return &Type{Kind: TimestampNanos}
	case parquet.Float:
		return &Type{Kind: Float}
	case parquet.Double:
		return &Type{Kind: Double}
	}
	return &Type{Kind: Bytes}
}

func timeKind(l *format.TimeType) Kind {
	switch l.Unit.Value.(type) {
	case *format.MilliSeconds:
		return TimeMillis
	case *format.MicroSeconds:
		return TimeMicros
	}
	return String // Avro has no time of day in nanoseconds
}

func timestampKind(l *format.TimestampType) Kind {
	utc, local := TimestampNanos, LocalTimestampNanos
	switch l.Unit.Value.(type) {
	case *format.MilliSeconds:
		utc, local = TimestampMillis, LocalTimestampMillis
	case *format.MicroSeconds:
		utc, local = TimestampMicros, LocalTimestampMicros
	}
	if l.IsAdjustedToUTC {
		return utc
	}
	return local
}
