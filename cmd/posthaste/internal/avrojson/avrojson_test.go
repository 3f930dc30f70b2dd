package avrojson

import (
	"errors"
	"strings"
	"testing"

	"github.com/twmb/avro"

	"github.com/posthaste-go/posthaste/cmd/posthaste/internal/misfit"
	"github.com/posthaste-go/posthaste/serializer"
)

const everything = `{"type":"record","name":"R","namespace":"x","fields":[
	{"name":"i","type":"int","default":0},
	{"name":"l","type":["null","long"],"default":null},
	{"name":"f","type":"float","default":0},
	{"name":"d","type":["null","double"],"default":null},
	{"name":"s","type":"string","default":""},
	{"name":"b","type":"boolean","default":false},
	{"name":"raw","type":"bytes","default":""},
	{"name":"day","type":["null",{"type":"int","logicalType":"date"}],"default":null},
	{"name":"at","type":["null",{"type":"long","logicalType":"timestamp-micros"}],"default":null},
	{"name":"local","type":["null",{"type":"long","logicalType":"local-timestamp-millis"}],
	"default":null},
	{"name":"clock","type":["null",{"type":"int","logicalType":"time-millis"}],"default":null},
	{"name":"price","type":["null",{"type":"bytes","logicalType":"decimal","precision":6,"scale":2}],
	"default":null},
	{"name":"uid","type":["null",{"type":"string","logicalType":"uuid"}],"default":null},
	{"name":"suit","type":["null",{"type":"enum","name":"Suit","symbols":["A","B"]}],"default":null},
	{"name":"md5","type":["null",{"type":"fixed","name":"F","size":2}],"default":null},
	{"name":"tags","type":{"type":"array","items":"string"},"default":[]},
	{"name":"m","type":{"type":"map","values":"int"},"default":{}},
	{"name":"u","type":["null","string","long",
	{"type":"record","name":"In","fields":[{"name":"n","type":"int"}]}],"default":null},
	{"name":"Cost_Total","type":["null","int"],"default":null,
	"aliases":["cost"],"sourceName":"Cost Total $"},
	{"name":"next","type":["null","R"],"default":null}]}`

// through is what becomes of JSON as Avro and back.
func through(t *testing.T, schema, in string, o Options) (string, error) {
	t.Helper()
	s, err := Parse(schema, nil, o)
	if err != nil {
		t.Fatal(err)
	}
	v, err := s.Fit([]byte(in))
	if err != nil {
		return "", err
	}
	impl := avro.MustParse(schema)
	b, err := impl.Encode(v)
	if err != nil {
		t.Fatalf("the library takes no %v: %v", v, err)
	}
	var back any
	if _, err := impl.Decode(b, &back); err != nil {
		t.Fatal(err)
	}
	return string(s.AppendJSON(nil, back)), nil
}

