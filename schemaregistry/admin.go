package schemaregistry

import (
	"context"
	"net/http"
	"net/url"
	"strconv"
	"strings"
)

// ListOptions narrow and widen lists.
type ListOptions struct {
	Prefix      string // subjects that begin so; ":*:" is all contexts
	Deleted     bool   // softly deleted ones too
	DeletedOnly bool   // only those
	LatestOnly  bool   // of Schemas: one version a subject
}

func (o ListOptions) query() url.Values {
	q := flags("deleted", o.Deleted, "deletedOnly", o.DeletedOnly, "latestOnly", o.LatestOnly)
	if o.Prefix != "" {
		q.Set("subjectPrefix", o.Prefix)
	}
	return q
}

// Subjects lists the names of subjects.
func (c *Client) Subjects(ctx context.Context, o ListOptions) (names []string, err error) {
	err = c.do(ctx, request{
		what: "list subjects", method: http.MethodGet, path: "/subjects", query: o.query(),
		out: &names,
	})
	return names, err
}

// Versions lists the versions of a subject.
func (c *Client) Versions(
	ctx context.Context, subject string, o ListOptions,
) (versions []int, err error) {
	o.Prefix = ""
	err = c.do(ctx, request{
		what: "list versions", subject: subject, method: http.MethodGet,
		path: "/subjects/" + url.PathEscape(subject) + "/versions", query: o.query(),
		out: &versions,
	})
	return versions, err
}

// Schemas lists versions of all subjects with their schemas.
func (c *Client) Schemas(ctx context.Context, o ListOptions) (all []Registered, err error) {
	err = c.do(ctx, request{
		what: "list schemas", method: http.MethodGet, path: "/schemas", query: o.query(), out: &all,
	})
	for i := range all {
		all[i].Type = all[i].Type.OrAvro()
	}
	return all, err
}

// SubjectVersionsOf lists where the schema of an id is registered.
func (c *Client) SubjectVersionsOf(
	ctx context.Context, id int, o ListOptions,
) (all []SubjectVersion, err error) {
	err = c.do(ctx, request{
		what: "list subjects of schema id " + strconv.Itoa(id), method: http.MethodGet,
		path: "/schemas/ids/" + strconv.Itoa(id) + "/versions", query: o.query(), out: &all,
	})
	return all, err
}

// ReferencedBy lists the ids of schemas that refer to a subject's version.
func (c *Client) ReferencedBy(
	ctx context.Context, subject string, version int,
) (ids []int, err error) {
	err = c.do(ctx, request{
		what: "list referring schemas", subject: subject, method: http.MethodGet,
		path: versionPath(subject, strconv.Itoa(version)) + "/referencedby", out: &ids,
	})
	return ids, err
}

// Contexts lists the registry's contexts; the default one is ".".
func (c *Client) Contexts(ctx context.Context) (names []string, err error) {
	err = c.do(ctx, request{
		what: "list contexts", method: http.MethodGet, path: "/contexts", out: &names,
	})
	return names, err
}

// Types lists the schema types that the registry takes.
func (c *Client) Types(ctx context.Context) (types []Type, err error) {
	err = c.do(ctx, request{
		what: "list schema types", method: http.MethodGet, path: "/schemas/types", out: &types,
	})
	return types, err
}

// LatestWithMetadata is the subject's latest version whose metadata has all
// these properties.
func (c *Client) LatestWithMetadata(
	ctx context.Context, subject string, properties map[string]string,
) (Registered, error) {
	q := url.Values{}
	for k, v := range properties {
		q.Add("key", k)
		q.Add("value", v)
	}
	out := Registered{}
	err := c.do(ctx, request{
		what: "get the latest version with metadata", subject: subject, method: http.MethodGet,
		path: "/subjects/" + url.PathEscape(subject) + "/metadata", query: q, out: &out,
	})
	if err != nil {
		return Registered{}, err
	}
	return c.learn(subject, out.Schema, out), nil
}

// Deletion says how far a deletion goes. Permanent needs a soft one before.
type Deletion bool

// The two deletions: a softly deleted version is still found by its id.
const (
	Soft      Deletion = false
	Permanent Deletion = true
)

// DeleteSubject deletes all versions of a subject and returns their numbers.
func (c *Client) DeleteSubject(
	ctx context.Context, subject string, d Deletion,
) (versions []int, err error) {
	err = c.do(ctx, request{
		what: "delete all versions", subject: subject, method: http.MethodDelete,
		path:  "/subjects/" + url.PathEscape(subject),
		query: flags("permanent", bool(d)), out: &versions,
	})
	if err == nil {
		c.forget(subject)
	}
	return versions, err
}

