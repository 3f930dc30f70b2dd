package posthaste

import (
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/posthaste-go/posthaste/internal/golden"
)

const javaFile = "testdata/config/producer.properties"

func TestTheZeroConfigIsRefused(t *testing.T) {
	var c Config
	for name, err := range map[string]error{"Validate": c.Validate(), "Set": c.Set("acks", "all")} {
		if err == nil || !strings.Contains(err.Error(), "DefaultConfig") {
			t.Errorf("%s: %v, want an error that names DefaultConfig", name, err)
		}
	}
	_, ok := c.Lookup("acks")
	if ok || c.Warnings() != nil || c.Properties() != nil || c.Map() != nil {
		t.Error("the zero Config says something")
	}
}

func TestDefaultsAreKafkasButForLinger(t *testing.T) {
	c := DefaultConfig()
	c.BootstrapServers = []string{"localhost:9092"}
	s, err := c.effective()
	if err != nil {
		t.Fatal(err)
	}
	if s.linger != 0 || s.deliveryTimeout != 2*time.Minute || !s.idempotence || s.acks != -1 ||
		s.batchSize != 16384 || s.bufferMemory != 32<<20 || s.maxInFlight != 5 {
		t.Errorf("effective settings: %+v", s)
	}
	if w := c.Warnings(); len(w) != 0 {
		t.Errorf("warnings: %q", w)
	}
}

func TestAJavaFileIsUsedAsItIs(t *testing.T) {
	c, err := LoadPropertiesFile(javaFile)
	if err != nil {
		t.Fatal(err)
	}
	s, err := c.effective()
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"kafka-1.example.com:9092", "kafka-2.example.com:9092"}
	if !slices.Equal(s.bootstrapServers, want) || s.linger != 25*time.Millisecond ||
		s.batchSize != 65536 || s.compression != CompressionZstd || s.compressionLevel != 3 {
		t.Errorf("settings: %+v", s)
	}
	sasl, tls := s.security.SASL, s.security.TLS
	if sasl.Mechanism != "SCRAM-SHA-512" || sasl.Username != "café" || sasl.Password != "s3cret;=1" {
		t.Errorf("SASL: %+v", sasl)
	}
	if tls.TruststoreType != "PEM" || tls.EndpointIdentification != "https" {
		t.Errorf("TLS: %+v", tls)
	}
	if s.partitioner == nil || s.adaptive || len(s.interceptors) != 1 {
		t.Errorf("partitioner %v, adaptive %v, interceptors %v", s.partitioner, s.adaptive,
			s.interceptors)
	}
	if got := c.Map()["schema.registry.basic.auth.user.info"]; got != "user:pass" {
		t.Errorf("the registry's setting is %q", got)
	}
	golden.Compare(t, "testdata/config/warnings.golden",
		[]byte(strings.Join(c.Warnings(), "\n")+"\n"))
	var shown strings.Builder
	for _, p := range c.Properties() {
		fmt.Fprintf(&shown, "%s=%s (%s)\n", p.Key, p.Value, p.Source)
	}
	golden.Compare(t, "testdata/config/properties.golden", []byte(shown.String()))
}

