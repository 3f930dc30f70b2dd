package registry

import (
	"encoding/json"
	"slices"
	"strconv"
	"strings"

	"github.com/posthaste-go/posthaste/schemaregistry/internal/schema"
	"github.com/posthaste-go/posthaste/schemaregistry/internal/store"
)

// Latest as a version means the last one that is not deleted.
const Latest = -1

// ParseVersion reads a version of a request: a number from 1, -1 or latest.
func ParseVersion(text string) (int, error) {
	text = strings.TrimSpace(text)
	if strings.EqualFold(text, "latest") {
		return Latest, nil
	}
	n, err := strconv.ParseInt(text, 10, 32)
	if err != nil || n < Latest || n == 0 {
		return 0, InvalidVersion(text)
	}
	return int(n), nil
}

// version finds a version of just that subject, or nil.
func (r *Registry) version(subject string, version int, deleted bool) *Schema {
	if version != Latest {
		if s := r.State.Version(subject, version); s != nil && (deleted || !s.Deleted) {
			return s
		}
		return nil
	}
	for _, s := range slices.Backward(r.Versions(subject)) {
		if !s.Deleted {
			return s
		}
	}
	return nil
}

// Version finds a version, also in other contexts if subject names none and the
// default context does not have it.
func (r *Registry) Version(subject string, version int, deleted bool) (*Schema, error) {
	if s := r.version(subject, version, deleted); s != nil {
		return s, nil
	}
	for _, other := range r.elsewhere(subject) {
		if s := r.version(other, version, deleted); s != nil {
			return s, nil
		}
	}
	if !r.HasSubjects(schema.ParseSubject(subject), deleted) {
		return nil, subjectNotFound(subject)
	}
	return nil, versionNotFound(version)
}

// elsewhere is the subject in every context but the default one, if it names
// none.
func (r *Registry) elsewhere(subject string) []string {
	s := schema.ParseSubject(subject)
	if s.Qualified() {
		return nil
	}
	var list []string
	for _, context := range r.Contexts() {
		list = append(list, schema.Subject{Context: context, Name: s.Name}.String())
	}
	return list
}

// Filter says which versions and subjects are meant.
type Filter int

// The filters of lists.
const (
	NotDeleted Filter = iota
	WithDeleted
	OnlyDeleted
)

// Match reports whether something that is deleted or not is meant.
func (f Filter) Match(deleted bool) bool {
	return f == WithDeleted || deleted == (f == OnlyDeleted)
}

// ListVersions lists the versions of a subject.
func (r *Registry) ListVersions(subject string, f Filter) ([]*Schema, error) {
	if !r.HasSubjects(schema.ParseSubject(subject), f != NotDeleted) {
		return nil, subjectNotFound(subject)
	}
	var list []*Schema
	for _, s := range r.Versions(subject) {
		if f.Match(s.Deleted) {
			list = append(list, s)
		}
	}
	return list, nil
}

// ListSubjects lists subjects in order. One is deleted when all its versions are.
func (r *Registry) ListSubjects(prefix string, f Filter) []string {
	list := []string{}
	for _, name := range r.Subjects(prefix) {
		versions := r.Versions(name)
		deleted := !slices.ContainsFunc(versions, func(s *Schema) bool { return !s.Deleted })
		if len(versions) > 0 && f.Match(deleted) {
			list = append(list, name)
		}
	}
	return list
}

// key finds one version that has an id, by the context of subject or, if that
// names none, by the context that has the subject.
func (r *Registry) key(id int, subject string) (store.Version, bool) {
	s := schema.ParseSubject(subject)
	if v, ok := r.keyIn(id, s); ok || s.Name == "" || s.Qualified() {
		return v, ok
	}
	for _, other := range r.elsewhere(subject) {
		if v, ok := r.keyIn(id, schema.ParseSubject(other)); ok {
			return v, true
		}
	}
	return r.keyIn(id, schema.Subject{Context: s.Context})
}

func (r *Registry) keyIn(id int, s schema.Subject) (store.Version, bool) {
	list := r.SubjectVersions(s.Context, id)
	for _, v := range list {
		if s.Name == "" || v.Subject == s.String() {
			return v, true
		}
	}
	return store.Version{}, false
}

// ByID finds a schema by its id, deleted or not. Subject may be empty, a
// context, or a subject that has the schema.
func (r *Registry) ByID(id int, subject string) (*Schema, error) {
	v, ok := r.key(id, subject)
	if !ok {
		return nil, idNotFound(id)
	}
	if s := r.State.Version(v.Subject, v.Version); s != nil {
		return s, nil
	}
	return nil, idNotFound(id) // deleted between the two looks
}

// ByGUID finds a schema by its GUID, in the default context first.
func (r *Registry) ByGUID(text string) (*Schema, error) {
	for _, c := range r.IDsOf(text) {
		return r.ByID(c.ID, schema.Subject{Context: c.Context}.Prefix())
	}
	return nil, idNotFound(text)
}

