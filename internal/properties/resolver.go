package properties

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// The config providers of Kafka itself, by class. No other class can be run
// outside a JVM.
const (
	EnvProvider       = "org.apache.kafka.common.config.provider.EnvVarConfigProvider"
	FileProvider      = "org.apache.kafka.common.config.provider.FileConfigProvider"
	DirectoryProvider = "org.apache.kafka.common.config.provider.DirectoryConfigProvider"
)

// AllowedEnv is the environment variable that says which provider classes a file
// may name, separated by commas; "none" forbids all, unset allows all. It stands
// for the JVM's system property org.apache.kafka.automatic.config.providers.
const AllowedEnv = "POSTHASTE_AUTOMATIC_CONFIG_PROVIDERS"

// reference is ${provider:path:key} or ${provider:key}, as in Kafka's
// ConfigTransformer: the first colon ends the provider, the second the path.
var reference = regexp.MustCompile(`\$\{([^}]*?):(?:([^}]*?):)?([^}]*?)\}`)

// lookup finds key at path; ok is false if there is none.
type lookup func(path, key string) (value string, ok bool, err error)

// Resolver replaces references in values. The nil Resolver knows no provider.
type Resolver struct{ providers map[string]lookup }

// ResolverError is a provider that cannot be set up or asked.
type ResolverError struct {
	Key    string // the setting at fault; empty if it is the reference itself
	Reason string
	Remedy string
	Err    error // the operating system's, may be nil
}

func (e *ResolverError) Error() string {
	text := e.Reason
	if e.Key != "" {
		text = e.Key + ": " + text
	}
	if e.Err != nil {
		text += ": " + e.Err.Error()
	}
	return text + "; " + e.Remedy
}

// Unwrap gives the operating system's error.
func (e *ResolverError) Unwrap() error { return e.Err }

// NewResolver makes the providers that settings ask for: config.providers lists
// names, config.providers.NAME.class says what each is, and
// config.providers.NAME.param.* are its parameters (allowlist.pattern for the
// environment, allowed.paths for files and directories).
//
// A name without a class is skipped, as in Kafka. Errors are a *ResolverError.
// Source: AbstractConfig and KIP-297, KIP-421, KIP-887, KIP-993.
func NewResolver(settings map[string]string) (*Resolver, error) {
	r := &Resolver{providers: map[string]lookup{}}
	for name := range strings.SplitSeq(settings["config.providers"], ",") {
		name = strings.TrimSpace(name)
		prefix := "config.providers." + name + "."
		class := strings.TrimSpace(settings[prefix+"class"])
		if name == "" || class == "" {
			continue
		}
		if !classAllowed(class) {
			return nil, &ResolverError{Key: prefix + "class",
				Reason: class + " is not allowed by " + AllowedEnv,
				Remedy: "add it to that environment variable"}
		}
		build, known := makers[class]
		if !known {
			return nil, &ResolverError{Key: prefix + "class",
				Reason: class + " is a Java class that this program does not have",
				Remedy: "use Kafka's EnvVarConfigProvider, FileConfigProvider or " +
					"DirectoryConfigProvider, or give the value itself"}
		}
		find, err := build(prefix+"param.", settings)
		if err != nil {
			return nil, err
		}
		r.providers[name] = find
	}
	return r, nil
}

func classAllowed(class string) bool {
	allowed, set := os.LookupEnv(AllowedEnv)
	if !set {
		return true
	}
	for one := range strings.SplitSeq(allowed, ",") {
		if strings.TrimSpace(one) == class {
			return true
		}
	}
	return false
}

// Resolve replaces every reference in value whose provider has an answer; what it
// answers is not looked at again. References without an answer stay as they are,
// as in Kafka; missing lists those whose provider is known. Errors are a
// *ResolverError.
func (r *Resolver) Resolve(value string) (resolved string, missing []string, err error) {
	if r == nil || len(r.providers) == 0 || !strings.Contains(value, "${") {
		return value, nil, nil
	}
	var out strings.Builder
	rest := 0
	for _, m := range reference.FindAllStringSubmatchIndex(value, -1) {
		group := func(n int) string {
			if m[2*n] < 0 {
				return ""
			}
			return value[m[2*n]:m[2*n+1]]
		}
		find, known := r.providers[group(1)]
		if !known {
			continue
		}
		found, ok, err := find(group(2), group(3))
		if err != nil {
			return "", nil, err
		}
		if !ok {
			missing = append(missing, value[m[0]:m[1]])
			continue
		}
		out.WriteString(value[rest:m[0]])
		out.WriteString(found)
		rest = m[1]
	}
	return out.String() + value[rest:], missing, nil
}

