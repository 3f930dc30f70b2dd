// Package framed is what the serializers of a schema registry share: which
// schema a topic's records are written with, where its id goes, and which schema
// a record was written with.
//
// C is a schema as a format's library wants it. A Writer and a Reader ask the
// registry when they see a topic or an id for the first time; from then on a
// record costs an atomic load.
package framed

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/posthaste-go/posthaste/internal/clock"
	"github.com/posthaste-go/posthaste/schemaregistry"
	"github.com/posthaste-go/posthaste/schemaregistry/wireformat"
	"github.com/posthaste-go/posthaste/serializer"
)

// maxTopics bounds how many topics a Writer remembers.
const maxTopics = 10_000

// Writer chooses schemas for the topics that a serializer writes to.
type Writer[C any] struct {
	Client   *schemaregistry.Client
	Settings schemaregistry.Settings

	// Own is the schema of the Go type; without Text there is none, and the
	// settings must say which to use.
	Own    schemaregistry.Schema
	Record string // the full name of its record or message, if it has one

	// Compile makes a schema ready for writing.
	Compile func(ctx context.Context, r schemaregistry.Registered) (C, error)

	// Compatible reports why values of Own cannot be read with another schema.
	Compatible func(ctx context.Context, own schemaregistry.Schema, r schemaregistry.Registered) error

	// Before is called before Own is registered or looked up in subject and returns
	// it with the references that were registered along; nil does nothing.
	Before func(ctx context.Context, topic string) (schemaregistry.Schema, error)

	last   atomic.Pointer[Choice[C]]
	mu     sync.Mutex
	topics map[string]*Choice[C]
}

// Choice is the schema that a topic's records are written with.
type Choice[C any] struct {
	Schema   schemaregistry.Registered
	Compiled C

	topic  string
	prefix [wireformat.PrefixSize]byte
	guid   wireformat.GUID
	ages   bool
	until  time.Time // if it ages
}

// For is the choice for topic. It asks the registry only for a topic that is
// new, or whose choice is too old.
func (w *Writer[C]) For(topic string) (*Choice[C], error) {
	if c := w.last.Load(); c != nil && c.topic == topic && c.fresh() {
		return c, nil
	}
	return w.find(context.Background(), topic)
}

// Prepare asks the registry for what records of topic need.
func (w *Writer[C]) Prepare(ctx context.Context, topic string) error {
	_, err := w.find(ctx, topic)
	return err
}

func (c *Choice[C]) fresh() bool { return !c.ages || clock.Now().Before(c.until) }

func (w *Writer[C]) find(ctx context.Context, topic string) (*Choice[C], error) {
	w.mu.Lock()
	c := w.topics[topic]
	w.mu.Unlock()
	if c == nil || !c.fresh() {
		var err error
		if c, err = w.choose(ctx, topic); err != nil {
			return nil, err
		}
		w.mu.Lock()
		if w.topics == nil || len(w.topics) >= maxTopics {
			w.topics = map[string]*Choice[C]{}
		}
		w.topics[topic] = c
		w.mu.Unlock()
	}
	w.last.Store(c)
	return c, nil
}

func (w *Writer[C]) choose(ctx context.Context, topic string) (*Choice[C], error) {
	subject, err := w.Settings.SubjectName(topic, w.Record)
	if err != nil {
		return nil, err
	}
	r, err := w.ask(ctx, topic, subject)
	if err != nil {
		return nil, err
	}
	c := &Choice[C]{Schema: r, topic: topic}
	wireformat.AppendID(c.prefix[:0], r.ID)
	if c.Compiled, err = w.Compile(ctx, r); err != nil {
		return nil, fmt.Errorf("schema %d of subject %q: %w", r.ID, subject, err)
	}
	if ttl := w.Client.LatestTTL(); ttl > 0 && w.usesLatest() {
		c.ages, c.until = true, clock.Now().Add(ttl)
	}
	if w.Settings.HeaderID() {
		if c.guid, err = w.guid(ctx, subject, r); err != nil {
			return nil, err
		}
	}
	return c, nil
}

func (w *Writer[C]) usesLatest() bool {
	return w.Settings.UseLatestVersion || len(w.Settings.UseLatestWithMetadata) > 0
}

// ask finds the schema by the settings. Source: the order of precedence is that
// of AbstractKafkaAvroSerializer, with use.latest.version implying
// auto.register.schemas=false.
func (w *Writer[C]) ask(
	ctx context.Context, topic, subject string,
) (r schemaregistry.Registered, err error) {
	s := &w.Settings
	strict := !s.LaxLatest
	switch {
	case s.UseSchemaID != 0:
		r, err = w.Client.ByID(ctx, subject, s.UseSchemaID)
		strict = !s.LaxSchemaID
	case len(s.UseLatestWithMetadata) > 0:
		r, err = w.Client.LatestWithMetadata(ctx, subject, s.UseLatestWithMetadata)
	case s.UseLatestVersion:
		r, err = w.Client.CachedLatest(ctx, subject)
	case w.Own.Text == "":
		return r, errors.New("there is no schema to write with: give one, " +
			"or set use.latest.version or use.schema.id")
	default:
		return w.register(ctx, topic, subject)
	}
	if err != nil || !strict || w.Own.Text == "" {
		return r, err
	}
	if err := w.Compatible(ctx, w.Own, r); err != nil {
		return r, fmt.Errorf("schema %d of subject %q does not fit this program's type: %w; "+
			"change the type, or set latest.compatibility.strict (id.compatibility.strict) to false",
			r.ID, subject, err)
	}
	return r, nil
}

func (w *Writer[C]) register(
	ctx context.Context, topic, subject string,
) (schemaregistry.Registered, error) {
	own := w.Own
	if w.Before != nil {
		var err error
		if own, err = w.Before(ctx, topic); err != nil {
			return schemaregistry.Registered{}, err
		}
	}
	if w.Settings.NoAutoRegister {
		return w.Client.Lookup(ctx, subject, own,
			schemaregistry.LookupOptions{Normalize: w.Settings.Normalize})
	}
	return w.Client.Register(ctx, subject, own,
		schemaregistry.RegisterOptions{Normalize: w.Settings.Normalize})
}

// guid is the GUID of r, which the answer to a registration may lack.
func (w *Writer[C]) guid(
	ctx context.Context, subject string, r schemaregistry.Registered,
) (wireformat.GUID, error) {
	if r.GUID == "" {
		var err error
		if r, err = w.Client.WithGUID(ctx, subject, r); err != nil {
			return wireformat.GUID{}, err
		}
	}
	return wireformat.ParseGUID(r.GUID)
}

// Begin starts the bytes of a record: it appends the id and a Protobuf message's
// indexes (nil for none) to dst, or adds a header that holds both.
func (w *Writer[C]) Begin(
	dst []byte, headers *[]serializer.Header, c *Choice[C], indexes []byte,
) ([]byte, error) {
	if !w.Settings.HeaderID() {
		return append(append(dst, c.prefix[:]...), indexes...), nil
	}
	if headers == nil {
		return nil, errors.New("schema ids go into headers by the settings, " +
			"but the caller gives no headers")
	}
	value := wireformat.AppendGUID(make([]byte, 0, 17+len(indexes)), c.guid)
	*headers = append(*headers, serializer.Header{
		Key: wireformat.HeaderName(w.Settings.Key), Value: append(value, indexes...),
	})
	if dst == nil {
		dst = []byte{} // an empty value is not null
	}
	return dst, nil
}
