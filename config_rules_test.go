package posthaste

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/posthaste-go/posthaste/internal/config"
)

// kafkaRule is a row of testdata/config/rules.json: what Kafka's own producer made
// of some settings.
type kafkaRule struct {
	Name        string
	Given       map[string]any
	WithoutBase []string
	Outcome     string
	Mentions    []string
	Effective   map[string]any
	Parsed      map[string]any
	Adjusted    map[string]any
	Unknown     []string
}

type kafkaRules struct {
	Base  map[string]string
	Rules []kafkaRule
}

func readRules(t *testing.T) kafkaRules {
	t.Helper()
	raw, err := os.ReadFile("testdata/config/rules.json")
	if err != nil {
		t.Fatal(err)
	}
	d := json.NewDecoder(strings.NewReader(string(raw)))
	d.UseNumber()
	var rules kafkaRules
	if err := d.Decode(&rules); err != nil {
		t.Fatal(err)
	}
	if len(rules.Rules) != 156 {
		t.Fatalf("%d rules, want 156", len(rules.Rules))
	}
	return rules
}

// accepted lists rows that Java refuses and Posthaste does not, with the reason.
var accepted = map[string]string{
	"key serializer missing": "records of a Producer are bytes, and a Typed has its serializers " +
		"from code",
	"deprecated-era partitioner DefaultPartitioner": "files of Kafka 3 name it; it is " +
		"what Kafka 4 does without a partitioner.class",
	"deprecated-era partitioner UniformSticky": "files of Kafka 3 name it; there is one",
}

// unsayable lists rows about null, which neither properties nor Go fields can say.
var unsayable = map[string]string{
	"client id null":        "a string in Go is never null; left out, it is made up",
	"acks null":             "Acks is a number",
	"retries null":          "Retries is a number",
	"compression type null": "a string in Go is never null; the empty one is refused",
	"idempotence null":      "Idempotence has its own word for nothing said",
}

// settingsOf are the row's settings as a properties file would have them.
func (r *kafkaRule) settingsOf(base map[string]string) map[string]string {
	all := maps.Clone(base)
	for _, key := range r.WithoutBase {
		delete(all, key)
	}
	for key, v := range r.Given {
		if v == nil {
			all[key] = "" // sasl.mechanism and transactional.id, see below
			if key == "transactional.id" {
				delete(all, key)
			}
			continue
		}
		all[key] = fmt.Sprint(v)
	}
	// Kafka's linger is 5 where none is given, ours is 0: what the rows show holds
	// for a producer that is told 5. TestLingerIsZeroWhereNoneIsGiven has the rest.
	if _, ok := all["linger.ms"]; !ok {
		all["linger.ms"] = "5"
	}
	return all
}

func TestSettingsTogetherDoWhatKafkaDoes(t *testing.T) {
	rules := readRules(t)
	for _, rule := range rules.Rules {
		t.Run(rule.Name, func(t *testing.T) {
			if reason := unsayable[rule.Name]; reason != "" {
				t.Skip(reason)
			}
			c, err := ConfigFromMap(rule.settingsOf(rules.Base))
			checkRule(t, &rule, &c, err)
		})
	}
}

// The same rows, by fields of Config instead of text.
func TestFieldsTogetherDoWhatKafkaDoes(t *testing.T) {
	rules := readRules(t)
	for _, rule := range rules.Rules {
		t.Run(rule.Name, func(t *testing.T) {
			if reason := unsayable[rule.Name]; reason != "" {
				t.Skip(reason)
			}
			c := DefaultConfig()
			for key, text := range rule.settingsOf(rules.Base) {
				setField(t, &c, key, text)
			}
			checkRule(t, &rule, &c, nil)
		})
	}
}

