package rest

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"

	"github.com/posthaste-go/posthaste/schemaregistry/internal/registry"
	"github.com/posthaste-go/posthaste/schemaregistry/internal/schema"
	"github.com/posthaste-go/posthaste/schemaregistry/internal/store"
)

// checkBody is the answer to a compatibility check.
type checkBody struct {
	OK       bool      `json:"is_compatible"`
	Messages *[]string `json:"messages,omitempty"`
}

func (h *Handler) checkAll(c *call) (any, error) { return h.check(c, 0) }

func (h *Handler) checkOne(c *call) (any, error) {
	version, err := registry.ParseVersion(c.vars["version"])
	if err != nil {
		return nil, err
	}
	return h.check(c, version)
}

func (h *Handler) check(c *call, version int) (any, error) {
	s, err := c.schema()
	if err != nil {
		return nil, err
	}
	verbose := c.flag("verbose")
	messages, err := h.reg.Check(s, version, c.flag("normalize"))
	var answer *registry.Error
	if verbose && errors.As(err, &answer) && answer.Code == registry.CodeInvalidSchema {
		messages, err = []string{answer.Message}, nil
	}
	if err != nil {
		return nil, err
	}
	b := checkBody{OK: len(messages) == 0}
	if verbose {
		if messages == nil {
			messages = []string{}
		}
		b.Messages = &messages
	}
	return b, nil
}

func (h *Handler) config(c *call) (any, error) {
	subject := c.subject()
	if c.flag("defaultToGlobal") {
		return h.reg.ConfigInScope(subject), nil
	}
	if own := h.reg.OwnConfig(subject); own != nil {
		return own, nil
	}
	return nil, h.reg.NoConfig(subject)
}

// member sets one member of a config from a request: null takes it away.
func member[T any](into *T, value json.RawMessage) error {
	if bytes.Equal(value, []byte("null")) {
		var none T
		*into = none
		return nil
	}
	return json.Unmarshal(value, into)
}

// setter sets one member of a config.
type setter func(*store.Config, json.RawMessage) error

func to[T any](field func(*store.Config) *T) setter {
	return func(c *store.Config, value json.RawMessage) error { return member(field(c), value) }
}

var setters = map[string]setter{
	"alias":               to(func(c *store.Config) *string { return &c.Alias }),
	"aliasForDeks":        to(func(c *store.Config) *string { return &c.AliasForDeks }),
	"normalize":           to(func(c *store.Config) **bool { return &c.Normalize }),
	"validateFields":      to(func(c *store.Config) **bool { return &c.ValidateFields }),
	"validateNewSchemas":  to(func(c *store.Config) **bool { return &c.ValidateNewSchemas }),
	"validateRules":       to(func(c *store.Config) **bool { return &c.ValidateRules }),
	"compatibility":       setLevel,
	"compatibilityPolicy": to(func(c *store.Config) *string { return &c.CompatibilityPolicy }),
	"compatibilityGroup":  to(func(c *store.Config) *string { return &c.CompatibilityGroup }),
	"defaultMetadata":     to(func(c *store.Config) **schema.Metadata { return &c.DefaultMetadata }),
	"overrideMetadata":    to(func(c *store.Config) **schema.Metadata { return &c.OverrideMetadata }),
	"defaultRuleSet":      to(func(c *store.Config) **schema.RuleSet { return &c.DefaultRuleSet }),
	"overrideRuleSet":     to(func(c *store.Config) **schema.RuleSet { return &c.OverrideRuleSet }),
}

func (h *Handler) updateConfig(c *call) (any, error) {
	var request map[string]json.RawMessage
	if err := c.decode(&request); err != nil {
		return nil, err
	}
	var given store.Config
	apply := func(to *store.Config) error {
		for name, value := range request {
			if f := setters[name]; f != nil {
				if err := f(to, value); err != nil {
					return err
				}
			}
		}
		return nil
	}
	if err := apply(&given); err != nil { // all of it can be read, before anything is written
		var answer *registry.Error
		if errors.As(err, &answer) {
			return nil, answer
		}
		return nil, badRequest(err)
	}
	updated, err := h.reg.UpdateConfig(c.Context(), c.subject(), func(to *store.Config) {
		_ = apply(to)
	})
	if err != nil {
		return nil, err
	}
	return updateBody{Compatibility: updated.CompatibilityLevel, Config: *updated}, nil
}

func setLevel(s *store.Config, value json.RawMessage) error {
	if err := member(&s.CompatibilityLevel, value); err != nil || s.CompatibilityLevel == "" {
		return err
	}
	level, err := registry.Level(s.CompatibilityLevel)
	s.CompatibilityLevel = level
	return err
}

// updateBody is a config in the answer to its update, where the level has
// another name.
type updateBody struct {
	store.Config
	Compatibility string `json:"compatibility,omitempty"`
	Hidden        string `json:"compatibilityLevel,omitempty"` // shadows the embedded one
}

func (h *Handler) deleteConfig(c *call) (any, error) {
	return h.reg.DeleteConfig(c.Context(), c.subject())
}

type modeBody struct {
	Mode *string `json:"mode,omitempty"`
}

func (h *Handler) mode(c *call) (any, error) {
	subject := c.subject()
	mode := h.reg.OwnMode(subject)
	if c.flag("defaultToGlobal") {
		mode = h.reg.ModeInScope(subject)
	}
	if mode == "" {
		return nil, h.reg.NoMode(subject)
	}
	return modeBody{&mode}, nil
}

func (h *Handler) updateMode(c *call) (any, error) {
	var request modeBody
	if err := c.decode(&request); err != nil {
		return nil, err
	}
	mode := ""
	if request.Mode != nil {
		mode = strings.ToUpper(*request.Mode)
		if mode == "" {
			mode = " " // no mode is called so
		}
	}
	if err := h.reg.SetMode(c.Context(), c.subject(), mode, c.flag("force")); err != nil {
		return nil, err
	}
	return request, nil
}

func (h *Handler) deleteMode(c *call) (any, error) {
	old, err := h.reg.DeleteMode(c.Context(), c.subject(), c.flag("recursive"))
	if err != nil || old == "" {
		return modeBody{}, err
	}
	return modeBody{&old}, nil
}