func TestErrorsNameFileLineKeyValueAndRemedy(t *testing.T) {
	tests := map[string]struct{ text, want string }{
		"a value of another type": {"\n# x\nlinger.ms=5s\n",
			"p.properties:3: linger.ms=5s: not a whole number; write digits only, in milliseconds"},
		"a value out of bounds": {"acks=all\nmax.in.flight.requests.per.connection=0",
			"p.properties:2: max.in.flight.requests.per.connection=0: out of bounds; give 1 or more"},
		"a line that is not properties": {"acks=\\u00",
			"p.properties:1: \\u needs four hexadecimal digits, as in \\u00e9; write \\\\u for a " +
				"backslash and a u"},
		"a rule between settings": {"bootstrap.servers=h:1\n\nenable.idempotence=true\nacks=1",
			"p.properties:4: acks=1: enable.idempotence=true needs acks=all; " +
				"set acks=all, or enable.idempotence=false"},
		"an address": {"bootstrap.servers=localhost\n",
			"p.properties:1: bootstrap.servers=localhost: not an address; " +
				"write host:port, as in localhost:9092 or [::1]:9092"},
		"no address": {"acks=all\n",
			"bootstrap.servers=: the list is empty; give at least one host:port"},
		"a serializer": {"bootstrap.servers=h:1\nkey.serializer=com.example.S\n",
			"p.properties:2: key.serializer=com.example.S: this program does not have a class " +
				"com.example.S; use "},
		"an interceptor": {"bootstrap.servers=h:1\ninterceptor.classes=com.example.I\n",
			"p.properties:2: interceptor.classes=com.example.I: this program does not have a class " +
				"com.example.I; known is "},
		"Kerberos": {"bootstrap.servers=h:1\nsecurity.protocol=SASL_SSL\n",
			"sasl.mechanism=GSSAPI: a mechanism that this producer does not have; use PLAIN, " +
				"SCRAM-SHA-256, SCRAM-SHA-512 or OAUTHBEARER"},
		"a login module of another mechanism": {"bootstrap.servers=h:1\n" +
			"security.protocol=SASL_SSL\nsasl.mechanism=PLAIN\n" +
			"sasl.jaas.config=org.apache.kafka.common.security.scram.ScramLoginModule required;",
			"p.properties:4: sasl.jaas.config=[hidden]: " +
				"org.apache.kafka.common.security.scram.ScramLoginModule does not serve " +
				"sasl.mechanism=PLAIN; write org.apache.kafka.common.security.plain.PlainLoginModule"},
		"a login module that is cut off": {"bootstrap.servers=h:1\n" +
			"security.protocol=SASL_SSL\nsasl.mechanism=PLAIN\nsasl.jaas.config=x required p=\"se",
			"p.properties:4: sasl.jaas.config=[hidden]: not a login module's line: " +
				"a quoted value is not closed with \""},
		"no tokens": {"bootstrap.servers=h:1\nsecurity.protocol=SASL_SSL\nsasl.mechanism=OAUTHBEARER",
			"sasl.oauthbearer.token.endpoint.url=: sasl.mechanism=OAUTHBEARER needs a place to get " +
				"tokens from; "},
		"a provider of others": {
			"config.providers.vault.class=com.example.Vault\nconfig.providers=vault\n",
			"p.properties:1: config.providers.vault.class=com.example.Vault: com.example.Vault is a " +
				"Java class that this program does not have; "},
		"a provider's file that is not there": {"client.id=${file:/none/x:y}\n" +
			"config.providers=file\nconfig.providers.file.class=" +
			"org.apache.kafka.common.config.provider.FileConfigProvider\n",
			"p.properties:1: client.id=${file:/none/x:y}: cannot read the referenced file: " +
				"open /none/x: no such file or directory; check the path and its permissions"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			c, err := LoadProperties(named{strings.NewReader(tt.text), "p.properties"})
			if err == nil {
				err = c.Validate()
			}
			if _, ok := errors.AsType[*ConfigError](err); !ok {
				t.Fatalf("error %v is no *ConfigError", err)
			}
			if !strings.HasPrefix(err.Error(), tt.want) || strings.Contains(err.Error(), "\n") {
				t.Errorf("got  %s\nwant %s", err, tt.want)
			}
		})
	}
}

// named is a reader with a name, as a file is.
type named struct {
	*strings.Reader
	name string
}

func (n named) Name() string { return n.name }

func TestAFileThatIsNotThere(t *testing.T) {
	_, err := LoadPropertiesFile(filepath.Join(t.TempDir(), "none.properties"))
	if bad, ok := errors.AsType[*ConfigError](err); !ok || !errors.Is(bad, os.ErrNotExist) {
		t.Errorf("error %v, want a *ConfigError that wraps %v", err, os.ErrNotExist)
	}
}