// Where nothing is said of linger.ms, these rows come out otherwise than in Kafka.
func TestLingerIsZeroWhereNoneIsGiven(t *testing.T) {
	tests := map[string]struct {
		key, value   string
		wantDelivery time.Duration
	}{
		"delivery timeout explicit, too small for Kafka's default linger": {
			"delivery.timeout.ms", "30004", 30004 * time.Millisecond},
		"delivery timeout default, raised by 5 ms less": {
			"request.timeout.ms", "200000", 200 * time.Second},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			c := mustConfig(t, map[string]string{"bootstrap.servers": "h:1", tt.key: tt.value})
			s, err := c.effective()
			if err != nil || s.linger != 0 || s.deliveryTimeout != tt.wantDelivery {
				t.Errorf("linger %v, delivery timeout %v, %v, want 0, %v", s.linger,
					s.deliveryTimeout, err, tt.wantDelivery)
			}
		})
	}
	c := mustConfig(t, map[string]string{
		"bootstrap.servers": "h:1", "delivery.timeout.ms": "29999"})
	if err := c.Validate(); err == nil {
		t.Error("a delivery timeout below the request timeout is accepted")
	}
}

func mustConfig(t *testing.T, settings map[string]string) Config {
	t.Helper()
	c, err := ConfigFromMap(settings)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// setField does what Go code would to give a setting this value.
func setField(t *testing.T, c *Config, key, text string) {
	t.Helper()
	row, known := config.Lookup(key)
	if !known || row.Field == "" {
		if err := c.Set(key, text); err != nil && !known {
			t.Fatal(err)
		} else if err != nil {
			t.Skipf("%s has no field: %v", key, err)
		}
		return
	}
	f := field(c, row)
	// A field cannot say that its default was given on purpose, so code that
	// must say so uses Set. Only this row of the golden ones depends on it.
	if key == "transaction.timeout.ms" && text == row.Default {
		if err := c.Set(key, text); err != nil {
			t.Fatal(err)
		}
		return
	}
	var v any = text
	switch row.Kind {
	case config.Bool:
		b, err := strconv.ParseBool(strings.ToLower(text))
		if err != nil {
			t.Skipf("the compiler refuses %q", text)
		}
		v = b
	case config.Short, config.Int, config.Long:
		n, err := strconv.ParseInt(strings.TrimSpace(text), 10, 64)
		if err != nil {
			t.Skipf("the compiler refuses %q", text)
		}
		v = n
	case config.List:
		list, err := row.Parse(text)
		if err != nil {
			list = []string{}
		}
		v = list
	case config.Double, config.String, config.Class, config.Password:
	}
	if _, ok := f.Interface().(Acks); ok {
		n, err := strconv.Atoi(strings.Replace(text, "all", "-1", 1))
		if err != nil {
			t.Skipf("the compiler refuses %q", text)
		}
		c.Acks = Acks(n)
		return
	}
	if key == "transactional.id" && strings.TrimSpace(text) == "" {
		t.Skip("an empty TransactionalID means none")
	}
	store(c, row, v)
}

// checkRule compares what becomes of c, or the error that came before, with the row.
func checkRule(t *testing.T, rule *kafkaRule, c *Config, err error) {
	t.Helper()
	var s settings
	if err == nil {
		s, err = c.effective()
	}
	if err == nil {
		err = s.checkBootstrap(t.Context(), lookupInTest)
	}
	if rule.Outcome != "ok" && accepted[rule.Name] == "" {
		bad, ok := errors.AsType[*ConfigError](err)
		if !ok {
			t.Fatalf("error %v, want a *ConfigError: Java throws %s", err, rule.Outcome)
		}
		for _, name := range rule.Mentions {
			if !strings.Contains(bad.Error(), name) {
				t.Errorf("error %q does not mention %s", bad, name)
			}
		}
		if bad.Remedy == "" {
			t.Errorf("error %q does not say what to do", bad)
		}
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	if rule.Outcome == "ok" {
		compareEffective(t, rule, c, &s)
	}
}

// lookupInTest knows every name but those that are reserved for not existing.
func lookupInTest(_ context.Context, host string) ([]string, error) {
	if strings.HasSuffix(host, ".invalid") {
		return nil, errors.New("no such host")
	}
	return []string{"127.0.0.1"}, nil
}

var counted = regexp.MustCompile(`^producer-\d+$`)

// compareEffective compares the values in force, the parsed and the adjusted ones.
func compareEffective(t *testing.T, rule *kafkaRule, c *Config, s *settings) {
	t.Helper()
	got := map[string]any{}
	for key, v := range inWords(s, c) {
		got[key] = v
		if n, ok := v.(int64); ok {
			got[key] = json.Number(strconv.FormatInt(n, 10))
		}
	}
	if diff := cmp.Diff(rule.Effective, got); diff != "" {
		t.Errorf("in force (-Kafka +ours):\n%s", diff)
	}
	before, err := c.values()
	if err != nil {
		t.Fatal(err)
	}
	for key, want := range rule.Parsed {
		v, has := before[key]
		if !has || want == nil {
			continue // without effect here, or null
		}
		if key == "acks" && v == "all" {
			v = "-1"
		}
		if list, ok := want.([]any); ok {
			want = joined(list)
		}
		if config.Format(v) != fmt.Sprint(want) {
			t.Errorf("%s reads as %v, want %v", key, v, want)
		}
	}
	inForce := map[string]string{}
	for _, p := range c.Properties() {
		inForce[p.Key] = p.Value
	}
	for key, want := range rule.Adjusted {
		if inForce[key] != fmt.Sprint(want) {
			t.Errorf("%s is %s, want it adjusted to %v", key, inForce[key], want)
		}
	}
	for _, key := range rule.Unknown {
		if !strings.Contains(strings.Join(c.Warnings(), "\n"), key) {
			t.Errorf("no warning names the unknown %s: %q", key, c.Warnings())
		}
	}
}

func joined(list []any) string {
	var words []string
	for _, word := range list {
		words = append(words, fmt.Sprint(word))
	}
	return strings.Join(words, ",")
}

// inWords gives settings the names that the golden file uses.
func inWords(s *settings, c *Config) map[string]any {
	level := any(int64(s.compressionLevel))
	if s.compression == CompressionNone || s.compression == CompressionSnappy {
		level = nil
	}
	custom := any(nil)
	if s.partitioner != nil {
		custom = c.PartitionerClass
	}
	return map[string]any{
		"idempotence":                 s.idempotence,
		"transactional":               s.transactionalID != "",
		"acks":                        int64(s.acks),
		"retries":                     int64(s.retries),
		"maxInFlight":                 int64(s.maxInFlight),
		"muteWhileInFlight":           s.muteWhileInFlight,
		"deliveryTimeoutMs":           s.deliveryTimeout.Milliseconds(),
		"lingerMs":                    s.linger.Milliseconds(),
		"requestTimeoutMs":            s.requestTimeout.Milliseconds(),
		"batchSize":                   int64(s.batchSize),
		"compression":                 string(s.compression),
		"compressionLevel":            level,
		"clientId":                    counted.ReplaceAllString(s.clientID, "producer-<n>"),
		"customPartitioner":           custom,
		"adaptive":                    s.adaptive,
		"availabilityTimeoutMs":       s.availabilityTimeout.Milliseconds(),
		"rackAware":                   s.rackAware,
		"retryBackoffMs":              s.retryBackoff.Milliseconds(),
		"retryBackoffMaxMs":           s.retryBackoffMax.Milliseconds(),
		"reconnectBackoffMs":          s.reconnectBackoff.Milliseconds(),
		"reconnectBackoffMaxMs":       s.reconnectBackoffMax.Milliseconds(),
		"connectionSetupTimeoutMs":    s.connectionSetupTimeout.Milliseconds(),
		"connectionSetupTimeoutMaxMs": s.connectionSetupTimeoutMax.Milliseconds(),
	}
}
