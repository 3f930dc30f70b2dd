package store

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/posthaste-go/posthaste/schemaregistry/internal/schema"
)

// State is all that the topic says, in memory. Schemas in it are not changed
// once they are there. Its methods may be called concurrently.
type State struct {
	mu       sync.RWMutex
	subjects map[string][]*schema.Schema // by version, rising
	sorted   []string                    // names of subjects; nil when it has to be made
	configs  map[string]*Config
	modes    map[string]string
	contexts map[string]*idSpace
	named    map[string]bool // contexts that have a record
}

// idSpace is the ids of one context: they are counted in each by itself.
type idSpace struct {
	ids    map[int]map[string]int // id: subject to the version that last had it
	guids  map[schema.GUID]int
	usedBy map[Version]map[ContextID]bool
	maxID  int
}

// Version is a version of a subject.
type Version struct {
	Subject string `json:"subject"`
	Version int    `json:"version"`
}

// ContextID is an id in its context.
type ContextID struct {
	Context string `json:"context"`
	ID      int    `json:"id"`
}

// NewState is the state of an empty topic.
func NewState() *State {
	return &State{
		subjects: map[string][]*schema.Schema{}, configs: map[string]*Config{},
		modes: map[string]string{}, contexts: map[string]*idSpace{}, named: map[string]bool{},
	}
}

