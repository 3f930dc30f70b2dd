package posthaste

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"reflect"
	"slices"

	"github.com/posthaste-go/posthaste/internal/config"
	"github.com/posthaste-go/posthaste/internal/properties"
)

// origin is where a Config's values came from. It is never changed once a Config
// points to it, so that copies of the Config are independent.
type origin struct {
	given    map[string]given // settings that a file, a map or Set named
	extra    map[string]string
	warnings []warning
	resolver *properties.Resolver
	provider map[string]string // config.providers and its parameters, for resolver
}

type given struct {
	file  string
	line  int
	value any // as the setting parses it; the field may have been changed since
}

type warning struct{ key, text string }

func (o *origin) clone() *origin {
	return &origin{
		given:    maps.Clone(o.given),
		extra:    maps.Clone(o.extra),
		warnings: slices.Clone(o.warnings),
		resolver: o.resolver,
		provider: maps.Clone(o.provider),
	}
}

// DefaultConfig is a Config with Kafka's defaults, but for Linger, which is 0.
// BootstrapServers is empty and must be set.
func DefaultConfig() Config {
	c := Config{origin: &origin{
		given:    map[string]given{},
		extra:    map[string]string{},
		provider: map[string]string{},
	}}
	for i := range config.Table {
		row := &config.Table[i]
		if row.Field != "" && row.Field != "EnableIdempotence" {
			store(&c, row, row.DefaultValue())
		}
	}
	return c
}

// LoadProperties reads a Java producer.properties as it is and fills a Config
// from it. What it cannot use, it reports: an illegal value as a *ConfigError with
// its line, a key that no producer has as one of Warnings. Rules between settings
// are for Validate and NewProducer, because code may still change the Config.
//
// If r has a Name method, as *os.File has, messages name the file by it.
func LoadProperties(r io.Reader) (Config, error) {
	name := ""
	if named, ok := r.(interface{ Name() string }); ok {
		name = named.Name()
	}
	f, err := properties.Parse(name, r)
	if syntax, ok := errors.AsType[*properties.SyntaxError](err); ok {
		return Config{}, &ConfigError{File: syntax.File, Line: syntax.Line, Reason: syntax.Reason}
	}
	if err != nil {
		return Config{}, &ConfigError{File: name, Reason: "cannot read the configuration", Err: err}
	}
	return fromEntries(f.Name, f.Entries, f.Warnings)
}

// LoadPropertiesFile is LoadProperties of a file.
func LoadPropertiesFile(path string) (Config, error) {
	f, err := os.Open(path)
	if err != nil {
		return Config{}, &ConfigError{Reason: "cannot read the configuration", Err: err,
			Remedy: "name an existing .properties file"}
	}
	defer f.Close()
	return LoadProperties(f)
}

// ConfigFromMap fills a Config from settings by their names in producer.properties.
func ConfigFromMap(settings map[string]string) (Config, error) {
	entries := make([]properties.Entry, 0, len(settings))
	for _, key := range slices.Sorted(maps.Keys(settings)) {
		entries = append(entries, properties.Entry{Key: key, Value: settings[key]})
	}
	return fromEntries("", entries, nil)
}

func fromEntries(file string, entries []properties.Entry, warnings []string) (Config, error) {
	c := DefaultConfig()
	for _, text := range warnings {
		c.origin.warnings = append(c.origin.warnings, warning{text: oneLine.Replace(text)})
	}
	// References may stand above the providers that resolve them.
	for _, e := range entries {
		if config.IsProvider(e.Key) {
			if err := c.set(file, e); err != nil {
				return Config{}, err
			}
		}
	}
	for _, e := range entries {
		if config.IsProvider(e.Key) {
			continue
		}
		if err := c.set(file, e); err != nil {
			return Config{}, err
		}
	}
	return c, nil
}

// Set gives one setting a value as text, by its name in producer.properties. It is
// what a line of a file does, and counts as given even if the value is the default.
// Config providers serve the values that are Set after them.
//
// An unknown name is kept and reported by Warnings; errors are a *ConfigError, and
// leave c as it was.
func (c *Config) Set(key, value string) error {
	if c.origin == nil {
		return errZeroConfig()
	}
	return c.set("", properties.Entry{Key: key, Value: value})
}

func errZeroConfig() error {
	return &ConfigError{Reason: "the Config was not made by this package, so its zeros would " +
		"count as settings", Remedy: "start from DefaultConfig, LoadProperties or ConfigFromMap"}
}

