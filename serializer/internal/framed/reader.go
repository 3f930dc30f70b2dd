package framed

import (
	"context"
	"fmt"
	"sync"

	"github.com/posthaste-go/posthaste/schemaregistry"
	"github.com/posthaste-go/posthaste/schemaregistry/wireformat"
	"github.com/posthaste-go/posthaste/serializer"
)

// maxSchemas bounds how many compiled schemas a Reader remembers.
const maxSchemas = 1000

// Reader finds the schemas that records were written with.
type Reader[C any] struct {
	Client *schemaregistry.Client
	Key    bool

	// Compile makes a schema ready for reading.
	Compile func(ctx context.Context, r schemaregistry.Registered) (C, error)

	mu    sync.RWMutex
	known map[wireformat.ID]C
}

// Read takes data apart and finds its schema.
func (r *Reader[C]) Read(
	headers []serializer.Header, data []byte,
) (m wireformat.Message, schema C, err error) {
	if m, err = wireformat.Parse(headers, data, r.Key); err != nil {
		return m, schema, err
	}
	r.mu.RLock()
	schema, ok := r.known[m.ID]
	r.mu.RUnlock()
	if !ok {
		schema, err = r.find(context.Background(), m.ID)
	}
	return m, schema, err
}

func (r *Reader[C]) find(ctx context.Context, id wireformat.ID) (schema C, err error) {
	var s schemaregistry.Registered
	if id.ByGUID() {
		s.GUID = id.GUID.String()
		s.Schema, err = r.Client.SchemaByGUID(ctx, s.GUID)
	} else {
		s, err = r.Client.ByID(ctx, "", id.ID)
	}
	if err != nil {
		return schema, err
	}
	if schema, err = r.Compile(ctx, s); err != nil {
		return schema, fmt.Errorf("schema %v: %w", id, err)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.known == nil || len(r.known) >= maxSchemas {
		r.known = map[wireformat.ID]C{}
	}
	r.known[id] = schema
	return schema, nil
}
