package input

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"sync/atomic"

	"github.com/klauspost/compress/gzip"
)

// StandardInput is what errors call an input without a file.
const StandardInput = "standard input"

// source is where an input's bytes come from, and what errors call it.
type source struct {
	name    string
	r       io.Reader // gunzipped
	total   int64     // bytes of the file as stored; 0 if not known
	done    atomic.Int64
	closers []func() error
}

// Progress reports bytes of the file as stored, so compressed ones for .gz.
func (s *source) Progress() (done, total int64) { return s.done.Load(), s.total }

func (s *source) Close() error {
	var errs []error
	for _, c := range s.closers {
		errs = append(errs, c())
	}
	s.closers = nil
	return errors.Join(errs...)
}

// counted counts what is read from a source's file.
type counted struct {
	r io.Reader
	n *atomic.Int64
}

func (c counted) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.n.Add(int64(n))
	return n, err
}

// Open opens the file at path. A name that ends in .gz is gunzipped on the way.
// o.Format may be empty: the name then tells (FormatOf). o.Name is path.
func Open(path string, o Options) (Reader, error) {
	o.Name = path
	guessed := o.Format == ""
	if guessed {
		o.Format = FormatOf(path)
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, openError(path, err)
	}
	info, err := f.Stat()
	if err == nil && info.IsDir() {
		err = errors.New("it is a directory; name the files in it")
	}
	if err != nil {
		return nil, errors.Join(openError(path, err), f.Close())
	}
	s := &source{name: path, closers: []func() error{f.Close}}
	if info.Mode().IsRegular() {
		s.total = info.Size()
	}
	s.r = counted{f, &s.done}
	if strings.HasSuffix(strings.ToLower(path), ".gz") {
		if s.r, err = gzip.NewReader(s.r); err != nil {
			return nil, errors.Join(fmt.Errorf("%s: not gzip although its name ends in .gz: %w",
				path, err), f.Close())
		}
	} else if o.Format == Parquet {
		return closeOnError(s, func() (Reader, error) { return newParquetReader(s, f, info.Size(), o) })
	}
	if guessed && o.Format == NDJSON && jsonName(path) {
		buffered := bufio.NewReaderSize(s.r, peeked)
		o.Format, s.r = jsonOrNDJSON(buffered), buffered
	}
	return closeOnError(s, func() (Reader, error) { return newReader(s, o) })
}

// jsonName reports whether path ends in .json, which leaves open what is in it.
func jsonName(path string) bool {
	return strings.HasSuffix(strings.TrimSuffix(strings.ToLower(path), ".gz"), ".json")
}

func openError(path string, err error) error {
	if pe, ok := errors.AsType[*os.PathError](err); ok {
		err = pe.Err
	}
	return fmt.Errorf("cannot read %s: %w", path, err)
}

// New reads records from r, whose name in errors is o.Name. Closing the Reader
// does not close r. Parquet needs to seek and is copied to a temporary file.
func New(r io.Reader, o Options) (Reader, error) {
	if o.Name == "" {
		o.Name = StandardInput
	}
	if o.Format == "" {
		o.Format = Lines
	}
	s := &source{name: o.Name}
	s.r = counted{r, &s.done}
	return closeOnError(s, func() (Reader, error) { return newReader(s, o) })
}

func closeOnError(s *source, open func() (Reader, error)) (Reader, error) {
	r, err := open()
	if err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return r, nil
}

func newReader(s *source, o Options) (Reader, error) {
	switch o.Format {
	case Lines:
		if o.hasFields() {
			return nil, fmt.Errorf("%s: lines have no fields to take a key, partition, "+
				"timestamp or header from; give --format csv, tsv, ndjson or parquet, or for "+
				"keys in lines --property parse.key=true", o.Name)
		}
		if o.Line == (LineProperties{}) {
			o.Line, _ = ParseLineProperties(nil)
		}
		return &lineReader{source: s, lines: newLineScanner(s.r, o.maxLine()), p: o.Line}, nil
	case NDJSON:
		return newNDJSONReader(s, o), nil
	case JSON:
		return newJSONReader(s, o), nil
	case CSV:
		return newCSVReader(s, o, ',')
	case TSV:
		return newCSVReader(s, o, '\t')
	case Parquet:
		return spoolParquet(s, o)
	}
	return nil, fmt.Errorf("unknown format %q; there are lines, ndjson, json, csv, tsv and parquet",
		o.Format)
}

// spoolParquet copies a Parquet input that cannot seek to a temporary file,
// because its index is at its end.
func spoolParquet(s *source, o Options) (Reader, error) {
	f, err := os.CreateTemp("", "posthaste-*.parquet")
	if err != nil {
		return nil, fmt.Errorf("%s: Parquet from a stream needs a temporary file: %w", o.Name, err)
	}
	s.closers = append(s.closers, f.Close, func() error { return os.Remove(f.Name()) })
	size, err := io.Copy(f, s.r)
	if err != nil {
		return nil, fmt.Errorf("%s: copying to a temporary file: %w", o.Name, err)
	}
	return newParquetReader(s, f, size, o)
}

// chunk is what one Read of an interruptible reader's goroutine brought.
type chunk struct {
	bytes []byte
	err   error
}

// Interruptible returns a reader of r whose Read returns context.Cause(ctx) as
// soon as ctx ends, also while r blocks, as a terminal does between two lines.
// What was read and not yet asked for is then dropped.
//
// It starts one goroutine, which ends when r ends or fails; after ctx has
// ended, as soon as the Read that it is in returns. The buffer is handed back
// and forth, so r is read at most one chunk ahead.
func Interruptible(ctx context.Context, r io.Reader) io.Reader {
	i := &interruptible{ctx: ctx, chunks: make(chan chunk), free: make(chan []byte, 2)}
	i.free <- make([]byte, initialBuffer)
	i.free <- make([]byte, initialBuffer)
	go i.run(r)
	return i
}

type interruptible struct {
	ctx    context.Context
	chunks chan chunk
	free   chan []byte
	whole  []byte // the buffer that rest is in
	rest   []byte
	err    error
}

func (i *interruptible) run(r io.Reader) {
	for {
		var buf []byte
		select {
		case buf = <-i.free:
		case <-i.ctx.Done():
			return
		}
		n, err := r.Read(buf)
		select {
		case i.chunks <- chunk{buf[:n], err}:
		case <-i.ctx.Done():
			return
		}
		if err != nil {
			return
		}
	}
}

func (i *interruptible) Read(p []byte) (int, error) {
	for len(i.rest) == 0 {
		if i.whole != nil {
			i.free <- i.whole[:cap(i.whole)]
			i.whole = nil
		}
		if i.err != nil {
			return 0, i.err
		}
		if i.ctx.Err() != nil {
			return 0, context.Cause(i.ctx)
		}
		select {
		case c := <-i.chunks:
			i.whole, i.rest, i.err = c.bytes, c.bytes, c.err
		case <-i.ctx.Done():
			return 0, context.Cause(i.ctx)
		}
	}
	n := copy(p, i.rest)
	i.rest = i.rest[n:]
	return n, nil
}
