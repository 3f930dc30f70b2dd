package main

import (
	"bufio"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/posthaste-go/posthaste/cmd/posthaste/internal/jsontext"
	"github.com/posthaste-go/posthaste/serializer"
)

// recordFormat is how consume prints a record: as JSON, or as Kafka's console
// consumer does by its properties.
type recordFormat struct {
	json, base64 bool

	timestamp, partition, offset, headers, key, value bool
	keySeparator, lineSeparator                       string
	headersSeparator, null                            string

	decoder *decoder // nil takes keys and values as they are
	line    []byte   // reused
}

// part is a key or value as it is printed: its bytes, or the JSON decoded from
// them.
type part struct {
	bytes   []byte
	decoded bool
}

// parts decodes what carries the id of a schema.
func (f *recordFormat) parts(r *kgo.Record) (key, value part, err error) {
	key, value = part{bytes: r.Key}, part{bytes: r.Value}
	if f.decoder == nil {
		return key, value, nil
	}
	var headers []serializer.Header
	for _, h := range r.Headers {
		headers = append(headers, serializer.Header(h))
	}
	for _, p := range []*part{&key, &value} {
		isKey := p == &key
		text, err := f.decoder.decode(headers, p.bytes, isKey)
		switch {
		case err == nil:
			p.bytes, p.decoded = text, true
		case !errors.Is(err, errAsItIs):
			return key, value, fmt.Errorf("partition %d, offset %d: cannot decode the %s: %w",
				r.Partition, r.Offset, side(isKey), err)
		}
	}
	return key, value, nil
}

// formatProperties are the properties that newRecordFormat knows.
var formatProperties = []string{"print.timestamp", "print.partition", "print.offset",
	"print.headers", "print.key", "print.value", "key.separator", "line.separator",
	"headers.separator", "null.literal", "key.deserializer", "value.deserializer"}

func newRecordFormat(c *consumeCmd) (*recordFormat, error) {
	f := &recordFormat{json: c.JSON, base64: c.Base64, value: true, keySeparator: "\t",
		lineSeparator: "\n", headersSeparator: ",", null: "null"}
	switches := map[string]*bool{"print.timestamp": &f.timestamp, "print.partition": &f.partition,
		"print.offset": &f.offset, "print.headers": &f.headers, "print.key": &f.key,
		"print.value": &f.value}
	texts := map[string]*string{"key.separator": &f.keySeparator,
		"line.separator": &f.lineSeparator, "headers.separator": &f.headersSeparator,
		"null.literal": &f.null}
	for _, p := range c.Properties {
		name, value, err := keyValue("--property", p)
		if err != nil {
			return nil, err
		}
		switch {
		case switches[name] != nil:
			*switches[name] = strings.EqualFold(strings.TrimSpace(value), "true")
		case texts[name] != nil:
			*texts[name] = value
		case strings.HasSuffix(name, ".deserializer") && slices.Contains(formatProperties, name):
			if class := value[strings.LastIndexByte(value, '.')+1:]; class != "StringDeserializer" &&
				class != "ByteArrayDeserializer" && class != "BytesDeserializer" {
				return nil, usagef("--property %s: keys and values that carry a schema's id are decoded "+
					"(--value-format), others are printed as they are; for other types use --json --base64 and "+
					"decode them", p)
			}
		default:
			return nil, usagef("--property %s: there is no such property; there are %s", p,
				strings.Join(formatProperties, ", "))
		}
	}
	return f, nil
}

// write appends r to out.
func (f *recordFormat) write(out *bufio.Writer, r *kgo.Record) error {
	key, value, err := f.parts(r)
	if err != nil {
		return err
	}
	if f.json {
		f.line = f.appendJSON(f.line[:0], r, key, value)
	} else {
		f.line = f.appendText(f.line[:0], r, key, value)
	}
	if _, err := out.Write(f.line); err != nil {
		return fmt.Errorf("cannot write to standard output: %w", err)
	}
	return nil
}

