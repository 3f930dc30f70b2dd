package properties

import (
	"errors"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// withProviders names all three providers, and then more.
func withProviders(more map[string]string) map[string]string {
	settings := map[string]string{
		"config.providers":                 "env, file ,directory,unset",
		"config.providers.env.class":       EnvProvider,
		"config.providers.file.class":      FileProvider,
		"config.providers.directory.class": DirectoryProvider,
	}
	maps.Copy(settings, more)
	return settings
}

func TestResolveDoesWhatKafkaDoes(t *testing.T) {
	dir := t.TempDir()
	secrets := filepath.Join(dir, "secrets.properties")
	writeFile(t, secrets, "pw = sec\\u0041ret \nother=${env:POSTHASTE_TEST}\n")
	writeFile(t, filepath.Join(dir, "token"), "tok\n")
	if err := os.Mkdir(filepath.Join(dir, "sub"), 0o700); err != nil {
		t.Fatal(err)
	}
	t.Setenv("POSTHASTE_TEST", "from the environment")
	tests := map[string]struct {
		more    map[string]string
		value   string
		want    string
		missing []string
	}{
		"a variable":      {value: "[${env:POSTHASTE_TEST}]", want: "[from the environment]"},
		"a key of a file": {value: "[${file:" + secrets + ":pw}]", want: "[secAret ]"},
		"a whole file":    {value: "[${directory:" + dir + ":token}]", want: "[tok\n]"},
		"two in one value": {
			value: "${file:" + secrets + ":pw}${env:POSTHASTE_TEST}",
			want:  "secAret from the environment"},
		"an answer is not asked": {
			value: "${file:" + secrets + ":other}", want: "${env:POSTHASTE_TEST}"},
		"an unknown provider":      {value: "${vault:x:y}", want: "${vault:x:y}"},
		"a provider with no class": {value: "${unset:x}", want: "${unset:x}"},
		"no reference":             {value: "a $ {b}", want: "a $ {b}"},
		"a file without a key": {
			value: "${file:pw}", want: "${file:pw}", missing: []string{"${file:pw}"}},
		"a key that is not there": {
			value: "a ${file:" + secrets + ":no} b", want: "a ${file:" + secrets + ":no} b",
			missing: []string{"${file:" + secrets + ":no}"}},
		"a variable that is not set": {
			value: "${env:POSTHASTE_NO}", want: "${env:POSTHASTE_NO}",
			missing: []string{"${env:POSTHASTE_NO}"}},
		"a directory as a value": {
			value: "${directory:" + dir + ":sub}", want: "${directory:" + dir + ":sub}",
			missing: []string{"${directory:" + dir + ":sub}"}},
		"a key that leads out of the directory": {
			value:   "${directory:" + dir + "/sub:../token}",
			want:    "${directory:" + dir + "/sub:../token}",
			missing: []string{"${directory:" + dir + "/sub:../token}"}},
		"the pattern allows the variable": {
			more:  map[string]string{pattern: "POST.*"},
			value: "${env:POSTHASTE_TEST}", want: "from the environment"},
		"the pattern wants the whole name": {
			more: map[string]string{pattern: "POST"}, value: "${env:POSTHASTE_TEST}",
			want: "${env:POSTHASTE_TEST}", missing: []string{"${env:POSTHASTE_TEST}"}},
		"a file below an allowed path": {
			more:  map[string]string{"config.providers.file.param.allowed.paths": "/etc, " + dir},
			value: "${file:" + dir + "/sub/../secrets.properties:pw}", want: "secAret "},
		"a file elsewhere": {
			more:    map[string]string{"config.providers.file.param.allowed.paths": dir + "/sub"},
			value:   "${file:" + dir + "/sub/../secrets.properties:pw}",
			want:    "${file:" + dir + "/sub/../secrets.properties:pw}",
			missing: []string{"${file:" + dir + "/sub/../secrets.properties:pw}"}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			r, err := NewResolver(withProviders(tt.more))
			if err != nil {
				t.Fatal(err)
			}
			got, missing, err := r.Resolve(tt.value)
			if err != nil || got != tt.want || !slices.Equal(missing, tt.missing) {
				t.Errorf("Resolve(%q) = %q, %q, %v, want %q, %q", tt.value, got, missing, err,
					tt.want, tt.missing)
			}
		})
	}
}

const pattern = "config.providers.env.param.allowlist.pattern"

func writeFile(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestResolveFails(t *testing.T) {
	r, err := NewResolver(withProviders(nil))
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	broken := filepath.Join(dir, "broken.properties")
	writeFile(t, broken, "a=\\u1")
	tests := map[string]struct{ value, want string }{
		"on a path for a variable": {"${env:x:HOME}", "${env:NAME}"},
		"on a file that is not there": {
			"${file:" + dir + "/none:x}", "no such file"},
		"on a file that is not properties": {"${file:" + broken + ":a}", "broken.properties:1"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			_, _, err := r.Resolve(tt.value)
			_, ok := errors.AsType[*ResolverError](err)
			if !ok || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error %v, want one with %q", err, tt.want)
			}
		})
	}
	if _, _, err := r.Resolve("${file:" + dir + "/none:x}"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("error %v does not wrap the operating system's", err)
	}
}

func TestNewResolverFails(t *testing.T) {
	tests := map[string]struct{ key, value, want string }{
		"on a class of others": {"config.providers.env.class", "com.example.VaultProvider",
			"config.providers.env.class: com.example.VaultProvider is a Java class"},
		"on a pattern that is none": {"config.providers.env.param.allowlist.pattern", "(",
			"not a regular expression"},
		"on a relative path": {"config.providers.file.param.allowed.paths", "etc",
			"etc is not an absolute path"},
		"on a path that is not there": {"config.providers.directory.param.allowed.paths",
			"/no/such/path", "no such file"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			_, err := NewResolver(withProviders(map[string]string{tt.key: tt.value}))
			bad, ok := errors.AsType[*ResolverError](err)
			if !ok || bad.Key != tt.key || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error %v, want one of %s with %q", err, tt.key, tt.want)
			}
		})
	}
}

func TestTheEnvironmentSaysWhichProvidersAreAllowed(t *testing.T) {
	for allowed, ok := range map[string]bool{
		"none":                              false,
		"":                                  false,
		FileProvider:                        false,
		FileProvider + ", " + EnvProvider:   true,
		EnvProvider:                         true,
		"x" + EnvProvider + "," + "nothing": false,
	} {
		t.Setenv(AllowedEnv, allowed)
		_, err := NewResolver(map[string]string{
			"config.providers": "env", "config.providers.env.class": EnvProvider})
		if (err == nil) != ok {
			t.Errorf("%s=%q: %v, want allowed %v", AllowedEnv, allowed, err, ok)
		}
	}
}

func TestTheNilResolverLeavesEverything(t *testing.T) {
	var r *Resolver
	if got, _, err := r.Resolve("${env:HOME}"); got != "${env:HOME}" || err != nil {
		t.Errorf("%q, %v", got, err)
	}
}
