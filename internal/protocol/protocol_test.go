package protocol

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// What Apache Kafka's own client writes before each request and expects before
// each response.
func TestHeadersHaveTheVersionsOfKafka(t *testing.T) {
	var golden struct {
		APIs []struct {
			Key      Key `json:"key"`
			Versions []struct {
				Version        int16 `json:"version"`
				RequestHeader  int   `json:"requestHeader"`
				ResponseHeader int   `json:"responseHeader"`
			}
		} `json:"apis"`
	}
	b, err := os.ReadFile("testdata/api-versions.json")
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(b, &golden); err != nil {
		t.Fatal(err)
	}
	if len(golden.APIs) == 0 {
		t.Fatal("testdata/api-versions.json has no rows")
	}
	for _, api := range golden.APIs {
		for _, v := range api.Versions {
			request, response := 1, 0
			if api.Key.Flexible(v.Version) {
				request = 2
			}
			if responseHeaderIsFlexible(api.Key, v.Version) {
				response = 1
			}
			if request != v.RequestHeader || response != v.ResponseHeader {
				t.Errorf("%v v%d has headers %d and %d, want %d and %d", api.Key, v.Version,
					request, response, v.RequestHeader, v.ResponseHeader)
			}
		}
	}
}

func TestAPIsHaveTheNamesOfKafka(t *testing.T) {
	for key, want := range map[Key]string{
		Produce: "Produce", 4: "LeaderAndIsr", SASLHandshake: "SaslHandshake",
		APIVersions: "ApiVersions", InitProducerID: "InitProducerId", 30: "CreateAcls",
		SASLAuthenticate: "SaslAuthenticate", 50: "DescribeUserScramCredentials",
	} {
		if got := key.String(); got != want {
			t.Errorf("API %d is %s, want %s", int16(key), got, want)
		}
		if got, ok := KeyNamed(want); !ok || got != key {
			t.Errorf("%s is API %d, %t, want %d", want, int16(got), ok, int16(key))
		}
	}
}

func TestRequestHeaderRoundTrip(t *testing.T) {
	tests := []RequestHeader{
		{Key: Produce, Version: 8, CorrelationID: 7, ClientID: []byte("app")},
		{Key: Produce, Version: 9, CorrelationID: -1, ClientID: []byte{}},
		{Key: APIVersions, Version: 3, CorrelationID: 1 << 30},
	}
	for _, want := range tests {
		frame := append(want.Append(nil), "body"...)
		got, body, err := ParseRequestHeader(frame)
		if err != nil {
			t.Fatalf("%v v%d: %v", want.Key, want.Version, err)
		}
		if diff := cmp.Diff(want, got); diff != "" || string(body) != "body" {
			t.Errorf("body %q, header (-want +got):\n%s", body, diff)
		}
		for cut := range len(frame) - len("body") {
			if _, _, err := ParseRequestHeader(frame[:cut]); !errors.Is(err, ErrMalformed) {
				t.Errorf("%v cut at %d: %v does not match ErrMalformed", want.Key, cut, err)
			}
		}
	}
}

func TestRangeHighest(t *testing.T) {
	tests := []struct {
		name     string
		a, b     Range
		want     int16
		speaking bool
	}{
		{"the older side decides", Range{3, 13}, Range{0, 9}, 9, true},
		{"one version in common", Range{4, 4}, Range{0, 4}, 4, true},
		{"the broker is too old", Range{5, 9}, Range{0, 4}, 4, false},
		{"the broker is too new", Range{0, 4}, Range{5, 9}, 4, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, ok := tt.a.Highest(tt.b)
			if got != tt.want || ok != tt.speaking {
				t.Errorf("Highest = %d, %t, want %d, %t", got, ok, tt.want, tt.speaking)
			}
		})
	}
}

func TestSniff(t *testing.T) {
	tests := []struct{ name, in, want string }{
		{"a TLS client hello", "\x16\x03\x01\x02\x00\x01", "a TLS ClientHello"},
		{"a TLS alert", "\x15\x03\x03\x00\x02\x02\x28", "a TLS alert"},
		{"an HTTP request", "GET / HTTP/1.1\r\n", "an HTTP request"},
		{"an HTTP response", "HTTP/1.1 400 Bad Request\r\n", "an HTTP response"},
		{"a line of text", "hello\n", "text"},
		{"a Kafka frame", "\x00\x00\x00\x2b\x00\x12", ""},
		{"nothing", "", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := Sniff([]byte(tt.in)); got != tt.want {
				t.Errorf("Sniff = %q, want %q", got, tt.want)
			}
		})
	}
}

// Bytes from the network must never panic the reader, must fail only with
// ErrMalformed, and an array is never said to be longer than its message.
func FuzzReader(f *testing.F) {
	f.Add([]byte{0, 3, 'a', 'b', 'c', 0, 0, 0, 1, 2, 5, 5, 5, 1, 0, 1, 9})
	f.Add(bytes.Repeat([]byte{0xff}, 40))
	f.Fuzz(func(t *testing.T, b []byte) {
		r := NewReader(b)
		r.NullableString()
		if n := r.ArrayLen(); n > len(b) {
			t.Fatalf("array of %d in %d bytes", n, len(b))
		}
		r.CompactNullableString()
		if n := r.CompactArrayLen(); n > len(b) {
			t.Fatalf("array of %d in %d bytes", n, len(b))
		}
		r.Tags()
		r.NullableBytes()
		r.UUID()
		if err := r.Err(); err != nil && (!errors.Is(err, ErrMalformed) || r.Rest() != nil) {
			t.Fatalf("%v, rest %v", err, r.Rest())
		}
	})
}

// A request header is read from whoever connects.
func FuzzParseRequestHeader(f *testing.F) {
	f.Add((&RequestHeader{Key: Fetch, Version: 13, ClientID: []byte("c")}).Append(nil))
	f.Fuzz(func(t *testing.T, b []byte) {
		if _, _, err := ParseRequestHeader(b); err != nil && !errors.Is(err, ErrMalformed) {
			t.Fatalf("%v does not match ErrMalformed", err)
		}
	})
}