func (c *Config) set(file string, e properties.Entry) error {
	o := c.origin.clone()
	o.warnings = slices.DeleteFunc(o.warnings, func(w warning) bool {
		return w.key == e.Key && e.Key != ""
	})
	if config.IsProvider(e.Key) {
		return c.setProvider(o, file, e)
	}
	text, missing, err := o.resolver.Resolve(e.Value)
	if err != nil {
		return resolverError(err, file, e)
	}
	for _, reference := range missing {
		o.warn(file, e,
			fmt.Sprintf("%s: nothing found for %s; it stays as it is", e.Key, reference))
	}
	row, known := config.Lookup(e.Key)
	if !known {
		o.extra[e.Key] = text
		o.given[e.Key] = given{file: file, line: e.Line, value: text}
		if hint := config.Unknown(e.Key); hint != "" {
			o.warn(file, e, hint)
		}
		c.origin = o
		return nil
	}
	v, err := row.Parse(text)
	if err != nil {
		bad := configError(err)
		bad.File, bad.Line = file, e.Line
		return bad
	}
	if hint := row.Ignored(v); hint != "" {
		o.warn(file, e, hint)
	}
	o.given[e.Key] = given{file: file, line: e.Line, value: v}
	if row.Field != "" {
		store(c, row, v)
	}
	c.origin = o
	return nil
}

func (o *origin) warn(file string, e properties.Entry, text string) {
	if at := position(file, e.Line); at != "" {
		text = at + ": " + text
	}
	o.warnings = append(o.warnings, warning{key: e.Key, text: oneLine.Replace(text)})
}

// setProvider takes a line about config providers. They may be named in any order,
// so that they are made anew with each line and only the last word counts.
func (c *Config) setProvider(o *origin, file string, e properties.Entry) error {
	if row, ok := config.Lookup(e.Key); ok {
		if _, err := row.Parse(e.Value); err != nil {
			bad := configError(err)
			bad.File, bad.Line = file, e.Line
			return bad
		}
	}
	o.provider[e.Key] = e.Value
	o.given[e.Key] = given{file: file, line: e.Line, value: e.Value}
	resolver, err := properties.NewResolver(o.provider)
	if bad, ok := errors.AsType[*properties.ResolverError](err); ok {
		at := o.given[bad.Key] // the fault may be on an earlier line
		return &ConfigError{File: at.file, Line: at.line, Key: bad.Key, Value: o.provider[bad.Key],
			Reason: bad.Reason, Remedy: bad.Remedy, Err: bad.Err}
	}
	if err != nil {
		return configError(err)
	}
	o.resolver = resolver
	c.origin = o
	return nil
}

// resolverError says which line has a reference that cannot be resolved.
func resolverError(err error, file string, e properties.Entry) error {
	bad := &ConfigError{File: file, Line: e.Line, Key: e.Key,
		Value: config.ShowUnknown(e.Key, e.Value), Reason: "cannot resolve the value", Err: err}
	if r, ok := errors.AsType[*properties.ResolverError](err); ok {
		bad.Reason, bad.Remedy, bad.Err = r.Reason, r.Remedy, r.Err
	}
	if row, ok := config.Lookup(e.Key); ok {
		bad.Value = row.Show(e.Value)
	}
	return bad
}

// isGiven reports whether a setting was given: by a file, a map or Set, or by code
// that made its field differ from the default.
func (c *Config) isGiven(name string) bool {
	if _, ok := c.origin.given[name]; ok {
		return true
	}
	row, ok := config.Lookup(name)
	if !ok || row.Field == "" {
		return false
	}
	f := field(c, row)
	if i, ok := f.Interface().(Idempotence); ok {
		return i != IdempotenceDefault
	}
	if f.Kind() == reflect.Slice && f.Len() == 0 && field(&defaults, row).Len() == 0 {
		return false // nil is empty
	}
	return !reflect.DeepEqual(f.Interface(), field(&defaults, row).Interface())
}

// defaults is what isGiven compares with; it is not changed.
var defaults = DefaultConfig()

// locate adds to an error the place where the setting's value was read, unless code
// has changed it since.
func (c *Config) locate(e *ConfigError) *ConfigError {
	at, ok := c.origin.given[e.Key]
	if !ok {
		return e
	}
	if row, known := config.Lookup(e.Key); known && row.Field != "" {
		var read Config
		store(&read, row, at.value)
		if !reflect.DeepEqual(field(&read, row).Interface(), field(c, row).Interface()) {
			return e
		}
	}
	e.File, e.Line = at.file, at.line
	return e
}
