package rest

import (
	"net/http"
	"net/url"
	"strings"

	"github.com/posthaste-go/posthaste/schemaregistry/internal/registry"
	"github.com/posthaste-go/posthaste/schemaregistry/internal/schema"
)

// route is one method of one path. A segment in braces is a variable.
type route struct {
	method, path string
	write        bool // done by the leader
	handle       func(*Handler, *call) (any, error)
	segments     []string
}

var routes = prepare([]route{
	{method: "GET", path: "/", handle: (*Handler).root},
	{method: "POST", path: "/", handle: (*Handler).root},
	{method: "GET", path: "/v1/metadata/id", handle: (*Handler).metadataID},
	{method: "GET", path: "/v1/metadata/version", handle: (*Handler).metadataVersion},
	{method: "GET", path: "/contexts", handle: (*Handler).listContexts},
	{method: "DELETE", path: "/contexts/{context}", handle: (*Handler).deleteContext, write: true},

	{method: "GET", path: "/schemas", handle: (*Handler).listSchemas},
	{method: "GET", path: "/schemas/types", handle: (*Handler).listTypes},
	{method: "GET", path: "/schemas/ids/{id}", handle: (*Handler).schemaByID},
	{method: "GET", path: "/schemas/ids/{id}/schema", handle: (*Handler).textByID},
	{method: "GET", path: "/schemas/ids/{id}/subjects", handle: (*Handler).subjectsOfID},
	{method: "GET", path: "/schemas/ids/{id}/versions", handle: (*Handler).versionsOfID},
	{method: "GET", path: "/schemas/guids/{guid}", handle: (*Handler).schemaByGUID},
	{method: "GET", path: "/schemas/guids/{guid}/ids", handle: (*Handler).idsOfGUID},

	{method: "GET", path: "/subjects", handle: (*Handler).listSubjects},
	{method: "POST", path: "/subjects/{subject}", handle: (*Handler).lookup},
	{method: "DELETE", path: "/subjects/{subject}", handle: (*Handler).deleteSubject, write: true},
	{method: "GET", path: "/subjects/{subject}/metadata", handle: (*Handler).latestWithMetadata},
	{method: "GET", path: "/subjects/{subject}/versions", handle: (*Handler).listVersions},
	{method: "POST", path: "/subjects/{subject}/versions", handle: (*Handler).register, write: true},
	{method: "GET", path: "/subjects/{subject}/versions/{version}", handle: (*Handler).version},
	{method: "DELETE", path: "/subjects/{subject}/versions/{version}",
		handle: (*Handler).deleteVersion, write: true},
	{method: "GET", path: "/subjects/{subject}/versions/{version}/schema",
		handle: (*Handler).versionText},
	{method: "GET", path: "/subjects/{subject}/versions/{version}/referencedby",
		handle: (*Handler).referencedBy},

	{method: "POST", path: "/compatibility/subjects/{subject}/versions",
		handle: (*Handler).checkAll},
	{method: "POST", path: "/compatibility/subjects/{subject}/versions/{version}",
		handle: (*Handler).checkOne},

	{method: "GET", path: "/config", handle: (*Handler).config},
	{method: "PUT", path: "/config", handle: (*Handler).updateConfig, write: true},
	{method: "DELETE", path: "/config", handle: (*Handler).deleteConfig, write: true},
	{method: "GET", path: "/config/{subject}", handle: (*Handler).config},
	{method: "PUT", path: "/config/{subject}", handle: (*Handler).updateConfig, write: true},
	{method: "DELETE", path: "/config/{subject}", handle: (*Handler).deleteConfig, write: true},
	{method: "GET", path: "/mode", handle: (*Handler).mode},
	{method: "PUT", path: "/mode", handle: (*Handler).updateMode, write: true},
	{method: "DELETE", path: "/mode", handle: (*Handler).deleteMode, write: true},
	{method: "GET", path: "/mode/{subject}", handle: (*Handler).mode},
	{method: "PUT", path: "/mode/{subject}", handle: (*Handler).updateMode, write: true},
	{method: "DELETE", path: "/mode/{subject}", handle: (*Handler).deleteMode, write: true},
})

