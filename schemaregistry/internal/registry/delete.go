package registry

import (
	"context"
	"slices"

	"github.com/posthaste-go/posthaste/schemaregistry/internal/schema"
	"github.com/posthaste-go/posthaste/schemaregistry/internal/store"
)

// DeleteVersion deletes one version: softly, or, once that is done, for good. It
// returns the version's number.
func (r *Registry) DeleteVersion(ctx context.Context, subject string, version int,
	permanent bool) (int, error) {
	r.writes.Lock()
	defer r.writes.Unlock()
	found := r.version(subject, version, true)
	if found == nil {
		if !r.HasSubjects(schema.ParseSubject(subject), true) {
			return 0, subjectNotFound(subject)
		}
		return 0, versionNotFound(version)
	}
	if found.Deleted && !permanent {
		return 0, fail(CodeVersionSoftDeleted, "Subject '%s' Version %d was soft deleted."+
			"Set permanent=true to delete permanently", subject, found.Version)
	}
	if err := r.writable(subject); err != nil {
		return 0, err
	}
	v := store.Version{Subject: subject, Version: found.Version}
	if len(r.ReferencedBy(v, permanent)) > 0 {
		return 0, referenceExists(subject, found.Version)
	}
	if !permanent {
		deleted := *found
		deleted.Deleted = true
		return found.Version, r.write(ctx, store.PutSchema(&deleted))
	}
	if !found.Deleted {
		return 0, fail(CodeVersionNotSoftDeleted, "Subject '%s' Version %d was not deleted "+
			"first before being permanently deleted", subject, found.Version)
	}
	records := []store.Record{store.RemoveSchema(subject, found.Version)}
	if len(r.Versions(subject)) == 1 {
		records = append(records, r.forget(subject)...)
	}
	return found.Version, r.write(ctx, records...)
}

// forget takes away config and mode of a subject that goes.
func (r *Registry) forget(subject string) []store.Record {
	var records []store.Record
	if r.Mode(subject) != "" {
		records = append(records, store.PutMode(subject, ""))
	}
	if r.Config(subject) != nil {
		records = append(records, store.PutConfig(subject, nil))
	}
	return records
}

// DeleteSubject deletes all versions of a subject: softly, or, once that is done,
// for good. It returns their numbers.
func (r *Registry) DeleteSubject(ctx context.Context, subject string, permanent bool) (
	[]int, error) {
	r.writes.Lock()
	defer r.writes.Unlock()
	s := schema.ParseSubject(subject)
	if !r.HasSubjects(s, true) {
		return nil, subjectNotFound(subject)
	}
	if !permanent && !r.HasSubjects(s, false) {
		return nil, fail(CodeSubjectSoftDeleted, "Subject '%s' was soft deleted."+
			"Set permanent=true to delete permanently", subject)
	}
	if err := r.writable(subject); err != nil {
		return nil, err
	}
	numbers := []int{}
	var records []store.Record
	for _, v := range r.Versions(subject) {
		if v.Deleted && !permanent {
			continue
		}
		if err := r.mayGo(v, permanent); err != nil {
			return nil, err
		}
		numbers = append(numbers, v.Version)
		// Later versions may refer to earlier ones of their subject: they go first.
		records = slices.Insert(records, 0, store.RemoveSchema(subject, v.Version))
	}
	if len(numbers) == 0 {
		return numbers, nil // a context, which has versions of no name of its own
	}
	if permanent {
		return numbers, r.write(ctx, append(records, r.forget(subject)...)...)
	}
	return numbers, r.write(ctx, store.DeleteSubject(subject, numbers[len(numbers)-1]))
}

// mayGo refuses to delete a version with its subject while another subject
// refers to it, or for good while it is not deleted.
func (r *Registry) mayGo(v *Schema, permanent bool) error {
	for _, c := range r.UsedBy(store.Version{Subject: v.Subject, Version: v.Version}) {
		for _, subject := range r.subjectsOf(c, permanent) {
			if subject != v.Subject {
				return referenceExists(v.Subject, v.Version)
			}
		}
	}
	if permanent && !v.Deleted {
		return fail(CodeSubjectNotSoftDeleted, "Subject '%s' was not deleted first before being "+
			"permanently deleted", v.Subject)
	}
	return nil
}

// DeleteContext forgets a context without subjects.
func (r *Registry) DeleteContext(ctx context.Context, prefix string) error {
	r.writes.Lock()
	defer r.writes.Unlock()
	s := schema.ParseSubject(prefix)
	if s.Context == schema.DefaultContext || r.HasSubjects(schema.Subject{Context: s.Context}, true) {
		return fail(CodeContextNotEmpty, "The specified context '%s' is not empty.", prefix)
	}
	return r.write(ctx, store.RemoveContext(s.Context))
}