func TestFieldsCountAsGivenIfTheyDifferFromTheDefault(t *testing.T) {
	c := mustConfig(t, map[string]string{
		"bootstrap.servers": "h:1", "delivery.timeout.ms": "120000"})
	c.Linger = 100 * time.Second
	if err := c.Validate(); err == nil {
		t.Error("a delivery timeout that was given, if as the default, has been raised")
	}
	c = DefaultConfig()
	c.BootstrapServers = []string{"h:1"}
	c.Linger = 100 * time.Second
	if s, err := c.effective(); err != nil || s.deliveryTimeout != 130*time.Second {
		t.Errorf("delivery timeout %v, %v, want it raised to 130 s", s.deliveryTimeout, err)
	}
	if c.DeliveryTimeout != 2*time.Minute {
		t.Error("Validate changed the Config")
	}
	c.DeliveryTimeout = time.Minute
	if err := c.Validate(); err == nil {
		t.Error("a delivery timeout that code set has been raised")
	}
}

func TestIdempotenceThatWasAskedForIsNeverLost(t *testing.T) {
	tests := map[string]struct {
		idempotence Idempotence
		acks        Acks
		want        bool
		refused     bool
	}{
		"default and all":     {IdempotenceDefault, AcksAll, true, false},
		"default and leader":  {IdempotenceDefault, AcksLeader, false, false},
		"asked for, and none": {IdempotenceOn, AcksNone, false, true},
		"off":                 {IdempotenceOff, AcksAll, false, false},
		"nonsense":            {Idempotence(9), AcksAll, false, true},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			c := mustConfig(t, map[string]string{"bootstrap.servers": "h:1"})
			c.EnableIdempotence, c.Acks = tt.idempotence, tt.acks
			s, err := c.effective()
			if (err != nil) != tt.refused || s.idempotence != tt.want {
				t.Errorf("idempotence %v, %v, want %v, refused %v", s.idempotence, err, tt.want,
					tt.refused)
			}
		})
	}
}

func TestFieldsThatPropertiesCannotSay(t *testing.T) {
	tests := map[string]struct {
		change func(*Config)
		want   string
	}{
		"a bare number as a duration": {func(c *Config) { c.Linger = 5 },
			"linger.ms=5ns: Config.Linger is no multiple of 1ms; a bare number counts nanoseconds: " +
				"write 5*time.Millisecond for 5ms"},
		"seconds that are not whole": {
			func(c *Config) { c.SASLLoginRefreshBuffer = 1500 * time.Millisecond },
			"Config.SASLLoginRefreshBuffer is no multiple of 1s"},
		"an int beyond 32 bits": {func(c *Config) { c.BatchSize = math.MaxInt32 + 1 },
			"batch.size=2147483648: does not fit 32 bits; give at most 2147483647"},
		"a timeout beyond 32 bits": {func(c *Config) { c.RequestTimeout = math.MaxInt64 },
			"does not fit 32 bits"},
		"acks": {func(c *Config) { c.Acks = 2 }, "acks=2: out of bounds; give all, -1, 0 or 1"},
		"a codec": {func(c *Config) { c.CompressionType = "brotli" },
			"compression.type=brotli: out of bounds; give none, gzip, snappy, lz4 or zstd"},
		"an element that is empty": {func(c *Config) { c.BootstrapServers = []string{"h:1", ""} },
			"an element of the list is empty"},
		"TLS on a plain connection": {func(c *Config) { c.TLS = &tls.Config{} },
			"security.protocol=PLAINTEXT: it makes no use of Config.TLS, which is set; " +
				"set it to SSL or SASL_SSL"},
		"a user name on a plain connection": {func(c *Config) { c.SASLUsername = "u" },
			"set it to SASL_SSL or SASL_PLAINTEXT"},
		"a negative linger": {func(c *Config) { c.Linger = -time.Millisecond },
			"linger.ms=-1: out of bounds"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			// The value from the file is no longer there, so its line is not to blame.
			c, err := LoadProperties(named{strings.NewReader(
				"bootstrap.servers=h:1\nlinger.ms=7\nbatch.size=1\nacks=all"), "p"})
			if err != nil {
				t.Fatal(err)
			}
			tt.change(&c)
			err = c.Validate()
			if err == nil || !strings.Contains(err.Error(), tt.want) ||
				strings.HasPrefix(err.Error(), "p:") {
				t.Errorf("error %v, want %s", err, tt.want)
			}
		})
	}
}