// makers sets up a provider from the parameters that begin with prefix.
var makers = map[string]func(prefix string, settings map[string]string) (lookup, error){
	EnvProvider:       newEnv,
	FileProvider:      newFile,
	DirectoryProvider: newDirectory,
}

// newEnv reads environment variables whose whole name matches allowlist.pattern.
func newEnv(prefix string, settings map[string]string) (lookup, error) {
	pattern, limited := settings[prefix+"allowlist.pattern"]
	allowed, err := regexp.Compile(`^(?:` + pattern + `)$`)
	if err != nil {
		return nil, &ResolverError{Key: prefix + "allowlist.pattern", Err: err,
			Reason: "not a regular expression", Remedy: "write it as Go's regexp/syntax has it"}
	}
	return func(path, name string) (string, bool, error) {
		if path != "" {
			return "", false, &ResolverError{
				Reason: fmt.Sprintf("environment variables have no path, but %q is given", path),
				Remedy: "write ${env:NAME}"}
		}
		if limited && !allowed.MatchString(name) {
			return "", false, nil
		}
		value, ok := os.LookupEnv(name)
		return value, ok, nil
	}, nil
}

// newFile reads keys of other .properties files.
func newFile(prefix string, settings map[string]string) (lookup, error) {
	allowed, err := allowedPaths(prefix, settings)
	if err != nil {
		return nil, err
	}
	return func(path, key string) (string, bool, error) {
		if path == "" || !allowed(path) {
			return "", false, nil
		}
		f, err := os.Open(path)
		if err != nil {
			return "", false, &ResolverError{Reason: "cannot read the referenced file", Err: err,
				Remedy: "check the path and its permissions"}
		}
		defer f.Close()
		parsed, err := Parse(path, f)
		if err != nil {
			return "", false, &ResolverError{Reason: "cannot read the referenced file", Err: err,
				Remedy: "correct that file"}
		}
		i := slices.IndexFunc(parsed.Entries, func(e Entry) bool { return e.Key == key })
		if i < 0 {
			return "", false, nil
		}
		return parsed.Entries[i].Value, true, nil
	}, nil
}

// newDirectory reads whole files of a directory, one value each, as Kubernetes
// mounts secrets.
func newDirectory(prefix string, settings map[string]string) (lookup, error) {
	allowed, err := allowedPaths(prefix, settings)
	if err != nil {
		return nil, err
	}
	return func(path, key string) (string, bool, error) {
		// A key is a file's name: it must not lead out of the directory.
		if path == "" || key == "" || filepath.Base(key) != key || !allowed(path) {
			return "", false, nil
		}
		file := filepath.Join(path, key)
		if info, err := os.Stat(file); err != nil || !info.Mode().IsRegular() {
			return "", false, nil // reported as missing, with the reference's text
		}
		value, err := os.ReadFile(file)
		if err != nil {
			return "", false, &ResolverError{Reason: "cannot read the referenced file", Err: err,
				Remedy: "check its permissions"}
		}
		return string(value), true, nil
	}, nil
}

// allowedPaths is the check that allowed.paths asks for: below one of them.
func allowedPaths(prefix string, settings map[string]string) (func(path string) bool, error) {
	key := prefix + "allowed.paths"
	list := strings.TrimSpace(settings[key])
	if list == "" {
		return func(string) bool { return true }, nil
	}
	var roots []string
	for root := range strings.SplitSeq(list, ",") {
		root = filepath.Clean(strings.TrimSpace(root))
		if !filepath.IsAbs(root) {
			return nil, &ResolverError{Key: key, Reason: root + " is not an absolute path",
				Remedy: "begin it with /"}
		}
		if _, err := os.Stat(root); err != nil {
			return nil, &ResolverError{Key: key, Reason: "cannot use " + root, Err: err,
				Remedy: "name an existing file or directory"}
		}
		roots = append(roots, root)
	}
	return func(path string) bool {
		path = filepath.Clean(path)
		return slices.ContainsFunc(roots, func(root string) bool {
			below, err := filepath.Rel(root, path)
			return err == nil && below != ".." && !strings.HasPrefix(below, "../")
		})
	}, nil
}