// appendJSON writes one object and a newline.
func (f *recordFormat) appendJSON(dst []byte, r *kgo.Record, key, value part) []byte {
	dst = append(dst, `{"topic":`...)
	dst = jsontext.AppendString(dst, []byte(r.Topic))
	dst = append(dst, `,"partition":`...)
	dst = strconv.AppendInt(dst, int64(r.Partition), 10)
	dst = append(dst, `,"offset":`...)
	dst = strconv.AppendInt(dst, r.Offset, 10)
	dst = append(dst, `,"timestamp":`...)
	dst = strconv.AppendInt(dst, r.Timestamp.UnixMilli(), 10)
	dst = append(dst, `,"key":`...)
	dst = f.appendPart(dst, key)
	dst = append(dst, `,"value":`...)
	dst = f.appendPart(dst, value)
	dst = append(dst, `,"headers":[`...)
	for i, h := range r.Headers {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(dst, '[')
		dst = jsontext.AppendString(dst, []byte(h.Key))
		dst = append(dst, ',')
		dst = append(f.appendBytes(dst, h.Value), ']')
	}
	return append(dst, "]}\n"...)
}

// appendPart writes decoded JSON as it is.
func (f *recordFormat) appendPart(dst []byte, p part) []byte {
	if p.decoded {
		return append(dst, p.bytes...)
	}
	return f.appendBytes(dst, p.bytes)
}

// text is the part as a line has it: JSON, but of a string what it says.
func (p part) text() []byte {
	if p.decoded && len(p.bytes) > 1 && p.bytes[0] == '"' {
		return jsontext.AppendUnescaped([]byte{}, p.bytes[1:len(p.bytes)-1])
	}
	return p.bytes
}

// appendBytes writes null, a string, or base64.
func (f *recordFormat) appendBytes(dst, b []byte) []byte {
	switch {
	case b == nil:
		return append(dst, "null"...)
	case f.base64:
		dst = base64.StdEncoding.AppendEncode(append(dst, '"'), b)
		return append(dst, '"')
	}
	return jsontext.AppendString(dst, b)
}

// appendText writes the parts in the order of Kafka's console consumer, each
// with key.separator behind it but for the last.
func (f *recordFormat) appendText(dst []byte, r *kgo.Record, key, value part) []byte {
	parts := 0
	next := func() {
		if parts > 0 {
			dst = append(dst, f.keySeparator...)
		}
		parts++
	}
	if f.timestamp {
		next()
		name := "CreateTime"
		if r.Attrs.TimestampType() == 1 {
			name = "LogAppendTime"
		}
		dst = fmt.Appendf(dst, "%s:%d", name, r.Timestamp.UnixMilli())
	}
	if f.partition {
		next()
		dst = fmt.Appendf(dst, "Partition:%d", r.Partition)
	}
	if f.offset {
		next()
		dst = fmt.Appendf(dst, "Offset:%d", r.Offset)
	}
	if f.headers {
		next()
		dst = f.appendHeaders(dst, r.Headers)
	}
	if f.key {
		next()
		dst = f.orNull(dst, key.text())
	}
	if f.value {
		next()
		dst = f.orNull(dst, value.text())
	}
	return append(dst, f.lineSeparator...)
}

func (f *recordFormat) appendHeaders(dst []byte, headers []kgo.RecordHeader) []byte {
	if len(headers) == 0 {
		return append(dst, "NO_HEADERS"...)
	}
	for i, h := range headers {
		if i > 0 {
			dst = append(dst, f.headersSeparator...)
		}
		dst = f.orNull(append(append(dst, h.Key...), ':'), h.Value)
	}
	return dst
}

func (f *recordFormat) orNull(dst, b []byte) []byte {
	if b == nil {
		return append(dst, f.null...)
	}
	return append(dst, b...)
}
