package embedded_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/posthaste-go/posthaste/schemaregistry/embedded"
)

// expectation is one request and what Confluent's registry answers, by its
// documentation and its own tests. Of the answer only the members given in want
// are compared; want that is no JSON object is compared whole.
type expectation struct {
	method, path, body string
	status             int
	want               string
}

func (x expectation) check(t *testing.T, url string) {
	t.Helper()
	status, got := call(t, url, x.method, x.path, x.body)
	if status != x.status {
		t.Errorf("%s %s %s: status %d %s, want %d", x.method, x.path, x.body, status, got, x.status)
		return
	}
	if x.want == "" {
		return
	}
	var want, have any
	if err := json.Unmarshal([]byte(x.want), &want); err != nil {
		if got != x.want { // text, not JSON
			t.Errorf("%s %s: %s, want %s", x.method, x.path, got, x.want)
		}
		return
	}
	if err := json.Unmarshal([]byte(got), &have); err != nil {
		t.Errorf("%s %s: %s is no JSON: %v", x.method, x.path, got, err)
		return
	}
	if members, ok := want.(map[string]any); ok && len(members) > 0 {
		all, _ := have.(map[string]any)
		for name := range all {
			if _, asked := members[name]; !asked {
				delete(all, name)
			}
		}
	}
	if d := cmp.Diff(want, have); d != "" {
		t.Errorf("%s %s %s (-want +got)\n%s", x.method, x.path, x.body, d)
	}
}

func fixed(name string, more ...string) string {
	text, _ := json.Marshal(`{"type":"fixed","name":"` + name + `","size":1}`)
	return `{"schema":` + string(text) + strings.Join(more, "") + `}`
}

