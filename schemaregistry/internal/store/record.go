package store

import (
	"bytes"
	"encoding/json"
	"fmt"

	"github.com/posthaste-go/posthaste/schemaregistry/internal/schema"
)

// The kinds of record, as the member keytype of a key.
const (
	kindSchema        = "SCHEMA"
	kindConfig        = "CONFIG"
	kindMode          = "MODE"
	kindNoop          = "NOOP"
	kindDeleteSubject = "DELETE_SUBJECT"
	kindClearSubject  = "CLEAR_SUBJECT"
	kindContext       = "CONTEXT"
)

// tenant is the only one there is outside of Confluent's cloud.
const tenant = "default"

// key is a record's key. The order of its members is Confluent's: compaction
// compares keys as bytes.
type key struct {
	Kind    string `json:"keytype"`
	Tenant  string `json:"tenant,omitempty"`
	Context string `json:"context,omitempty"`
	Subject string `json:"subject,omitempty"`
	Version int    `json:"version,omitempty"`
	Magic   int    `json:"magic"`
}

// schemaValue is the value of a SCHEMA record.
type schemaValue struct {
	Subject    string             `json:"subject"`
	Version    int                `json:"version"`
	ID         int                `json:"id"`
	Type       string             `json:"schemaType,omitempty"` // none means Avro
	References []schema.Reference `json:"references,omitempty"`
	Metadata   *schema.Metadata   `json:"metadata,omitempty"`
	RuleSet    *schema.RuleSet    `json:"ruleSet,omitempty"`
	Text       string             `json:"schema"`
	Deleted    bool               `json:"deleted"`
}

// Config is the settings of a subject, a context, or the registry. What is nil
// or empty was not given.
type Config struct {
	Alias               string           `json:"alias,omitempty"`
	AliasForDeks        string           `json:"aliasForDeks,omitempty"`
	Normalize           *bool            `json:"normalize,omitempty"`
	ValidateFields      *bool            `json:"validateFields,omitempty"`
	ValidateNewSchemas  *bool            `json:"validateNewSchemas,omitempty"`
	ValidateRules       *bool            `json:"validateRules,omitempty"`
	CompatibilityLevel  string           `json:"compatibilityLevel,omitempty"`
	CompatibilityPolicy string           `json:"compatibilityPolicy,omitempty"`
	CompatibilityGroup  string           `json:"compatibilityGroup,omitempty"`
	DefaultMetadata     *schema.Metadata `json:"defaultMetadata,omitempty"`
	OverrideMetadata    *schema.Metadata `json:"overrideMetadata,omitempty"`
	DefaultRuleSet      *schema.RuleSet  `json:"defaultRuleSet,omitempty"`
	OverrideRuleSet     *schema.RuleSet  `json:"overrideRuleSet,omitempty"`
}

type configValue struct {
	Subject string `json:"subject,omitempty"`
	Config
}

type modeValue struct {
	Subject string `json:"subject,omitempty"`
	Mode    string `json:"mode"`
}

type deleteValue struct {
	Subject string `json:"subject"`
	Version int    `json:"version"`
}

type contextValue struct {
	Tenant  string `json:"tenant"`
	Context string `json:"context"`
}

// Record is one record of the topic, to be written. A nil Value is a tombstone.
type Record struct{ Key, Value []byte }

// PutSchema registers s, or overwrites it, under its subject and version.
func PutSchema(s *schema.Schema) Record {
	v := schemaValue{Subject: s.Subject, Version: s.Version, ID: s.ID, References: s.References,
		Metadata: s.Metadata, RuleSet: s.RuleSet, Text: s.Text, Deleted: s.Deleted}
	if s.Type != schema.Avro {
		v.Type = s.Type
	}
	return Record{schemaKey(s.Subject, s.Version), encode(v)}
}

// RemoveSchema takes a version away for good.
func RemoveSchema(subject string, version int) Record {
	return Record{Key: schemaKey(subject, version)}
}

func schemaKey(subject string, version int) []byte {
	return encode(key{Kind: kindSchema, Subject: subject, Version: version, Magic: 1})
}

// DeleteSubject deletes all versions of a subject up to one, softly.
func DeleteSubject(subject string, version int) Record {
	return Record{encode(key{Kind: kindDeleteSubject, Subject: subject}),
		encode(deleteValue{subject, version})}
}

// ClearSubject forgets the deleted versions of a subject or context.
func ClearSubject(subject string) Record {
	return Record{encode(key{Kind: kindClearSubject, Subject: subject}),
		encode(struct {
			Subject string `json:"subject,omitempty"`
		}{subject})}
}

// PutConfig sets the config of a subject; "" is the registry's own. Nil takes
// it away.
func PutConfig(subject string, c *Config) Record {
	r := Record{Key: encode(key{Kind: kindConfig, Subject: subject})}
	if c != nil {
		r.Value = encode(configValue{subject, *c})
	}
	return r
}

// PutMode sets the mode of a subject; "" is the registry's own. An empty mode
// takes it away.
func PutMode(subject, mode string) Record {
	r := Record{Key: encode(key{Kind: kindMode, Subject: subject})}
	if mode != "" {
		r.Value = encode(modeValue{subject, mode})
	}
	return r
}

// PutContext makes a context known.
func PutContext(context string) Record {
	return Record{contextKey(context), encode(contextValue{tenant, context})}
}

// RemoveContext takes an empty context away.
func RemoveContext(context string) Record { return Record{Key: contextKey(context)} }

func contextKey(context string) []byte {
	return encode(key{Kind: kindContext, Tenant: tenant, Context: context})
}

// Noop is written to learn where the topic ends.
func Noop() Record { return Record{Key: encode(key{Kind: kindNoop})} }

// encode is v as JSON without escapes that only HTML needs: the bytes are to be
// those that Jackson writes.
func encode(v any) []byte {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		panic(fmt.Sprintf("store: a record of strings and numbers is no JSON: %v", err))
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n"))
}