func TestValuesGoThroughAvro(t *testing.T) {
	text := Options{Text: true}
	tests := []struct {
		name string
		o    Options
		in   string
		want string // one member of the result
	}{
		{"numbers", Options{}, `{"i":-5}`, `"i":-5`},
		{"a whole number with a point", Options{}, `{"i":1.0,"l":1e3}`, `"i":1,"l":1000`},
		{"large numbers", Options{}, `{"l":9223372036854775807}`, `"l":9223372036854775807`},
		{"not a number", Options{}, `{"d":"NaN","f":"-Infinity"}`, `"f":"-Infinity","d":"NaN"`},
		{"null", Options{}, `{"l":null}`, `"l":null`},
		{"defaults", Options{}, `{}`, `{"i":0,"l":null`},
		{"text with escapes", Options{}, `{"s":"a\"é😀\n"}`, `"s":"a\"é😀\n"`},
		{"bytes as characters", Options{}, `{"raw":"\u00ff\u0000a"}`, `"raw":"ÿ\u0000a"`},
		{"bytes as base64", Options{Base64: true}, `{"raw":"/wBh"}`, `"raw":"ÿ\u0000a"`},
		{"a date", Options{}, `{"day":"2026-01-31"}`, `"day":"2026-01-31"`},
		{"a date as days", Options{}, `{"day":20484}`, `"day":"2026-01-31"`},
		{"a point in time", Options{}, `{"at":"2026-01-31T10:00:00.25+02:00"}`,
			`"at":"2026-01-31T08:00:00.25Z"`},
		{"a point in time as microseconds", Options{}, `{"at":1}`, `"at":"1970-01-01T00:00:00.000001Z"`},
		{"a local time", Options{}, `{"local":"2026-01-31 08:00:00"}`, `"local":"2026-01-31T08:00:00"`},
		{"a time of day", Options{}, `{"clock":"08:00:00.5"}`, `"clock":"08:00:00.5"`},
		{"a decimal", Options{}, `{"price":-12.5}`, `"price":-12.50`},
		{"a decimal in quotes", Options{}, `{"price":"0.01"}`, `"price":0.01`},
		{"a UUID", Options{}, `{"uid":"7d444840-9dc0-11d1-b245-5ffdce74fad2"}`,
			`"uid":"7d444840-9dc0-11d1-b245-5ffdce74fad2"`},
		{"an enum", Options{}, `{"suit":"B"}`, `"suit":"B"`},
		{"a fixed", Options{}, `{"md5":"ab"}`, `"md5":"ab"`},
		{"an array and a map", Options{}, `{"tags":["x"],"m":{"b":2,"a":1}}`,
			`"tags":["x"],"m":{"a":1,"b":2}`},
		{"branches of a union", Options{}, `{"u":5}`, `"u":5`},
		{"text in a union", Options{}, `{"u":"5"}`, `"u":"5"`},
		{"a record in a union", Options{}, `{"u":{"n":7}}`, `"u":{"n":7}`},
		{"a branch by its name", Options{}, `{"u":{"long":5},"l":{"long":6}}`, `"u":5`},
		{"a record in a union by its name", Options{}, `{"u":{"x.In":{"n":7}}}`, `"u":{"n":7}`},
		{"a number in a union of rows of text", text, `{"u":5}`, `"u":5`},
		{"the name of the source", Options{}, `{"Cost Total $":3}`, `"Cost_Total":3`},
		{"a name made legal", Options{}, `{"Cost-Total":3}`, `"Cost_Total":3`},
		{"an alias", Options{}, `{"cost":3}`, `"Cost_Total":3`},
		{"a record in itself", Options{}, `{"next":{"i":1}}`, `"next":{"i":1,`},
		{"numbers where text must be", text, `{"s":5.0,"suit":"A"}`, `"s":"5.0"`},
		{"text where numbers must be", text, `{"i":" 5","d":"2.5","b":"True","price":"1"}`,
			`"i":5,"l":null,"f":0,"d":2.5,"s":"","b":true`},
		{"empty text where null may be", text, `{"l":"","day":"","suit":""}`, `"day":null`},
		{"an object where text must be", text, `{"s":{"a":[1]}}`, `"s":"{\"a\":[1]}"`},
		{"unknown members that are passed over", Options{SkipUnknown: true}, `{"zzz":[1],"i":2}`,
			`{"i":2`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := through(t, everything, tt.in, tt.o)
			if err != nil || !strings.Contains(got, tt.want) {
				t.Errorf("%s, %v; want %s in it", got, err, tt.want)
			}
		})
	}
}

func TestWhatDoesNotFitIsNamed(t *testing.T) {
	tests := []struct {
		name string
		o    Options
		in   string
		want string
	}{
		{"text for a number", Options{}, `{"i":"late"}`,
			`field i: "late" is text, but the schema wants int`},
		{"a number for text", Options{}, `{"s":5}`, `field s: 5 is a number, but the schema wants string`},
		{"a number out of range", Options{}, `{"i":2147483648}`,
			`field i: 2147483648 is a number, but the schema wants int (it is out of range)`},
		{"a fraction", Options{}, `{"i":1.5}`, `field i: 1.5 is a number, but the schema wants int`},
		{"a large exponent", Options{}, `{"i":1e999999999}`,
			`field i: 1e999999999 is a number, but the schema wants int`},
		{"null", Options{}, `{"s":null}`, `field s: null, but the schema wants string`},
		{"a nullable field", Options{}, `{"l":true}`,
			`field l: true is a boolean, but the schema wants long`},
		{"inside an array", Options{}, `{"tags":["a",1]}`,
			`field tags[1]: 1 is a number, but the schema wants string`},
		{"inside a map", Options{}, `{"m":{"a":"x"}}`,
			`field m["a"]: "x" is text, but the schema wants int`},
		{"inside records", Options{}, `{"next":{"next":{"tags":{}}}}`,
			`field next.next.tags: {} is an object, but the schema wants array of string`},
		{"inside a union", Options{}, `{"u":{"n":"x"}}`,
			`field u.n: "x" is text, but the schema wants int`},
		{"no branch of a union", Options{}, `{"u":[1]}`, `field u: [1] is an array, but the schema ` +
			`wants null or string or long or record x.In`},
		{"a symbol that is none", Options{}, `{"suit":"C"}`,
			`field suit: "C" is text, but the schema wants enum x.Suit (A, B)`},
		{"too many digits", Options{}, `{"price":0.001}`, `field price: 0.001 is a number, but the ` +
			`schema wants decimal(6,2) (it has more than 2 digits behind the point)`},
		{"a decimal's bytes, too many", Options{}, `{"price":"0A00"}`, `field price: "0A00" is ` +
			`text, but the schema wants decimal(6,2) (its bytes have more than 6 digits)`},
		{"too large a decimal", Options{}, `{"price":10000}`, `field price: 10000 is a number, but ` +
			`the schema wants decimal(6,2) (it has more than 6 digits)`},
		{"a date that is none", Options{}, `{"day":"2026-02-30"}`,
			`field day: "2026-02-30" is text, but the schema wants int (date)`},
		{"a time that is too fine", Options{}, `{"clock":"08:00:00.0001"}`,
			`field clock: "08:00:00.0001" is text, but the schema wants int (time-millis)`},
		{"a field that is not there", Options{}, `{"u":{}}`,
			`field u.n: null, but the schema wants int (the field is missing and has no default)`},
		{"a member without a field", Options{}, `{"u":{"n":1,"o":2}}`,
			`field u.o: record x.In has no such field; it has n`},
		{"no object", Options{}, `[1]`, `the value: [1] is an array, but the schema wants record x.R`},
		{"text that is no number", Options{Text: true}, `{"i":"late"}`,
			`field i: "late" is text, but the schema wants int`},
		{"bytes that are none", Options{}, `{"raw":"€"}`,
			`field raw: "€" is text, but the schema wants bytes ('€' stands for no byte)`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := through(t, everything, tt.in, tt.o)
			fe, ok := errors.AsType[*serializer.FieldError](err)
			if !ok {
				t.Fatalf("error is %v, want a FieldError", err)
			}
			if got := misfit.Explain(fe); got != tt.want {
				t.Errorf("%s\nwant %s", got, tt.want)
			}
		})
	}
}

