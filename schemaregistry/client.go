package schemaregistry

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"sync/atomic"
	"time"
)

// Client asks a schema registry, and remembers what it answered. It is safe for
// concurrent use; serializers share one.
//
// What an id means and which id a schema has never change, so these are asked
// for once. Latest versions, lists, levels and modes are asked for each time,
// but for [Client.CachedLatest].
type Client struct {
	cfg       Config
	endpoints []endpoint
	http      *http.Client
	preferred atomic.Int32 // the endpoint that answered last

	byID   *cache[idKey, Registered]     // subject and version are not set
	byGUID *cache[string, Registered]    // likewise
	ids    *cache[schemaKey, Registered] // of a schema within a subject
	places *cache[versionKey, Registered]
	latest *cache[string, aged]

	pins   pins // of the lock file
	ctx    context.Context
	cancel context.CancelCauseFunc
}

type idKey struct {
	context string
	id      int
}

type versionKey struct {
	subject string
	version int
}

// schemaKey says also what was asked: a lookup that fails says nothing about a
// registration.
type schemaKey struct {
	subject, schema     string
	register, normalize bool
}

type aged struct {
	Registered
	asked time.Time
}

// NewClient makes a client. It asks the registry nothing yet. Errors match
// ErrConfig, or are those of reading the lock file.
func NewClient(cfg Config) (*Client, error) {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return nil, err
	}
	c := &Client{cfg: cfg}
	if c.endpoints, err = parseEndpoints(cfg.URLs); err != nil {
		return nil, err
	}
	if c.http, err = cfg.transport(); err != nil {
		return nil, err
	}
	c.ctx, c.cancel = context.WithCancelCause(context.Background())
	c.byID = newCache[idKey, Registered](c)
	c.byGUID = newCache[string, Registered](c)
	c.ids = newCache[schemaKey, Registered](c)
	c.places = newCache[versionKey, Registered](c)
	c.latest = newCache[string, aged](c)
	if cfg.LockFile != "" {
		lock, err := ReadLock(cfg.LockFile)
		if err != nil {
			return nil, err
		}
		c.pin(lock)
	}
	return c, nil
}

// Settings are those for serializers in the client's Config.
func (c *Client) Settings() Settings { return c.cfg.Serializers }

// Close ends requests that are under way; they fail with ErrClosed.
func (c *Client) Close() {
	c.cancel(ErrClosed)
	if c.cfg.HTTPClient == nil {
		c.http.CloseIdleConnections()
	}
}

// RegisterOptions are for Client.Register.
type RegisterOptions struct {
	Normalize bool // let the registry compare normal forms
	ID        int  // in mode IMPORT: the id to give; 0 lets the registry choose
	Version   int  // in mode IMPORT: the version to give
}

// Register makes s a version of subject, unless it is one already, and returns
// its id. Version and GUID are 0 and empty if the registry does not tell them
// (before Confluent Platform 7.4 and 8.0).
func (c *Client) Register(
	ctx context.Context, subject string, s Schema, o RegisterOptions,
) (Registered, error) {
	if r, ok := c.pinned(subject, &s); ok && o.ID == 0 {
		return r, nil
	}
	ask := func(ctx context.Context) (Registered, error) {
		body := struct {
			Schema
			ID      int `json:"id,omitempty"`
			Version int `json:"version,omitempty"`
		}{s.forWire(), o.ID, o.Version}
		out := Registered{Schema: s}
		err := c.do(ctx, request{
			what: "register a schema", subject: subject, method: http.MethodPost,
			path:  "/subjects/" + url.PathEscape(subject) + "/versions",
			query: flags("normalize", o.Normalize), body: body, out: &out,
		})
		if err != nil {
			return Registered{}, err
		}
		return c.learn(subject, s, out), nil
	}
	if o.ID != 0 || o.Version != 0 {
		return ask(ctx)
	}
	return c.ids.get(ctx, schemaKey{subject, s.identity(), true, o.Normalize}, ask)
}

// LookupOptions are for Client.Lookup.
type LookupOptions struct {
	Normalize bool // let the registry compare normal forms
	Deleted   bool // find softly deleted versions too
}

