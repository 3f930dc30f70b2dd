package config

import (
	"math"
	"strings"
	"testing"
)

// The rows that Kafka itself made are checked through posthaste.Config; here is
// what a rule says to its reader.
func TestSettleSaysWhatItDid(t *testing.T) {
	tests := map[string]struct {
		given Values
		want  string // of the first change, or of the error
	}{
		"nothing given, nothing changed": {Values{}, ""},
		"acks=1 rules idempotence out": {Values{"acks": "1"},
			"enable.idempotence is false: acks=1 rules it out"},
		"retries=0 rules idempotence out": {Values{"retries": int64(0)},
			"enable.idempotence is false: retries=0 rules it out"},
		"idempotence that was asked for stays": {
			Values{"enable.idempotence": true, "acks": "0"},
			"acks=0: enable.idempotence=true needs acks=all; " +
				"set acks=all, or enable.idempotence=false"},
		"a delivery timeout that was not given is raised": {
			Values{"linger.ms": int64(100_000)},
			"delivery.timeout.ms is 130000: raised to linger.ms + request.timeout.ms"},
		"a delivery timeout that was given is not": {
			Values{"delivery.timeout.ms": int64(29_999)},
			"delivery.timeout.ms=29999: less than linger.ms + request.timeout.ms = 30000; " +
				"raise it to 30000, or lower linger.ms or request.timeout.ms"},
		"the longest linger does not overflow": {
			Values{"linger.ms": int64(math.MaxInt64)},
			"delivery.timeout.ms is 2147483647: raised to linger.ms + request.timeout.ms"},
		"a backoff alone is constant": {Values{"reconnect.backoff.ms": int64(10)},
			"reconnect.backoff.max.ms is 10: reconnect.backoff.ms is given and " +
				"reconnect.backoff.max.ms is not"},
		"a backoff above its bound is the bound": {Values{"retry.backoff.ms": int64(5000)},
			"retry.backoff.ms is 1000: retry.backoff.max.ms bounds it"},
		"transactions without idempotence": {
			Values{"transactional.id": "t", "enable.idempotence": false},
			"transactional.id=t: transactions need idempotence, which is off; " +
				"set enable.idempotence=true, or remove transactional.id"},
		"transactions that lost idempotence": {
			Values{"transactional.id": "t", "acks": "1"},
			"transactional.id=t: transactions need idempotence, which is off; " +
				"set acks=all and retries above 0, or remove transactional.id"},
		"SASL without a mechanism": {
			Values{"security.protocol": "sasl_ssl", "sasl.mechanism": ""},
			"sasl.mechanism=: empty, although security.protocol=sasl_ssl needs one; " +
				"set it to PLAIN, SCRAM-SHA-256, SCRAM-SHA-512 or OAUTHBEARER"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			v := Defaults()
			for key, value := range tt.given {
				v[key] = value
			}
			changes, err := Settle(v, func(name string) bool { _, ok := tt.given[name]; return ok })
			got := ""
			if err != nil {
				got = err.Error()
			} else if len(changes) > 0 {
				got = changes[0].String()
			}
			if got != tt.want {
				t.Errorf("got  %s\nwant %s", got, tt.want)
			}
		})
	}
}

func TestSettledValuesFitTogether(t *testing.T) {
	v := Defaults()
	v["batch.size"] = int64(0)
	v["linger.ms"] = int64(math.MaxInt64)
	if _, err := Settle(v, func(string) bool { return false }); err != nil {
		t.Fatal(err)
	}
	if v["batch.size"] != int64(1) || v["linger.ms"] != int64(math.MaxInt32) || v["acks"] != "-1" {
		t.Errorf("batch.size %v, linger.ms %v, acks %v", v["batch.size"], v["linger.ms"], v["acks"])
	}
}

func TestPasswordsAreNotInErrors(t *testing.T) {
	s, _ := Lookup("ssl.key.password")
	if got := s.Show("hunter2"); strings.Contains(got, "hunter2") {
		t.Errorf("Show gives %q", got)
	}
}
