// Package fakeregistry is a schema registry for the tests of serializers: it
// numbers schemas, and checks nothing.
package fakeregistry

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strconv"
	"sync"
	"testing"

	"github.com/posthaste-go/posthaste/schemaregistry"
)

// Server is a registry in memory.
type Server struct {
	*httptest.Server

	mu       sync.Mutex
	down     bool
	requests []string
	schemas  []schemaregistry.Registered // by id, from 1
	subjects map[string][]int            // ids by version, from 1
}

// Run starts a registry that ends with the test.
func Run(t testing.TB) *Server {
	t.Helper()
	s := &Server{subjects: map[string][]int{}}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /subjects/{subject}/versions", s.register)
	mux.HandleFunc("POST /subjects/{subject}", s.lookup)
	mux.HandleFunc("GET /subjects/{subject}/versions/{version}", s.version)
	mux.HandleFunc("GET /schemas/ids/{id}", s.byID)
	mux.HandleFunc("GET /schemas/guids/{guid}", s.byGUID)
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		s.requests = append(s.requests, r.Method+" "+r.URL.Path)
		down := s.down
		s.mu.Unlock()
		if down {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		mux.ServeHTTP(w, r)
	}))
	t.Cleanup(s.Close)
	return s
}

// Client makes a client of s.
func (s *Server) Client(t testing.TB) *schemaregistry.Client {
	t.Helper()
	c, err := schemaregistry.NewClient(schemaregistry.Config{URLs: []string{s.URL}, Retries: -1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

// SetDown makes s answer that it is unavailable, or not.
func (s *Server) SetDown(down bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.down = down
}

// Requests lists what was asked so far, as "GET /path".
func (s *Server) Requests() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]string(nil), s.requests...)
}

// Add makes a schema the next version of subject.
func (s *Server) Add(subject string, schema schemaregistry.Schema) schemaregistry.Registered {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.addLocked(subject, schema)
}

func (s *Server) addLocked(
	subject string, schema schemaregistry.Schema,
) schemaregistry.Registered {
	if r, ok := s.findLocked(subject, schema); ok {
		return r
	}
	schema.Type = schema.Type.OrAvro()
	id := 0
	for i := range s.schemas {
		if same(s.schemas[i].Schema, schema) {
			id = i + 1
		}
	}
	if id == 0 {
		id = len(s.schemas) + 1
		s.schemas = append(s.schemas, schemaregistry.Registered{
			Schema: schema, ID: id, GUID: fmt.Sprintf("00000000-0000-0000-0000-%012x", id),
		})
	}
	s.subjects[subject] = append(s.subjects[subject], id)
	return s.atLocked(subject, len(s.subjects[subject]))
}

func (s *Server) findLocked(
	subject string, schema schemaregistry.Schema,
) (schemaregistry.Registered, bool) {
	schema.Type = schema.Type.OrAvro()
	for i, id := range s.subjects[subject] {
		if same(s.schemas[id-1].Schema, schema) {
			return s.atLocked(subject, i+1), true
		}
	}
	return schemaregistry.Registered{}, false
}

func (s *Server) atLocked(subject string, version int) schemaregistry.Registered {
	r := s.schemas[s.subjects[subject][version-1]-1]
	r.Subject, r.Version = subject, version
	return r
}

func same(a, b schemaregistry.Schema) bool {
	x, _ := json.Marshal(a) // texts and numbers: they cannot fail
	y, _ := json.Marshal(b)
	return string(x) == string(y)
}

func (s *Server) register(w http.ResponseWriter, r *http.Request) {
	var schema schemaregistry.Schema
	if err := json.NewDecoder(r.Body).Decode(&schema); err != nil {
		refuse(w, http.StatusUnprocessableEntity, 42201, err.Error())
		return
	}
	answer(w, s.Add(r.PathValue("subject"), schema))
}

func (s *Server) lookup(w http.ResponseWriter, r *http.Request) {
	var schema schemaregistry.Schema
	if err := json.NewDecoder(r.Body).Decode(&schema); err != nil {
		refuse(w, http.StatusUnprocessableEntity, 42201, err.Error())
		return
	}
	s.mu.Lock()
	found, ok := s.findLocked(r.PathValue("subject"), schema)
	s.mu.Unlock()
	if !ok {
		refuse(w, http.StatusNotFound, 40403, "Schema not found")
		return
	}
	answer(w, found)
}

func (s *Server) version(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	subject := r.PathValue("subject")
	n, err := strconv.Atoi(r.PathValue("version"))
	if err != nil {
		n = len(s.subjects[subject]) // latest
	}
	if n < 1 || n > len(s.subjects[subject]) {
		refuse(w, http.StatusNotFound, 40401, "Subject not found.")
		return
	}
	answer(w, s.atLocked(subject, n))
}

func (s *Server) byID(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	id, err := strconv.Atoi(r.PathValue("id"))
	if err != nil || id < 1 || id > len(s.schemas) {
		refuse(w, http.StatusNotFound, 40403, "Schema not found")
		return
	}
	answer(w, s.schemas[id-1])
}

func (s *Server) byGUID(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range s.schemas {
		if s.schemas[i].GUID == r.PathValue("guid") {
			answer(w, s.schemas[i])
			return
		}
	}
	refuse(w, http.StatusNotFound, 40403, "Schema not found")
}

func answer(w http.ResponseWriter, r schemaregistry.Registered) {
	if err := json.NewEncoder(w).Encode(r); err != nil {
		refuse(w, http.StatusInternalServerError, 500, err.Error())
	}
}

func refuse(w http.ResponseWriter, status, code int, message string) {
	w.WriteHeader(status)
	_, _ = fmt.Fprintf(w, `{"error_code": %d, "message": %q}`, code, message) // the client has gone
}
