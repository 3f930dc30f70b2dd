package schemaregistry

// Settings is what serializers and deserializers do with schemas. The zero value
// is what Confluent's Java serializers do by default; the comments give their
// keys.
type Settings struct {
	// Key serves record keys: the topic strategy's subject then ends in -key, and
	// the header is __key_schema_id. Set by [ForKey], or by Configure.
	Key bool

	// NoAutoRegister looks a schema up rather than registering it
	// (auto.register.schemas=false).
	NoAutoRegister bool

	// UseLatestVersion writes with the subject's latest schema instead of the
	// type's own (use.latest.version). It implies NoAutoRegister.
	UseLatestVersion bool

	// LaxLatest allows a latest schema that is not backward compatible with the
	// type's own (latest.compatibility.strict=false).
	LaxLatest bool

	// UseLatestWithMetadata writes with the latest schema that has these metadata
	// properties (use.latest.with.metadata).
	UseLatestWithMetadata map[string]string

	// UseSchemaID writes with this schema (use.schema.id); 0 means none.
	UseSchemaID int

	// LaxSchemaID allows a schema of UseSchemaID that is not backward compatible
	// with the type's own (id.compatibility.strict=false).
	LaxSchemaID bool

	// Normalize lets the registry bring schemas into a normal form before it
	// compares them (normalize.schemas).
	Normalize bool

	// KeySubject and ValueSubject name the subject of a topic and record
	// (key.subject.name.strategy, value.subject.name.strategy); nil means
	// [TopicName].
	KeySubject, ValueSubject SubjectNameStrategy

	// References names the subject of what a schema refers to, when that is
	// registered along (reference.subject.name.strategy); nil means the
	// reference's own name.
	References func(refName, topic string, isKey bool) string

	// KeyHeaderID and ValueHeaderID put the schema's GUID into a header of the
	// record instead of an id in front of the bytes (key.schema.id.serializer,
	// value.schema.id.serializer = …HeaderSchemaIdSerializer).
	KeyHeaderID, ValueHeaderID bool

	// NoValidation skips the check of JSON values against their schema
	// (json.fail.invalid.schema=false).
	NoValidation bool
}

// ForKey makes a serializer one of record keys:
//
//	avro.For[Key](client, schemaregistry.ForKey)
func ForKey(s *Settings) { s.Key = true }

// UseLatest makes a serializer write with the subject's latest schema.
func UseLatest(s *Settings) { s.UseLatestVersion = true }

// NoRegister makes a serializer look its schema up rather than register it.
func NoRegister(s *Settings) { s.NoAutoRegister = true }

// HeaderIDs makes a serializer put the schema's GUID into a header.
func HeaderIDs(s *Settings) { s.KeyHeaderID, s.ValueHeaderID = true, true }

// SubjectNameStrategy names the subject under which the schema of a topic's keys
// or values is registered. record is the full name of the schema's record or
// message, or empty if it has none.
type SubjectNameStrategy func(topic string, isKey bool, record string) (string, error)

// Subject makes a serializer name subjects so:
//
//	avro.For[Order](client, schemaregistry.Subject(schemaregistry.RecordName))
func Subject(f SubjectNameStrategy) func(*Settings) {
	return func(s *Settings) { s.KeySubject, s.ValueSubject = f, f }
}

// SubjectName is the subject of a topic's records.
func (s *Settings) SubjectName(topic, record string) (string, error) {
	strategy := s.ValueSubject
	if s.Key {
		strategy = s.KeySubject
	}
	if strategy == nil {
		strategy = TopicName
	}
	return strategy(topic, s.Key, record)
}

// HeaderID reports whether the schema's GUID goes into a header.
func (s *Settings) HeaderID() bool {
	if s.Key {
		return s.KeyHeaderID
	}
	return s.ValueHeaderID
}

// ConfigureSettings fills s from a client's settings, by the keys of Confluent's
// Java serializers: for those that find it by name, as serializer.Configurer.
func ConfigureSettings(s *Settings, settings map[string]string, isKey bool) error {
	s.Key = isKey
	return s.read(&properties{settings: settings, used: map[string]bool{}})
}