// Lookup finds the version of subject that s is. The error matches ErrNotFound
// if it is none.
func (c *Client) Lookup(
	ctx context.Context, subject string, s Schema, o LookupOptions,
) (Registered, error) {
	if r, ok := c.pinned(subject, &s); ok {
		return r, nil
	}
	ask := func(ctx context.Context) (Registered, error) {
		out := Registered{Schema: s}
		err := c.do(ctx, request{
			what: "look up a schema", subject: subject, method: http.MethodPost,
			path:  "/subjects/" + url.PathEscape(subject),
			query: flags("normalize", o.Normalize, "deleted", o.Deleted), body: s.forWire(), out: &out,
		})
		if err != nil {
			return Registered{}, err
		}
		return c.learn(subject, s, out), nil
	}
	if o.Deleted {
		return ask(ctx)
	}
	return c.ids.get(ctx, schemaKey{subject, s.identity(), false, o.Normalize}, ask)
}

// learn completes what a registry answered about s and remembers its id.
func (c *Client) learn(subject string, s Schema, out Registered) Registered {
	if out.Text == "" {
		out.Schema = s
	}
	out.Type = out.Type.OrAvro()
	if out.Subject == "" {
		out.Subject = subject
	}
	if out.ID != 0 {
		c.byID.put(idKey{contextOf(subject), out.ID}, out)
	}
	if out.GUID != "" {
		c.byGUID.put(out.GUID, out)
	}
	return out
}

// forWire leaves out what registries before Confluent Platform 5.5 do not know.
func (s Schema) forWire() Schema {
	if s.Type == Avro {
		s.Type = ""
	}
	return s
}

// SchemaByID is the schema that id stands for, in the context of the client's
// URL. The error matches ErrNotFound if there is none.
func (c *Client) SchemaByID(ctx context.Context, id int) (Schema, error) {
	r, err := c.ByID(ctx, "", id)
	return r.Schema, err
}

// ByID is the schema that id stands for in the context of subject, with its GUID
// if the registry tells. An empty subject means the URL's own context.
func (c *Client) ByID(ctx context.Context, subject string, id int) (Registered, error) {
	key := idKey{contextOf(subject), id}
	return c.byID.get(ctx, key, func(ctx context.Context) (Registered, error) {
		query := url.Values{}
		if subject != "" {
			query.Set("subject", subject)
		}
		out := Registered{}
		err := c.do(ctx, request{
			what: "get schema id " + strconv.Itoa(id), subject: subject, method: http.MethodGet,
			path: "/schemas/ids/" + strconv.Itoa(id), query: query, out: &out,
		})
		if err != nil {
			return Registered{}, err
		}
		out.ID, out.Type = id, out.Type.OrAvro()
		if out.GUID != "" {
			c.byGUID.put(out.GUID, out)
		}
		return out, nil
	})
}

// SchemaByGUID is the schema that a GUID stands for. It needs a registry that
// has GUIDs (Confluent Platform 8.0).
func (c *Client) SchemaByGUID(ctx context.Context, guid string) (Schema, error) {
	r, err := c.byGUID.get(ctx, guid, func(ctx context.Context) (Registered, error) {
		out := Registered{}
		err := c.do(ctx, request{
			what: "get schema GUID " + guid, method: http.MethodGet,
			path: "/schemas/guids/" + url.PathEscape(guid), out: &out,
		})
		if err != nil {
			return Registered{}, err
		}
		out.GUID, out.Type = guid, out.Type.OrAvro()
		return out, nil
	})
	return r.Schema, err
}

// Latest is the subject's latest version, asked for each time.
func (c *Client) Latest(ctx context.Context, subject string) (Registered, error) {
	r, err := c.version(ctx, subject, "latest", false)
	if err == nil {
		c.latest.put(subject, aged{r, c.cfg.clock.Now()})
	}
	return r, err
}

