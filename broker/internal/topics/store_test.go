package topics

import (
	"bytes"
	"crypto/rand"
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/posthaste-go/posthaste/broker/internal/vfs"
)

func TestStoreAndLoad(t *testing.T) {
	files := vfs.NewMem(nil)
	if err := files.MkdirAll("data"); err != nil {
		t.Fatal(err)
	}
	want := document{Version: fileVersion, Broker: map[string]string{"message.max.bytes": "9"},
		Topics: []entry{
			{Name: "a", ID: "AAAAAAAAQACAAAAAAAAAAA", Partitions: 1, Replication: 1},
			{Name: "b", ID: "BBBBBBBBQACAAAAAAAAAAA", Partitions: 2, Deleting: true,
				Configs: map[string]string{"cleanup.policy": "compact,delete"}},
		}}
	if err := store(files, "data", want); err != nil {
		t.Fatal(err)
	}
	got, err := load(files, "data")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("read back (-want +got):\n%s", diff)
	}
}

func TestLoadSaysWhatIsWrongWithTheFile(t *testing.T) {
	tests := []struct{ name, content, want string }{
		{"no JSON", "{", "topics are taken from the directories"},
		{"a newer format", `{"version":2,"topics":[]}`, "use the newer program"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			files := vfs.NewMem(nil)
			if err := files.MkdirAll("data"); err != nil {
				t.Fatal(err)
			}
			f, err := files.OpenFile("data/"+fileName, vfs.Create)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := f.WriteAt([]byte(tt.content), 0); err != nil {
				t.Fatal(err)
			}
			if _, err = load(files, "data"); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("load: %v, want %q", err, tt.want)
			}
		})
	}
}

func TestIDRoundTrip(t *testing.T) {
	for range 1000 {
		id := newID(rand.Reader)
		text := FormatID(id)
		if back, err := ParseID(text); err != nil || back != id || strings.HasPrefix(text, "-") {
			t.Fatalf("%q became %v, %v", text, back, err)
		}
	}
	if _, err := ParseID("short"); err == nil {
		t.Error("ParseID took a short id")
	}
}

// Whatever names and settings clients invent, the file stays readable JSON.
func FuzzDocument(f *testing.F) {
	f.Add("orders", "cleanup.policy", "compact")
	f.Add("\"", "\n", "\x00")
	f.Fuzz(func(t *testing.T, name, key, value string) {
		d := document{Version: fileVersion,
			Topics: []entry{{Name: name, Configs: map[string]string{key: value}}}}
		var b bytes.Buffer
		if err := d.write(&b); err != nil {
			t.Fatal(err)
		}
		if !json.Valid(b.Bytes()) {
			t.Fatalf("not JSON: %s", b.Bytes())
		}
	})
}