func prepare(list []route) []route {
	for i := range list {
		list[i].segments = strings.Split(strings.Trim(list[i].path, "/"), "/")
	}
	return list
}

// match finds the route of a path, which is split into its segments.
func match(method string, path []string) (*route, map[string]string, error) {
	if len(path) == 0 {
		path = []string{""}
	}
	known := false
	for i := range routes {
		vars, ok := routes[i].vars(path)
		if !ok {
			continue
		}
		known = true
		if routes[i].method == method || routes[i].method == http.MethodGet && method == http.MethodHead {
			return &routes[i], vars, nil
		}
	}
	if known {
		return nil, nil, httpError(http.StatusMethodNotAllowed)
	}
	return nil, nil, httpError(http.StatusNotFound)
}

func (r *route) vars(path []string) (map[string]string, bool) {
	if len(path) != len(r.segments) {
		return nil, false
	}
	vars := map[string]string{}
	for i, segment := range r.segments {
		if name, ok := strings.CutPrefix(segment, "{"); ok {
			vars[strings.TrimSuffix(name, "}")] = path[i]
		} else if segment != path[i] {
			return nil, false
		}
	}
	return vars, true
}

// rewrite splits the path, puts the context of /contexts/{context}/… into
// subjects, and replaces subjects that are aliases.
func (h *Handler) rewrite(r *http.Request) ([]string, url.Values, error) {
	query := r.URL.Query()
	var path []string
	for _, segment := range strings.Split(r.URL.EscapedPath(), "/") {
		text, err := url.PathUnescape(segment)
		if err != nil {
			return nil, nil, badRequest(err)
		}
		path = append(path, text)
	}
	path = path[1:] // before the first slash is nothing
	// An empty segment is an empty subject, but not at the end.
	for len(path) > 0 && path[len(path)-1] == "" {
		path = path[:len(path)-1]
	}
	if len(path) > 1 && path[0] == "contexts" && (len(path) > 2 || r.Method != http.MethodDelete) {
		prefix, err := schema.NormalizeContext(path[1])
		if err != nil {
			return nil, nil, &registry.Error{Status: http.StatusBadRequest,
				Code: http.StatusBadRequest, Message: err.Error()}
		}
		path = inContext(path[2:], prefix, query)
	}
	h.replaceAliases(path, query)
	return path, query, nil
}

// subjectAt is where a path has its subject, -1 if nowhere.
func subjectAt(path []string) int {
	for i, segment := range path {
		switch {
		case segment == "subjects" && (i == 0 || i == 1 && path[0] == "compatibility"),
			i == 0 && (segment == "config" || segment == "mode"):
			return i + 1
		}
	}
	return -1
}

func inContext(path []string, prefix string, query url.Values) []string {
	if len(path) == 0 {
		return path
	}
	qualify := func(name string) string {
		if strings.HasPrefix(name, ":.") || strings.HasPrefix(name, schema.Wildcard) {
			return name
		}
		return prefix + name
	}
	at := subjectAt(path)
	switch {
	case at > 0 && at < len(path):
		path[at] = qualify(path[at])
	case at > 0 && path[0] != "subjects":
		if prefix != "" {
			path = append(path, prefix) // the context's own config or mode
		}
	case path[0] == "subjects" || path[0] == "schemas" && len(path) == 1:
		query.Set("subjectPrefix", qualify(query.Get("subjectPrefix")))
	case path[0] == "schemas":
		query.Set("subject", qualify(query.Get("subject")))
	}
	return path
}

func (h *Handler) replaceAliases(path []string, query url.Values) {
	if at := subjectAt(path); at > 0 && at < len(path) && path[at-1] == "subjects" {
		path[at] = h.alias(path[at])
	}
	if len(path) > 1 && path[0] == "schemas" && query.Get("subject") != "" {
		query.Set("subject", h.alias(query.Get("subject")))
	}
}

func (h *Handler) alias(subject string) string {
	c := h.reg.Config(schema.ParseSubject(subject).String())
	if subject == "" || c == nil || c.Alias == "" {
		return subject
	}
	return schema.Within(subject, c.Alias)
}