// CachedLatest is the subject's latest version as of Config.LatestTTL ago at
// most. If the registry cannot be reached, it is the last one known.
func (c *Client) CachedLatest(ctx context.Context, subject string) (Registered, error) {
	if r, ok := c.pinnedLatest(subject); ok {
		return r, nil
	}
	old, known := c.latest.peek(subject)
	if known && (c.cfg.LatestTTL <= 0 || c.cfg.clock.Now().Sub(old.asked) < c.cfg.LatestTTL) {
		return old.Registered, nil
	}
	fresh, err := c.latest.refresh(ctx, subject, func(ctx context.Context) (aged, error) {
		r, err := c.version(ctx, subject, "latest", false)
		return aged{r, c.cfg.clock.Now()}, err
	})
	if err != nil && known && unavailable(err) {
		return old.Registered, nil
	}
	return fresh.Registered, err
}

// Version is one version of a subject, from 1.
func (c *Client) Version(ctx context.Context, subject string, version int) (Registered, error) {
	key := versionKey{subject, version}
	return c.places.get(ctx, key, func(ctx context.Context) (Registered, error) {
		return c.version(ctx, subject, strconv.Itoa(version), false)
	})
}

// DeletedVersion is Version that finds softly deleted ones too. It always asks.
func (c *Client) DeletedVersion(
	ctx context.Context, subject string, version int,
) (Registered, error) {
	return c.version(ctx, subject, strconv.Itoa(version), true)
}

func (c *Client) version(
	ctx context.Context, subject, version string, deleted bool,
) (Registered, error) {
	out := Registered{}
	err := c.do(ctx, request{
		what: fmt.Sprintf("get version %s", version), subject: subject, method: http.MethodGet,
		path:  "/subjects/" + url.PathEscape(subject) + "/versions/" + version,
		query: flags("deleted", deleted), out: &out,
	})
	if err != nil {
		return Registered{}, err
	}
	return c.learn(subject, out.Schema, out), nil
}

// flags is a query of the names whose flag is set: name, bool, name, bool, …
func flags(pairs ...any) url.Values {
	out := url.Values{}
	for i := 0; i+1 < len(pairs); i += 2 {
		if on, name := pairs[i+1].(bool), pairs[i].(string); on {
			out.Set(name, "true")
		}
	}
	return out
}

// LatestTTL is Config.LatestTTL.
func (c *Client) LatestTTL() time.Duration { return c.cfg.LatestTTL }

// WithGUID is r with its GUID, which answers to Register may lack. It fails if
// the registry has none (before Confluent Platform 8.0).
func (c *Client) WithGUID(
	ctx context.Context, subject string, r Registered,
) (Registered, error) {
	var full Registered
	err := c.do(ctx, request{
		what: "get the GUID of schema id " + strconv.Itoa(r.ID), subject: subject,
		method: http.MethodGet, path: "/schemas/ids/" + strconv.Itoa(r.ID), out: &full,
		query: url.Values{"subject": {subject}},
	})
	if err != nil {
		return r, err
	}
	if full.GUID == "" { // older: a version may tell it
		return r, fmt.Errorf("schema id %d of subject %q has no GUID: this registry is too old "+
			"for schema ids in headers; put the id in front of the value", r.ID, subject)
	}
	r.GUID = full.GUID
	c.byGUID.put(r.GUID, r)
	return r, nil
}

// References are the schemas that s refers to, and those that these refer to:
// first what others need. What is referred to by several is there once.
func (c *Client) References(ctx context.Context, s Schema) ([]Resolved, error) {
	var all []Resolved
	seen := map[versionKey]bool{}
	var walk func(refs []Reference, depth int) error
	walk = func(refs []Reference, depth int) error {
		if depth > maxReferenceDepth {
			return fmt.Errorf("references go deeper than %d: do they refer to themselves?",
				maxReferenceDepth)
		}
		for _, ref := range refs {
			key := versionKey{ref.Subject, ref.Version}
			if seen[key] {
				continue
			}
			seen[key] = true
			r, err := c.Version(ctx, ref.Subject, ref.Version)
			if err != nil {
				return fmt.Errorf("reference %q: %w", ref.Name, err)
			}
			if err := walk(r.References, depth+1); err != nil {
				return err
			}
			all = append(all, Resolved{ref, r})
		}
		return nil
	}
	return all, walk(s.References, 0)
}

const maxReferenceDepth = 32

// Resolved is a reference with what it stands for.
type Resolved struct {
	Reference
	Schema Registered
}