// Apply takes one record of the topic in. An error says what is wrong with a
// record that no registry should have written; the state is as before it.
func (s *State) Apply(r Record, timestamp int64) error {
	var k key
	if err := json.Unmarshal(r.Key, &k); err != nil {
		return fmt.Errorf("key %q: %w", r.Key, err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	var err error
	switch k.Kind {
	case kindSchema:
		err = s.applySchema(k, r.Value, timestamp)
	case kindConfig:
		err = put(s.configs, k.Subject, r.Value, func(v configValue) *Config { return &v.Config })
	case kindMode:
		err = put(s.modes, k.Subject, r.Value, func(v modeValue) string { return v.Mode })
	case kindContext:
		err = put(s.named, k.Context, r.Value, func(contextValue) bool { return true })
	case kindDeleteSubject:
		err = s.applyDelete(r.Value)
	case kindClearSubject:
		if r.Value != nil {
			s.clear(k.Subject)
		}
	}
	if err != nil {
		return fmt.Errorf("value of %s: %w", r.Key, err)
	}
	return nil
}

// put decodes a value into a map; none deletes.
func put[V, T any](m map[string]T, name string, value []byte, of func(V) T) error {
	if value == nil {
		delete(m, name)
		return nil
	}
	var v V
	if err := json.Unmarshal(value, &v); err != nil {
		return err
	}
	m[name] = of(v)
	return nil
}

func (s *State) applySchema(k key, value []byte, timestamp int64) error {
	if value == nil {
		s.remove(k.Subject, k.Version)
		return nil
	}
	var v schemaValue
	if err := json.Unmarshal(value, &v); err != nil {
		return err
	}
	if v.Type == "" {
		v.Type = schema.Avro
	}
	sc := &schema.Schema{Subject: k.Subject, Version: k.Version, ID: v.ID, Type: v.Type,
		Text: v.Text, References: v.References, Metadata: v.Metadata, RuleSet: v.RuleSet,
		Deleted: v.Deleted, Timestamp: timestamp}
	c := s.context(schema.ContextOf(k.Subject))
	if same := s.byID(c, v.ID, sc); same != nil {
		if same.Text != sc.Text {
			return fmt.Errorf("id %d is %s version %d already, which is another schema",
				v.ID, same.Subject, same.Version)
		}
		sc.Text = same.Text // one string for all subjects that share the schema
	}
	s.insert(sc)
	s.index(c, sc)
	return nil
}

// byID finds another version that has the id.
func (s *State) byID(c *idSpace, id int, except *schema.Schema) *schema.Schema {
	for subject, version := range c.ids[id] {
		if subject == except.Subject && version == except.Version {
			continue
		}
		if found := s.find(subject, version); found != nil {
			return found
		}
	}
	return nil
}

func (s *State) context(name string) *idSpace {
	c := s.contexts[name]
	if c == nil {
		c = &idSpace{ids: map[int]map[string]int{}, guids: map[schema.GUID]int{},
			usedBy: map[Version]map[ContextID]bool{}}
		s.contexts[name] = c
	}
	return c
}

func position(list []*schema.Schema, version int) (int, bool) {
	return slices.BinarySearchFunc(list, version, func(sc *schema.Schema, v int) int {
		return sc.Version - v
	})
}

func (s *State) find(subject string, version int) *schema.Schema {
	list := s.subjects[subject]
	if i, ok := position(list, version); ok {
		return list[i]
	}
	return nil
}

func (s *State) insert(sc *schema.Schema) {
	list, known := s.subjects[sc.Subject]
	if !known {
		s.sorted = nil
	}
	i, ok := position(list, sc.Version)
	// Readers hold the old list: it is replaced, not changed.
	if ok {
		s.unindex(list[i])
		list = slices.Clone(list)
		list[i] = sc
	} else if i == len(list) {
		list = append(list, sc) // behind what readers see
	} else {
		list = slices.Insert(slices.Clone(list), i, sc)
	}
	s.subjects[sc.Subject] = list
}

func (s *State) remove(subject string, version int) {
	list := s.subjects[subject]
	i, ok := position(list, version)
	if !ok {
		return
	}
	s.unindex(list[i])
	if len(list) == 1 {
		delete(s.subjects, subject)
		s.sorted = nil
		return
	}
	s.subjects[subject] = slices.Delete(slices.Clone(list), i, i+1)
}

func (s *State) index(c *idSpace, sc *schema.Schema) {
	c.maxID = max(c.maxID, sc.ID)
	if c.ids[sc.ID] == nil {
		c.ids[sc.ID] = make(map[string]int, 1)
	}
	c.ids[sc.ID][sc.Subject] = sc.Version
	c.guids[sc.GUID()] = sc.ID
	me := ContextID{schema.ContextOf(sc.Subject), sc.ID}
	for _, v := range references(sc) {
		to := s.context(schema.ContextOf(v.Subject))
		if to.usedBy[v] == nil {
			to.usedBy[v] = map[ContextID]bool{}
		}
		to.usedBy[v][me] = true
	}
}

// unindex forgets what index knows of one version, as far as no other one of the
// same id needs it.
func (s *State) unindex(sc *schema.Schema) {
	c := s.context(schema.ContextOf(sc.Subject))
	if c.ids[sc.ID][sc.Subject] != sc.Version {
		return
	}
	delete(c.ids[sc.ID], sc.Subject)
	for _, other := range s.subjects[sc.Subject] {
		if other.ID == sc.ID && other.Version != sc.Version {
			c.ids[sc.ID][sc.Subject] = other.Version // imported twice
		}
	}
	if len(c.ids[sc.ID]) > 0 {
		return
	}
	delete(c.ids, sc.ID)
	if c.guids[sc.GUID()] == sc.ID {
		delete(c.guids, sc.GUID())
	}
	for _, v := range references(sc) {
		to := s.context(schema.ContextOf(v.Subject))
		delete(to.usedBy[v], ContextID{schema.ContextOf(sc.Subject), sc.ID})
		if len(to.usedBy[v]) == 0 {
			delete(to.usedBy, v)
		}
	}
}

func references(sc *schema.Schema) []Version {
	list := make([]Version, len(sc.References))
	for i, r := range sc.References {
		list[i] = Version{schema.Within(sc.Subject, r.Subject), r.Version}
	}
	return list
}

func (s *State) applyDelete(value []byte) error {
	if value == nil {
		return nil
	}
	var v deleteValue
	if err := json.Unmarshal(value, &v); err != nil {
		return err
	}
	list := slices.Clone(s.subjects[v.Subject])
	for i, sc := range list {
		if sc.Version <= v.Version && !sc.Deleted {
			deleted := *sc
			deleted.Deleted = true
			list[i] = &deleted
		}
	}
	if len(list) > 0 {
		s.subjects[v.Subject] = list
	}
	return nil
}

func (s *State) clear(subject string) {
	for _, name := range slices.Collect(maps.Keys(s.subjects)) {
		if subject != "" && !schema.Matches(name, schema.ParseSubject(subject)) {
			continue
		}
		for _, sc := range s.subjects[name] {
			if sc.Deleted {
				s.remove(name, sc.Version)
			}
		}
	}
}

// names lists subjects in order. The caller holds mu for writing or reading, and
// has called sort.
func (s *State) names() []string {
	if s.sorted == nil {
		return slices.Sorted(maps.Keys(s.subjects))
	}
	return s.sorted
}

// sort makes names cheap. It takes mu.
func (s *State) sort() {
	s.mu.RLock()
	ready := s.sorted != nil
	s.mu.RUnlock()
	if ready {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.sorted == nil {
		s.sorted = slices.Sorted(maps.Keys(s.subjects))
	}
}

// withPrefix is the part of sorted names that begin so.
func withPrefix(names []string, prefix string) []string {
	from, _ := slices.BinarySearch(names, prefix)
	to := from
	for to < len(names) && strings.HasPrefix(names[to], prefix) {
		to++
	}
	return names[from:to]
}