// IDsOf lists the ids of a GUID in all contexts that have it.
func (r *Registry) IDsOf(text string) []store.ContextID {
	list := []store.ContextID{}
	guid, ok := schema.ParseGUID(text)
	if !ok {
		return list
	}
	for _, context := range append([]string{schema.DefaultContext}, r.Contexts()...) {
		if id := r.IDOf(context, guid); id != 0 {
			list = append(list, store.ContextID{Context: context, ID: id})
		}
	}
	return list
}

// VersionsOf lists the versions that have an id.
func (r *Registry) VersionsOf(id int, subject string, deleted bool) ([]store.Version, error) {
	v, ok := r.key(id, subject)
	if !ok {
		return nil, schemaNotFound()
	}
	list := []store.Version{}
	for _, v := range r.SubjectVersions(schema.ContextOf(v.Subject), id) {
		if s := r.State.Version(v.Subject, v.Version); s != nil && (deleted || !s.Deleted) {
			list = append(list, v)
		}
	}
	return list, nil
}

// ReferencedBy lists ids of schemas that refer to a version. Without deleted,
// only those that some subject still has.
func (r *Registry) ReferencedBy(v store.Version, deleted bool) []store.ContextID {
	list := []store.ContextID{}
	for _, c := range r.UsedBy(v) {
		if deleted || len(r.subjectsOf(c, false)) > 0 {
			list = append(list, c)
		}
	}
	return list
}

func (r *Registry) subjectsOf(c store.ContextID, deleted bool) []string {
	var list []string
	versions, err := r.VersionsOf(c.ID, schema.Subject{Context: c.Context}.Prefix(), deleted)
	if err != nil {
		return nil
	}
	for _, v := range versions {
		list = append(list, v.Subject)
	}
	return list
}

// Lookup finds the version of a subject whose schema is s. It tries s as it is,
// then with the metadata and rules of the latest version, as registering would.
func (r *Registry) Lookup(s Schema, normalize, deleted bool) (*Schema, error) {
	found, err := r.lookupUnder(s, normalize, deleted)
	if found != nil || err != nil {
		return found, err
	}
	for _, other := range r.elsewhere(s.Subject) {
		in := s
		in.Subject = other
		// What is no schema in another context is not there.
		if found, err := r.lookupUnder(in, normalize, deleted); err == nil && found != nil {
			return found, nil
		}
	}
	if !r.HasSubjects(schema.ParseSubject(s.Subject), deleted) {
		return nil, subjectNotFound(s.Subject)
	}
	return nil, schemaNotFound()
}

func (r *Registry) lookupUnder(s Schema, normalize, deleted bool) (*Schema, error) {
	config := r.ConfigInScope(s.Subject)
	found, err := r.find(s, config, search{normalize: normalize, deleted: deleted})
	if found != nil || err != nil {
		return found, err
	}
	latest := r.version(s.Subject, Latest, false)
	if latest == nil {
		return nil, nil
	}
	filled := s
	inherit(&filled, latest, config, 0)
	if same(filled.Metadata, s.Metadata) && same(filled.RuleSet, s.RuleSet) {
		return nil, nil
	}
	return r.find(filled, config, search{normalize: normalize, deleted: deleted})
}

// search is how find looks.
type search struct {
	normalize bool
	deleted   bool // among deleted versions too
	latest    bool // at the last version only
}

// find looks for s under its subject: by its GUID, then version by version for
// one that is written differently.
func (r *Registry) find(s Schema, config *store.Config, how search) (*Schema, error) {
	parsed, err := r.canonical(&s, config, how.normalize, false)
	if err != nil || parsed == nil {
		return nil, err
	}
	if !how.latest {
		if v, ok := r.sameText(&s); ok {
			found := r.State.Version(v.Subject, v.Version)
			if found != nil && (how.deleted || !found.Deleted) {
				return found, nil
			}
		}
	}
	for _, old := range slices.Backward(r.Versions(s.Subject)) {
		if old.Deleted && !how.deleted {
			continue
		}
		if r.meansSame(&s, parsed, old) {
			return old, nil
		}
		if how.latest {
			break
		}
	}
	return nil, nil
}

// sameText finds the version under the subject of s that has its GUID.
func (r *Registry) sameText(s *Schema) (store.Version, bool) {
	context := schema.ContextOf(s.Subject)
	id := r.IDOf(context, s.GUID())
	if id == 0 {
		return store.Version{}, false
	}
	return r.keyIn(id, schema.ParseSubject(s.Subject))
}

// same compares metadata or rules by what they say.
func same(a, b any) bool {
	x, errX := json.Marshal(a)
	y, errY := json.Marshal(b)
	return errX == nil && errY == nil && string(x) == string(y)
}