func TestTheLongestTimesDoNotOverflow(t *testing.T) {
	c := mustConfig(t, map[string]string{"bootstrap.servers": "h:1",
		"max.block.ms": "9223372036854775807", "connections.max.idle.ms": "-9223372036854775808"})
	if c.MaxBlock != math.MaxInt64 || c.ConnectionsMaxIdle != math.MinInt64 {
		t.Errorf("max.block.ms %v, connections.max.idle.ms %v", c.MaxBlock, c.ConnectionsMaxIdle)
	}
	if v, _ := c.Lookup("max.block.ms"); v != "9223372036854775807" {
		t.Errorf("max.block.ms reads back as %s", v)
	}
	if err := c.Validate(); err != nil {
		t.Error(err)
	}
}

func TestCopiesAreIndependent(t *testing.T) {
	a := mustConfig(t, map[string]string{"bootstrap.servers": "h:1"})
	b := a
	if err := b.Set("enable.idempotence", "true"); err != nil {
		t.Fatal(err)
	}
	if err := b.Set("my.plugin", "x"); err != nil {
		t.Fatal(err)
	}
	a.Acks, b.Acks = AcksLeader, AcksLeader
	if err := a.Validate(); err != nil {
		t.Errorf("the original knows what its copy was told: %v", err)
	}
	if err := b.Validate(); err == nil {
		t.Error("the copy does not know what it was told")
	}
	if _, ok := a.Lookup("my.plugin"); ok || len(a.Warnings()) != 1 {
		t.Errorf("the original has its copy's settings: %q", a.Warnings())
	}
}

func TestWhatAnotherChoiceRulesOutIsWarnedAbout(t *testing.T) {
	c, err := LoadProperties(named{strings.NewReader("bootstrap.servers=h:1\n" +
		"ssl.truststore.location=/ca.pem\nsasl.mechanism=PLAIN\npartitioner.class=round_robin\n" +
		"partitioner.ignore.keys=true\nretry.backoff.ms=2000\nacks=1"), "p"})
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		"enable.idempotence is false: acks=1 rules it out",
		"p:6: retry.backoff.ms is 1000: retry.backoff.max.ms bounds it",
		"p:5: partitioner.ignore.keys is not used: partitioner.class chooses another partitioner",
		"p:3: sasl.mechanism is not used: security.protocol=PLAINTEXT does not authenticate",
		"p:2: ssl.truststore.location is not used: security.protocol=PLAINTEXT does not encrypt",
	}
	if diff := cmp.Diff(want, c.Warnings()); diff != "" {
		t.Error(diff)
	}
}

func TestLogsHoldNoPasswords(t *testing.T) {
	var out strings.Builder
	c := mustConfig(t, map[string]string{"ssl.key.password": "hunter2", "linger.ms": "7"})
	slog.New(slog.NewJSONHandler(&out, nil)).Info("start", "config", c)
	if strings.Contains(out.String(), "hunter2") || !strings.Contains(out.String(), "linger.ms=7") {
		t.Errorf("the log has %s", &out)
	}
}

func TestSetLeavesTheConfigAsItWasIfItFails(t *testing.T) {
	c := DefaultConfig()
	if err := c.Set("linger.ms", "x"); err == nil {
		t.Fatal("no error")
	}
	if c.isGiven("linger.ms") || c.Linger != 0 {
		t.Error("linger.ms counts as given")
	}
	if err := c.Set("lingr.ms", "5"); err != nil {
		t.Fatal(err)
	}
	if err := c.Set("lingr.ms", "6"); err != nil {
		t.Fatal(err)
	}
	want := []string{"unknown setting lingr.ms; did you mean linger.ms?"}
	if diff := cmp.Diff(want, c.Warnings()); diff != "" {
		t.Error(diff)
	}
}

