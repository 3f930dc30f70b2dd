package rest

import (
	"github.com/posthaste-go/posthaste/schemaregistry/internal/registry"
	"github.com/posthaste-go/posthaste/schemaregistry/internal/schema"
	"github.com/posthaste-go/posthaste/schemaregistry/internal/store"
)

// registerRequest is the body of registrations, lookups and checks.
type registerRequest struct {
	Version    int                `json:"version"`
	ID         int                `json:"id"`
	Type       string             `json:"schemaType"`
	References []schema.Reference `json:"references"`
	Metadata   *schema.Metadata   `json:"metadata"`
	RuleSet    *schema.RuleSet    `json:"ruleSet"`
	Text       string             `json:"schema"`
}

// subject is the subject in the path, in the form that is stored.
func (c *call) subject() string { return schema.ParseSubject(c.vars["subject"]).String() }

// schema reads the body as a schema of the subject in the path.
func (c *call) schema() (schema.Schema, error) {
	var r registerRequest
	if err := c.decode(&r); err != nil {
		return schema.Schema{}, err
	}
	return schema.Schema{Subject: c.subject(), Version: r.Version, ID: max(r.ID, 0), Type: r.Type,
		References: r.References, Metadata: r.Metadata, RuleSet: r.RuleSet, Text: r.Text}, nil
}

func (c *call) filter() registry.Filter {
	switch {
	case c.flag("deletedOnly"):
		return registry.OnlyDeleted
	case c.flag("deleted"):
		return registry.WithDeleted
	}
	return registry.NotDeleted
}

func (h *Handler) listSubjects(c *call) (any, error) {
	prefix := schema.Wildcard
	if c.query.Has("subjectPrefix") {
		prefix = c.query.Get("subjectPrefix")
	}
	return page(c, h.reg.ListSubjects(prefix, c.filter()), unlimited)
}

func (h *Handler) lookup(c *call) (any, error) {
	s, err := c.schema()
	if err != nil {
		return nil, err
	}
	normalize := c.flag("normalize")
	if n := h.reg.ConfigInScope(s.Subject).Normalize; n != nil && *n {
		normalize = true
	}
	found, err := h.reg.Lookup(s, normalize, c.flag("deleted"))
	if err != nil {
		return nil, err
	}
	return h.body(c, found)
}

func (h *Handler) latestWithMetadata(c *call) (any, error) {
	keys, values := c.query["key"], c.query["value"]
	want := map[string]string{}
	for i := range min(len(keys), len(values)) {
		want[keys[i]] = values[i]
	}
	found, err := h.reg.LatestWithMetadata(c.subject(), want, c.flag("deleted"))
	if err != nil {
		return nil, err
	}
	return h.body(c, found)
}

func (h *Handler) deleteSubject(c *call) (any, error) {
	return h.reg.DeleteSubject(c.Context(), c.subject(), c.flag("permanent"))
}

func (h *Handler) listVersions(c *call) (any, error) {
	filter, negative := c.filter(), c.flag("deletedAsNegative")
	if negative {
		filter = registry.WithDeleted
	}
	list, err := h.reg.ListVersions(c.subject(), filter)
	if err != nil {
		return nil, err
	}
	numbers := make([]int, len(list))
	for i, s := range list {
		numbers[i] = s.Version
		if negative && s.Deleted {
			numbers[i] = -s.Version
		}
	}
	return page(c, numbers, unlimited)
}

func (h *Handler) find(c *call, deleted bool) (*schema.Schema, error) {
	version, err := registry.ParseVersion(c.vars["version"])
	if err != nil {
		return nil, err
	}
	return h.reg.Version(c.subject(), version, deleted)
}

func (h *Handler) version(c *call) (any, error) {
	s, err := h.find(c, c.flag("deleted"))
	if err != nil {
		return nil, err
	}
	return h.body(c, s)
}

func (h *Handler) versionText(c *call) (any, error) {
	s, err := h.find(c, c.flag("deleted"))
	if err != nil {
		return nil, err
	}
	b, err := h.body(c, s)
	return raw(b.Text), err
}

func (h *Handler) referencedBy(c *call) (any, error) {
	s, err := h.find(c, true)
	if err != nil {
		return nil, err
	}
	list := h.reg.ReferencedBy(store.Version{Subject: s.Subject, Version: s.Version},
		c.flag("deleted"))
	ids := make([]int, len(list))
	for i, id := range list {
		ids[i] = id.ID
	}
	return page(c, ids, maxSchemas)
}

func (h *Handler) register(c *call) (any, error) {
	s, err := c.schema()
	if err != nil {
		return nil, err
	}
	found, err := h.reg.Register(c.Context(), s,
		registry.RegisterOptions{Normalize: c.flag("normalize"), Force: c.flag("force")})
	if err != nil {
		return nil, err
	}
	return h.registered(c, found)
}

func (h *Handler) registered(c *call, s *schema.Schema) (any, error) {
	b, err := h.body(c, s)
	b.Subject, b.Timestamp, b.Deleted = "", 0, nil
	return b, err
}

func (h *Handler) deleteVersion(c *call) (any, error) {
	version, err := registry.ParseVersion(c.vars["version"])
	if err != nil {
		return nil, err
	}
	return h.reg.DeleteVersion(c.Context(), c.subject(), version, c.flag("permanent"))
}
