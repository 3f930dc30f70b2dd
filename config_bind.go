package posthaste

import (
	"fmt"
	"math"
	"reflect"
	"time"

	"github.com/posthaste-go/posthaste/internal/config"
)

// field is the field of c that holds a setting.
func field(c *Config, row *config.Setting) reflect.Value {
	f := reflect.ValueOf(c).Elem().FieldByName(row.Field)
	if !f.IsValid() {
		panic("posthaste: Config has no field " + row.Field + " for " + row.Name)
	}
	return f
}

// store puts a parsed value, nil for none, into the setting's field.
func store(c *Config, row *config.Setting, v any) {
	f := field(c, row)
	switch to := f.Addr().Interface().(type) {
	case *Acks:
		*to = map[any]Acks{"all": AcksAll, "-1": AcksAll, "0": AcksNone, "1": AcksLeader}[v]
		return
	case *Idempotence:
		*to = map[any]Idempotence{true: IdempotenceOn, false: IdempotenceOff}[v]
		return
	}
	switch v := v.(type) {
	case nil:
		f.SetZero()
	case bool:
		f.SetBool(v)
	case int64:
		if row.Unit == config.Millis || row.Unit == config.Seconds {
			f.SetInt(int64(duration(v, unitOf(row))))
			return
		}
		f.SetInt(v)
	case float64:
		f.SetFloat(v)
	case string:
		f.SetString(v)
	case []string:
		f.Set(reflect.ValueOf(v))
	default:
		panic(fmt.Sprintf("posthaste: %s has a value of type %T", row.Name, v))
	}
}

func unitOf(row *config.Setting) time.Duration {
	if row.Unit == config.Seconds {
		return time.Second
	}
	return time.Millisecond
}

// duration is n units, or the longest that a time.Duration can hold: 292 years.
// Kafka's longs go further, but nothing waits that long.
func duration(n int64, unit time.Duration) time.Duration {
	switch {
	case n > math.MaxInt64/int64(unit):
		return math.MaxInt64
	case n < math.MinInt64/int64(unit):
		return math.MinInt64
	}
	return time.Duration(n) * unit
}

// load is the value of a setting's field, of the type that Setting.Parse returns,
// nil if there is none. It reports values that properties could not say.
func load(c *Config, row *config.Setting) (any, error) {
	f := field(c, row)
	switch v := f.Interface().(type) {
	case Acks:
		return v.String(), nil
	case Idempotence:
		if v > IdempotenceOff {
			return nil, &ConfigError{Key: row.Name, Value: v.String(),
				Reason: "no such Idempotence",
				Remedy: "use IdempotenceDefault, IdempotenceOn or IdempotenceOff"}
		}
		return v != IdempotenceOff, nil
	case time.Duration:
		return loadDuration(row, v)
	}
	switch f.Kind() {
	case reflect.Bool:
		return f.Bool(), nil
	case reflect.Int, reflect.Int64:
		return f.Int(), nil
	case reflect.Float64:
		return f.Float(), nil
	case reflect.String:
		if row.Null && f.Len() == 0 {
			return nil, nil
		}
		return f.String(), nil
	case reflect.Slice:
		return f.Interface(), nil
	}
	panic("posthaste: Config." + row.Field + " has a type that no setting has")
}

func loadDuration(row *config.Setting, d time.Duration) (any, error) {
	unit := unitOf(row)
	if row.Null && d == 0 {
		return nil, nil
	}
	if d == math.MaxInt64 || d == math.MinInt64 { // see duration
		return int64(d), nil
	}
	if d%unit != 0 {
		return nil, &ConfigError{Key: row.Name, Value: d.String(),
			Reason: fmt.Sprintf("Config.%s is no multiple of %v", row.Field, unit),
			Remedy: fmt.Sprintf("a bare number counts nanoseconds: write %d*time.%s for %d%s",
				d, unitName(unit), d, unit.String()[1:])}
	}
	return int64(d / unit), nil
}

func unitName(unit time.Duration) string {
	if unit == time.Second {
		return "Second"
	}
	return "Millisecond"
}

// verify checks the bounds of a field, which Go code may have set to anything.
func verify(row *config.Setting, v any) error {
	if n, ok := v.(int64); ok && row.Kind == config.Int && int64(int32(n)) != n {
		return &ConfigError{Key: row.Name, Value: config.Format(v), Reason: "does not fit 32 bits",
			Remedy: fmt.Sprintf("give at most %d", math.MaxInt32)}
	}
	if n, ok := v.(int64); ok && row.Kind == config.Short && int64(int16(n)) != n {
		return &ConfigError{Key: row.Name, Value: config.Format(v), Reason: "does not fit 16 bits",
			Remedy: fmt.Sprintf("give at most %d", math.MaxInt16)}
	}
	if v == nil || row.Required && row.Kind == config.Class {
		return nil
	}
	if err := row.Verify(v, config.Format(v)); err != nil {
		return configError(err)
	}
	return nil
}

// values are all settings of c as they stand, checked one by one.
func (c *Config) values() (config.Values, error) {
	v := config.Values{}
	for i := range config.Table {
		row := &config.Table[i]
		if row.Field == "" {
			continue
		}
		value, err := load(c, row)
		if err == nil {
			err = verify(row, value)
		}
		if err != nil {
			return nil, c.locate(configError(err))
		}
		v[row.Name] = value
	}
	return v, nil
}