func TestRESTExpectations(t *testing.T) {
	for _, story := range []struct {
		name  string
		steps []expectation
	}{
		{"HTTP itself", []expectation{
			{"GET", "/nowhere", "", 404, `{"error_code":404}`},
			{"PATCH", "/subjects", "", 405, `{"error_code":405}`},
			{"POST", "/subjects/s/versions", "{", 400, `{"error_code":400}`},
			{"POST", "/subjects/s/versions", "", 422, `{"error_code":422}`},
			{"GET", "/schemas/ids/x", "", 404, `{"error_code":404}`},
			{"GET", "/v1/metadata/id", "", 200, `{"id":""}`},
			{"GET", "/v1/metadata/version", "", 200, ""},
			{"GET", "/schemas/types", "", 200, `["JSON","PROTOBUF","AVRO"]`},
		}},
		{"versions", []expectation{
			{"POST", "/subjects/s/versions", fixed("A"), 200, `{"id":1,"version":1}`},
			{"POST", "/subjects/s/versions", fixed("A"), 200, `{"id":1,"version":1}`},
			{"POST", "/subjects/s/versions", fixed("B"), 409, `{"error_code":409}`},
			{"PUT", "/config/s", `{"compatibility":"none"}`, 200, `{"compatibility":"NONE"}`},
			{"POST", "/subjects/s/versions", fixed("B"), 200, `{"id":2,"version":2}`},
			{"GET", "/subjects/s/versions/0", "", 422, `{"error_code":42202}`},
			{"GET", "/subjects/s/versions/x", "", 422, `{"error_code":42202}`},
			{"GET", "/subjects/s/versions/3", "", 404,
				`{"error_code":40402,"message":"Version 3 not found."}`},
			{"GET", "/subjects/s/versions/-1", "", 200, `{"subject":"s","version":2,"id":2}`},
			{"GET", "/subjects/s/versions/latest/schema", "", 200,
				`{"type":"fixed","name":"B","size":1}`},
			{"GET", "/subjects/s/versions?offset=1&limit=1", "", 200, `[2]`},
			{"GET", "/schemas/ids/2/versions", "", 200, `[{"subject":"s","version":2}]`},
			{"GET", "/schemas/ids/7", "", 404, `{"error_code":40403,"message":"Schema 7 not found"}`},
			{"GET", "/schemas/ids/1?fetchMaxId=true", "", 200, `{"maxId":2}`},
			{"GET", "/schemas?latestOnly=true", "", 200, ""},
			{"POST", "/subjects/s", fixed("C"), 404,
				`{"error_code":40403,"message":"Schema not found"}`},
			{"POST", "/subjects/u", fixed("A"), 404, `{"error_code":40401}`},
		}},
		{"deletion", []expectation{
			{"DELETE", "/subjects/s", "", 404, `{"error_code":40401,"message":"Subject 's' not found."}`},
			{"POST", "/subjects/s/versions", fixed("A"), 200, `{"id":1}`},
			{"DELETE", "/subjects/s/versions/1?permanent=true", "", 404, `{"error_code":40407}`},
			{"DELETE", "/subjects/s?permanent=true", "", 404, `{"error_code":40405}`},
			{"DELETE", "/subjects/s/versions/1", "", 200, `1`},
			{"DELETE", "/subjects/s/versions/1", "", 404, `{"error_code":40406}`},
			{"DELETE", "/subjects/s", "", 404, `{"error_code":40404}`},
			{"GET", "/subjects", "", 200, `[]`},
			{"GET", "/subjects?deleted=true", "", 200, `["s"]`},
			{"GET", "/subjects?deletedOnly=true", "", 200, `["s"]`},
			{"GET", "/subjects/s/versions?deletedAsNegative=true&deleted=true", "", 200, `[-1]`},
			{"GET", "/schemas/ids/1", "", 200, `{"schema":"{\"type\":\"fixed\",\"name\":\"A\",\"size\":1}"}`},
			{"GET", "/subjects/s/versions/1?deleted=true", "", 200, `{"version":1,"deleted":true}`},
			{"POST", "/subjects/s?deleted=true", fixed("A"), 200, `{"version":1}`},
			// Registered again it is a new version with its old id.
			{"POST", "/subjects/s/versions", fixed("A"), 200, `{"id":1,"version":2}`},
			{"GET", "/subjects/s/versions?deleted=true", "", 200, `[2]`},
			{"DELETE", "/subjects/s", "", 200, `[2]`},
			{"DELETE", "/subjects/s?permanent=true", "", 200, `[2]`},
			{"GET", "/schemas/ids/1", "", 404, `{"error_code":40403}`},
		}},
		{"config", []expectation{
			{"GET", "/config", "", 200, `{"compatibilityLevel":"BACKWARD"}`},
			{"GET", "/config/s", "", 404, `{"error_code":40408}`},
			{"GET", "/config/s?defaultToGlobal=true", "", 200, `{"compatibilityLevel":"BACKWARD"}`},
			{"PUT", "/config", `{"compatibility":"SIDEWAYS"}`, 422, `{"error_code":42203}`},
			{"PUT", "/config", `{"compatibility":"full"}`, 200, `{"compatibility":"FULL"}`},
			{"PUT", "/config/s", `{"normalize":true,"compatibilityGroup":"major"}`, 200,
				`{"normalize":true,"compatibilityGroup":"major"}`},
			{"PUT", "/config/s", `{"compatibility":"NONE","compatibilityGroup":null}`, 200, ""},
			{"GET", "/config/s", "", 200, `{"compatibilityLevel":"NONE","normalize":true}`},
			{"DELETE", "/config/s", "", 200, `{"compatibilityLevel":"NONE"}`},
			{"DELETE", "/config/s", "", 404, `{"error_code":40401}`},
			{"DELETE", "/config", "", 200, `{"compatibilityLevel":"FULL"}`},
			{"GET", "/config", "", 200, `{"compatibilityLevel":"BACKWARD"}`},
		}},
		{"modes and import", []expectation{
			{"GET", "/mode", "", 200, `{"mode":"READWRITE"}`},
			{"GET", "/mode/s", "", 404, `{"error_code":40409}`},
			{"PUT", "/mode/s", `{"mode":"SOMETIMES"}`, 422, `{"error_code":42204}`},
			{"POST", "/subjects/s/versions", fixed("A", `,"id":7`), 422, `{"error_code":42205}`},
			{"PUT", "/mode/s", `{"mode":"IMPORT"}`, 200, `{"mode":"IMPORT"}`},
			{"POST", "/subjects/s/versions", fixed("A"), 422, `{"error_code":42205}`},
			{"POST", "/subjects/s/versions", fixed("A", `,"id":7,"version":3`), 200,
				`{"id":7,"version":3}`},
			{"POST", "/subjects/s/versions", fixed("B", `,"id":7,"version":4`), 422,
				`{"error_code":42205}`},
			{"POST", "/subjects/s/versions", fixed("B", `,"id":9,"version":4`), 200, `{"id":9}`},
			{"PUT", "/mode", `{"mode":"IMPORT"}`, 422, `{"error_code":42205}`},
			{"DELETE", "/mode/s", "", 200, `{"mode":"IMPORT"}`},
			{"PUT", "/mode", `{"mode":"READONLY"}`, 200, ""},
			{"DELETE", "/subjects/s", "", 422, `{"error_code":42205}`},
			{"PUT", "/mode", `{"mode":"READWRITE"}`, 200, ""},
			{"POST", "/subjects/t/versions", fixed("C"), 200, `{"id":10}`},
		}},
		{"references", []expectation{
			{"POST", "/subjects/a/versions", fixed("A"), 200, `{"id":1}`},
			{"POST", "/subjects/r/versions", `{"schema":"{\"type\":\"array\",\"items\":\"A\"}",
				"references":[{"name":"A","subject":"a","version":2}]}`, 422, `{"error_code":42201}`},
			{"POST", "/subjects/r/versions", `{"schema":"{\"type\":\"array\",\"items\":\"A\"}",
				"references":[{"name":"A","subject":"a","version":-1}]}`, 200,
				`{"id":2,"references":[{"name":"A","subject":"a","version":1}]}`},
			{"GET", "/subjects/a/versions/1/referencedby", "", 200, `[2]`},
			{"GET", "/schemas/ids/2?format=resolved", "", 200,
				`{"schema":"{\"type\":\"array\",\"items\":{\"type\":\"fixed\",\"name\":\"A\",\"size\":1}}"}`},
			{"DELETE", "/subjects/a/versions/1", "", 422, `{"error_code":42206}`},
			{"DELETE", "/subjects/a", "", 422, `{"error_code":42206}`},
			{"DELETE", "/subjects/r", "", 200, `[1]`},
			{"GET", "/subjects/a/versions/1/referencedby", "", 200, `[]`},
			{"DELETE", "/subjects/a", "", 200, `[1]`},
		}},
		{"contexts", []expectation{
			{"POST", "/subjects/:.dev:s/versions", fixed("A"), 200, `{"id":1}`},
			{"POST", "/subjects/s/versions", fixed("B"), 200, `{"id":1}`},
			{"GET", "/contexts", "", 200, `[".",".dev"]`},
			{"GET", "/subjects", "", 200, `[":.dev:s","s"]`},
			{"GET", "/contexts/.dev/subjects", "", 200, `[":.dev:s"]`},
			{"GET", "/contexts/dev/subjects/s/versions/1/schema", "", 200,
				`{"type":"fixed","name":"A","size":1}`},
			{"GET", "/schemas/ids/1?subject=:.dev:", "", 200, `{"subject":":.dev:s"}`},
			{"GET", "/contexts/dev/schemas/ids/1/schema", "", 200, `{"type":"fixed","name":"A","size":1}`},
			{"PUT", "/config/:.dev:", `{"compatibility":"NONE"}`, 200, ""},
			{"GET", "/config/:.dev:s?defaultToGlobal=true", "", 200, `{"compatibilityLevel":"NONE"}`},
			{"GET", "/contexts/.dev/config", "", 200, `{"compatibilityLevel":"NONE"}`},
			{"PUT", "/config/:.__GLOBAL:", `{"compatibility":"FULL"}`, 200, ""},
			{"GET", "/config/x?defaultToGlobal=true", "", 200, `{"compatibilityLevel":"FULL"}`},
			{"DELETE", "/contexts/.dev", "", 422, `{"error_code":42211}`},
			{"DELETE", "/subjects/:.dev:s", "", 200, `[1]`},
			{"DELETE", "/subjects/:.dev:s?permanent=true", "", 200, `[1]`},
			{"DELETE", "/contexts/.dev", "", 204, ""},
			{"GET", "/contexts", "", 200, `["."]`},
		}},
		{"aliases and groups", []expectation{
			{"POST", "/subjects/s/versions", fixed("A"), 200, ""},
			{"PUT", "/config/alias", `{"alias":"s"}`, 200, `{"alias":"s"}`},
			{"GET", "/subjects/alias/versions", "", 200, `[1]`},
			{"PUT", "/config/s", `{"compatibilityGroup":"major"}`, 200, ""},
			{"POST", "/subjects/s/versions", fixed("B", `,"metadata":{"properties":{"major":"2"}}`), 200,
				`{"version":2,"metadata":{"properties":{"major":"2"}}}`},
			{"GET", "/subjects/s/metadata?key=major&value=2", "", 200, `{"version":2}`},
		}},
		{"metadata and rules", []expectation{
			{"PUT", "/config/s", `{"defaultMetadata":{"properties":{"owner":"us"}},"overrideRuleSet":
				{"domainRules":[{"name":"r","kind":"CONDITION","mode":"WRITE","type":"CEL","expr":"true"}]}}`,
				200, ""},
			{"POST", "/subjects/s/versions", fixed("A"), 200,
				`{"version":1,"metadata":{"properties":{"owner":"us"}}}`},
			{"GET", "/subjects/s/versions/1", "", 200, `{"ruleSet":{"domainRules":[{"name":"r",
				"kind":"CONDITION","mode":"WRITE","type":"CEL","expr":"true","disabled":false}]}}`},
			{"GET", "/schemas?ruleType=CEL&latestOnly=true", "", 200, ""},
			{"POST", "/subjects/s/versions", fixed("A", `,"ruleSet":{"domainRules":[{"name":"1"}]}`), 422,
				`{"error_code":42210}`},
			{"POST", "/subjects/s", fixed("A"), 200, `{"version":1}`},
		}},
		{"schemas of all types", []expectation{
			{"POST", "/subjects/a/versions", `{"schema":"{\"type\": \"no\"}"}`, 422, `{"error_code":42201}`},
			{"POST", "/subjects/a/versions", `{"schema":"","schemaType":"AVRO"}`, 422, `{"error_code":42201}`},
			{"POST", "/subjects/a/versions", `{"schema":"x","schemaType":"XML"}`, 422, `{"error_code":42201}`},
			{"POST", "/subjects/j/versions", `{"schemaType":"JSON","schema":"{ \"type\": \"string\" }"}`, 200,
				`{"schemaType":"JSON","schema":"{\"type\":\"string\"}"}`},
			{"POST", "/subjects/j/versions", `{"schemaType":"JSON","schema":"{\"type\":\"null\"}"}`, 409, ""},
			{"POST", "/subjects/j/versions", fixed("A"), 409, ""},
			{"POST", "/compatibility/subjects/j/versions?verbose=true", fixed("A"), 200,
				`{"is_compatible":false}`},
			{"POST", "/compatibility/subjects/none/versions/latest", fixed("A"), 200,
				`{"is_compatible":true}`},
			{"POST", "/compatibility/subjects/none/versions/3", fixed("A"), 404, `{"error_code":40402}`},
			{"POST", "/compatibility/subjects/j/versions?verbose=true", `{"schema":"{"}`, 200,
				`{"is_compatible":false}`},
			{"POST", "/subjects/p/versions?normalize=true", `{"schemaType":"PROTOBUF",
				"schema":"message A { optional int32 b = 2; optional int32 a = 1; }"}`, 200,
				`{"schema":"\nmessage A {\n  optional int32 a = 1;\n  optional int32 b = 2;\n}\n"}`},
		}},
	} {
		t.Run(story.name, func(t *testing.T) {
			t.Parallel()
			r := embedded.Run(t, embedded.Config{})
			for _, x := range story.steps {
				x.check(t, r.URL())
			}
		})
	}
}
