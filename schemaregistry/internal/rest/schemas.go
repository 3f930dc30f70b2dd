package rest

import (
	"net/http"
	"slices"
	"strconv"

	"github.com/posthaste-go/posthaste/schemaregistry/internal/registry"
	"github.com/posthaste-go/posthaste/schemaregistry/internal/schema"
	"github.com/posthaste-go/posthaste/schemaregistry/internal/store"
)

// schemaBody is a schema in an answer. Members that are empty are left out.
type schemaBody struct {
	Subject    string             `json:"subject,omitempty"`
	Version    int                `json:"version,omitempty"`
	ID         int                `json:"id,omitempty"`
	GUID       string             `json:"guid"`
	Type       string             `json:"schemaType"`
	References []schema.Reference `json:"references,omitempty"`
	Metadata   *schema.Metadata   `json:"metadata,omitempty"`
	RuleSet    *schema.RuleSet    `json:"ruleSet,omitempty"`
	Text       string             `json:"schema"`
	MaxID      int                `json:"maxId,omitempty"`
	Timestamp  int64              `json:"ts,omitempty"`
	Deleted    *bool              `json:"deleted,omitempty"`
	Aliases    []string           `json:"aliases,omitempty"`
}

// body is s in the format that the request asks for.
func (h *Handler) body(c *call, s *schema.Schema) (schemaBody, error) {
	b := schemaBody{Subject: s.Subject, Version: s.Version, ID: s.ID, GUID: s.GUID().String(),
		Type: s.Type, References: s.References, Metadata: s.Metadata, RuleSet: s.RuleSet,
		Text: s.Text, Timestamp: s.Timestamp, Deleted: &s.Deleted}
	if format := c.query.Get("format"); format != "" {
		text, err := h.reg.Format(s, format)
		if err != nil {
			return b, err
		}
		b.Text = text
	}
	if c.query.Get("referenceFormat") == "qualified" && schema.ParseSubject(s.Subject).Qualified() {
		b.References = slices.Clone(s.References)
		for i, r := range b.References {
			b.References[i].Subject = schema.Within(s.Subject, r.Subject)
		}
	}
	return b, nil
}

// id is the id in the path.
func (c *call) id() (int, error) {
	n, err := strconv.ParseInt(c.vars["id"], 10, 32)
	if err != nil {
		return 0, httpError(http.StatusNotFound)
	}
	return int(n), nil
}

func (h *Handler) byID(c *call) (*schema.Schema, error) {
	id, err := c.id()
	if err != nil {
		return nil, err
	}
	return h.reg.ByID(id, c.query.Get("subject"))
}

func (h *Handler) schemaByID(c *call) (any, error) {
	s, err := h.byID(c)
	if err != nil {
		return nil, err
	}
	b, err := h.body(c, s)
	if err != nil {
		return nil, err
	}
	b.ID = 0
	if !c.query.Has("subject") {
		b.Subject, b.Version = "", 0
	}
	if c.flag("fetchMaxId") {
		b.MaxID = h.reg.NextID(schema.ContextOf(s.Subject)) - 1
	}
	return b, nil
}

func (h *Handler) textByID(c *call) (any, error) {
	s, err := h.byID(c)
	if err != nil {
		return nil, err
	}
	b, err := h.body(c, s)
	return raw(b.Text), err
}

func (h *Handler) schemaByGUID(c *call) (any, error) {
	s, err := h.reg.ByGUID(c.vars["guid"])
	if err != nil {
		return nil, err
	}
	b, err := h.body(c, s)
	b.Subject, b.Version, b.ID = "", 0, 0
	return b, err
}

func (h *Handler) idsOfGUID(c *call) (any, error) { return h.reg.IDsOf(c.vars["guid"]), nil }

func (h *Handler) versionsOfID(c *call) (any, error) {
	list, err := h.versionsOf(c)
	if err != nil {
		return nil, err
	}
	return page(c, list, unlimited)
}

func (h *Handler) versionsOf(c *call) ([]store.Version, error) {
	id, err := c.id()
	if err != nil {
		return nil, err
	}
	return h.reg.VersionsOf(id, c.query.Get("subject"), c.flag("deleted"))
}

func (h *Handler) subjectsOfID(c *call) (any, error) {
	list, err := h.versionsOf(c)
	if err != nil {
		return nil, err
	}
	names := make([]string, len(list))
	for i, v := range list {
		names[i] = v.Subject
	}
	return page(c, names, unlimited)
}

func (h *Handler) listTypes(*call) (any, error) { return schema.Types, nil }

// unlimited is the page size of lists of names and numbers; schemas come at most
// maxSchemas at a time.
const (
	unlimited  = 1<<31 - 1
	maxSchemas = 1000
)

func (h *Handler) listSchemas(c *call) (any, error) {
	filter := registry.NotDeleted
	if c.flag("deleted") {
		filter = registry.WithDeleted
	}
	list := h.reg.ListSchemas(registry.SchemaQuery{
		Prefix: c.query.Get("subjectPrefix"), Filter: filter, LatestOnly: c.flag("latestOnly"),
		RuleType: c.query.Get("ruleType"), Aliases: c.flag("aliases"),
	})
	list, err := page(c, list, maxSchemas)
	if err != nil {
		return nil, err
	}
	bodies := make([]schemaBody, len(list))
	for i, s := range list {
		if bodies[i], err = h.body(&call{}, s.Schema); err != nil {
			return nil, err
		}
		bodies[i].Aliases = s.Aliases
	}
	return bodies, nil
}

func (h *Handler) root(*call) (any, error) { return struct{}{}, nil }

func (h *Handler) metadataID(*call) (any, error) {
	return map[string]any{"id": "", "scope": map[string]any{"path": []string{},
		"clusters": map[string]string{"kafka-cluster": h.Cluster,
			"schema-registry-cluster": h.Group}}}, nil
}

func (h *Handler) metadataVersion(*call) (any, error) {
	return map[string]string{"version": h.Version, "commitId": h.Commit}, nil
}

func (h *Handler) listContexts(c *call) (any, error) {
	list := []string{}
	for _, name := range append([]string{schema.DefaultContext}, h.reg.Contexts()...) {
		if prefix := c.query.Get("contextPrefix"); prefix == "" || len(name) >= len(prefix) &&
			name[:len(prefix)] == prefix {
			list = append(list, name)
		}
	}
	return page(c, list, unlimited)
}

func (h *Handler) deleteContext(c *call) (any, error) {
	prefix, err := schema.NormalizeContext(c.vars["context"])
	if err != nil {
		return nil, badRequest(err)
	}
	return noContent{}, h.reg.DeleteContext(c.Context(), prefix)
}