// DeleteVersion deletes one version of a subject.
func (c *Client) DeleteVersion(
	ctx context.Context, subject string, version int, d Deletion,
) error {
	var deleted int
	err := c.do(ctx, request{
		what: "delete version " + strconv.Itoa(version), subject: subject,
		method: http.MethodDelete, path: versionPath(subject, strconv.Itoa(version)),
		query: flags("permanent", bool(d)), out: &deleted,
	})
	if err == nil {
		c.forget(subject)
	}
	return err
}

// forget drops what is known of a subject's versions. What ids mean stays.
func (c *Client) forget(subject string) {
	c.ids.forget(func(k schemaKey) bool { return k.subject == subject })
	c.places.forget(func(k versionKey) bool { return k.subject == subject })
	c.latest.forget(func(s string) bool { return s == subject })
}

func versionPath(subject, version string) string {
	return "/subjects/" + url.PathEscape(subject) + "/versions/" + url.PathEscape(version)
}

// Compatibility is the answer to a compatibility check.
type Compatibility struct {
	OK       bool     `json:"is_compatible"`
	Messages []string `json:"messages"` // the reasons if it is not OK
}

// CheckCompatibility asks whether s could be registered as the next version, by
// the subject's level. version is a number or "latest"; empty means all versions
// that the level asks for.
func (c *Client) CheckCompatibility(
	ctx context.Context, subject, version string, s Schema,
) (out Compatibility, err error) {
	path := "/compatibility/subjects/" + url.PathEscape(subject) + "/versions"
	if version != "" {
		path += "/" + url.PathEscape(version)
	}
	err = c.do(ctx, request{
		what: "check compatibility", subject: subject, method: http.MethodPost, path: path,
		query: flags("verbose", true), body: s.forWire(), out: &out,
	})
	return out, err
}

// Level is a compatibility level.
type Level string

// The levels.
const (
	None               Level = "NONE"
	Backward           Level = "BACKWARD" // new readers read the last version's data
	BackwardTransitive Level = "BACKWARD_TRANSITIVE"
	Forward            Level = "FORWARD" // the last version's readers read new data
	ForwardTransitive  Level = "FORWARD_TRANSITIVE"
	Full               Level = "FULL"
	FullTransitive     Level = "FULL_TRANSITIVE"
)

// CompatibilityLevel is the level of a subject, or the global one if the subject
// has none of its own. An empty subject asks for the global one.
func (c *Client) CompatibilityLevel(ctx context.Context, subject string) (Level, error) {
	var out struct {
		Level Level `json:"compatibilityLevel"`
	}
	err := c.do(ctx, request{
		what: "get the compatibility level", subject: subject, method: http.MethodGet,
		path:  settingPath("config", subject),
		query: flags("defaultToGlobal", subject != ""), out: &out,
	})
	return out.Level, err
}

// SetCompatibilityLevel sets the level of a subject, or the global one if
// subject is empty. An empty level removes the subject's own.
func (c *Client) SetCompatibilityLevel(ctx context.Context, subject string, l Level) error {
	r := request{
		what: "set the compatibility level", subject: subject, method: http.MethodPut,
		path: settingPath("config", subject),
		body: map[string]Level{"compatibility": Level(strings.ToUpper(string(l)))},
	}
	if l == "" {
		r.method, r.body = http.MethodDelete, nil
	}
	return c.do(ctx, r)
}

// Mode says what may be written.
type Mode string

// The modes.
const (
	ReadWrite        Mode = "READWRITE"
	ReadOnly         Mode = "READONLY"
	ReadOnlyOverride Mode = "READONLY_OVERRIDE"
	Import           Mode = "IMPORT" // ids and versions are given, not drawn
	ForwardTo        Mode = "FORWARD"
)

// Mode is the mode of a subject, or the global one if the subject has none of
// its own. An empty subject asks for the global one.
func (c *Client) Mode(ctx context.Context, subject string) (Mode, error) {
	var out struct {
		Mode Mode `json:"mode"`
	}
	err := c.do(ctx, request{
		what: "get the mode", subject: subject, method: http.MethodGet,
		path: settingPath("mode", subject), query: flags("defaultToGlobal", subject != ""), out: &out,
	})
	return out.Mode, err
}

// ModeOptions are for Client.SetMode.
type ModeOptions struct {
	Force bool // IMPORT although there are schemas
}

// SetMode sets the mode of a subject, or the global one if subject is empty. An
// empty mode removes the subject's own.
func (c *Client) SetMode(ctx context.Context, subject string, m Mode, o ModeOptions) error {
	r := request{
		what: "set the mode", subject: subject, method: http.MethodPut,
		path: settingPath("mode", subject), query: flags("force", o.Force),
		body: map[string]Mode{"mode": Mode(strings.ToUpper(string(m)))},
	}
	if m == "" {
		r.method, r.body = http.MethodDelete, nil
	}
	return c.do(ctx, r)
}

func settingPath(what, subject string) string {
	if subject == "" {
		return "/" + what
	}
	return "/" + what + "/" + url.PathEscape(subject)
}