func TestTextOfKeysFits(t *testing.T) {
	tests := []struct{ schema, in, want string }{
		{`"string"`, `a"b`, `"a\"b"`},
		{`"string"`, `5`, `"5"`},
		{`"long"`, `42`, `42`},
		{`["null","long"]`, `42`, `42`},
		{`["null","string"]`, ``, `""`},
		{`{"type":"record","name":"K","fields":[{"name":"a","type":"int"}]}`, `{"a":1}`, `{"a":1}`},
	}
	for _, tt := range tests {
		s, err := Parse(tt.schema, nil, Options{})
		if err != nil {
			t.Fatal(err)
		}
		v, err := s.FitText([]byte(tt.in))
		if got := string(s.AppendJSON(nil, v)); err != nil || got != tt.want {
			t.Errorf("%s as %s is %s, %v; want %s", tt.in, tt.schema, got, err, tt.want)
		}
	}
}

func TestReferencesAreFound(t *testing.T) {
	s, err := Parse(`{"type":"record","name":"Order","namespace":"shop","fields":[
		{"name":"item","type":"Item"}]}`,
		[]string{`{"type":"record","name":"Item","namespace":"shop","fields":[{"name":"n","type":"int"}]}`},
		Options{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Fit([]byte(`{"item":{"n":1}}`)); err != nil {
		t.Error(err)
	}
}

// Whatever fits, the library takes, and what it writes reads back.
func FuzzFitAgreesWithTheLibrary(f *testing.F) {
	f.Add(`{"i":1,"u":{"n":2},"tags":["x"],"price":1.25,"day":"2026-01-31"}`, false)
	f.Add(`{"i":"1","l":"","clock":"10:00:00","next":{}}`, true)
	f.Add(`{"u":{"long":5},"raw":"ÿ","md5":"ab"}`, false)
	impl := avro.MustParse(everything)
	f.Fuzz(func(t *testing.T, in string, text bool) {
		s, err := Parse(everything, nil, Options{Text: text})
		if err != nil {
			t.Fatal(err)
		}
		v, err := s.Fit([]byte(in))
		if err != nil {
			return
		}
		b, err := impl.Encode(v)
		if err != nil {
			t.Fatalf("%s fits as %v, but: %v", in, v, err)
		}
		var back any
		if _, err := impl.Decode(b, &back); err != nil {
			t.Fatal(err)
		}
		again, err := s.Fit(s.AppendJSON(nil, back))
		if err != nil {
			t.Fatalf("%s came back as %s: %v", in, s.AppendJSON(nil, back), err)
		}
		if c, err := impl.Encode(again); err != nil || (len(c) != len(b)) {
			t.Fatalf("%s came back as %s, which is other bytes, %v", in, s.AppendJSON(nil, back), err)
		}
	})
}