func TestProvidersResolveValues(t *testing.T) {
	t.Setenv("POSTHASTE_TEST_ID", "from the environment")
	c, err := LoadProperties(strings.NewReader("client.id=${env:POSTHASTE_TEST_ID}\n" +
		"client.rack=${env:POSTHASTE_TEST_NO}\nconfig.providers=env\nconfig.providers.env.class=" +
		"org.apache.kafka.common.config.provider.EnvVarConfigProvider\n"))
	if err != nil {
		t.Fatal(err)
	}
	if c.ClientID != "from the environment" || c.ClientRack != "${env:POSTHASTE_TEST_NO}" {
		t.Errorf("client.id %q, client.rack %q", c.ClientID, c.ClientRack)
	}
	want := []string{
		"line 2: client.rack: nothing found for ${env:POSTHASTE_TEST_NO}; it stays as it is"}
	if diff := cmp.Diff(want, c.Warnings()); diff != "" {
		t.Error(diff)
	}
	if err := c.Set("transactional.id", "${env:POSTHASTE_TEST_ID}"); err != nil {
		t.Fatal(err)
	}
	if c.TransactionalID != "from the environment" {
		t.Errorf("transactional.id %q: Set does not know the providers", c.TransactionalID)
	}
}

func TestPasswordsAreNotPrinted(t *testing.T) {
	c := mustConfig(t, map[string]string{"bootstrap.servers": "h:1",
		"ssl.key.password": "hunter2", "basic.auth.user.info": "u:hunter2"})
	c.SASLPassword = "hunter2"
	asJSON, err := json.Marshal(struct{ P Password }{c.SSLKeyPassword})
	if err != nil {
		t.Fatal(err)
	}
	texts := []string{fmt.Sprint(c), fmt.Sprintf("%+v %#v %q", c.SSLKeyPassword, c.SSLKeyPassword,
		c.SSLKeyPassword), fmt.Sprintf("%v", c.Properties()), string(asJSON)}
	for _, text := range texts {
		if strings.Contains(text, "hunter2") {
			t.Errorf("a password is in %s", text)
		}
	}
	if v, _ := c.Lookup("ssl.key.password"); v != "hunter2" {
		t.Errorf("Lookup gives %q", v)
	}
	if want := "ssl.key.password=[hidden]"; !strings.Contains(c.String(), want) {
		t.Errorf("String is %s, want %s in it", c, want)
	}
}

func TestMapIsReadBackAsTheSameConfig(t *testing.T) {
	c, err := LoadPropertiesFile(javaFile)
	if err != nil {
		t.Fatal(err)
	}
	again := mustConfig(t, c.Map())
	if diff := cmp.Diff(c.Map(), again.Map()); diff != "" {
		t.Error(diff)
	}
}

func TestClientIDsAreCounted(t *testing.T) {
	c := mustConfig(t, map[string]string{"bootstrap.servers": "h:1"})
	first, err := c.effective()
	if err != nil {
		t.Fatal(err)
	}
	second, err := c.effective()
	if err != nil || first.clientID == second.clientID {
		t.Errorf("client ids %q and %q, %v", first.clientID, second.clientID, err)
	}
}

func TestParseAcks(t *testing.T) {
	for text, want := range map[string]Acks{
		"all": AcksAll, "-1": AcksAll, "0": AcksNone, " 1 ": AcksLeader} {
		if got, err := ParseAcks(text); err != nil || got != want {
			t.Errorf("ParseAcks(%q) = %v, %v, want %v", text, got, err, want)
		}
	}
	if _, err := ParseAcks("ALL"); err == nil {
		t.Error(`ParseAcks("ALL") has no error`)
	}
}

func FuzzLoadProperties(f *testing.F) {
	raw, err := os.ReadFile(javaFile)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(string(raw))
	f.Add("bootstrap.servers=h:1\nconfig.providers=env\nclient.id=${env:x}")
	f.Fuzz(func(t *testing.T, text string) {
		if strings.Contains(text, "ConfigProvider") {
			t.Skip("providers read files")
		}
		c, err := LoadProperties(strings.NewReader(text))
		if err == nil {
			err = c.Validate()
			c.Warnings()
			c.Properties()
		}
		if _, ok := errors.AsType[*ConfigError](err); err != nil && !ok {
			t.Fatalf("%T", err)
		}
		if err != nil && strings.ContainsAny(err.Error(), "\r\n") {
			t.Fatalf("error of several lines: %q", err)
		}
	})
}
