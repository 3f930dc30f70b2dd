package topics

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"

	"github.com/posthaste-go/posthaste/broker/internal/partition"
	"github.com/posthaste-go/posthaste/broker/internal/vfs"
)

// fileName is the registry's file in the data directory.
const fileName = "posthaste-topics.json"

// fileVersion is the format of the file. A newer one is refused.
const fileVersion = 1

// document is the file's content.
type document struct {
	Version int               `json:"version"`
	Broker  map[string]string `json:"broker,omitempty"` // settings made at run time
	Topics  []entry           `json:"topics"`
}

type entry struct {
	Name        string            `json:"name"`
	ID          string            `json:"id"` // base64 as Kafka's tools print it
	Partitions  int               `json:"partitions"`
	Replication int               `json:"replication,omitempty"`
	Deleting    bool              `json:"deleting,omitempty"` // its files may still be there
	Configs     map[string]string `json:"configs,omitempty"`
}

// FormatID is a topic's id as Kafka writes it.
func FormatID(id partition.TopicID) string { return base64.RawURLEncoding.EncodeToString(id[:]) }

// ParseID reads what FormatID writes.
func ParseID(s string) (id partition.TopicID, err error) {
	b, err := base64.RawURLEncoding.DecodeString(s)
	if err != nil || len(b) != len(id) {
		return id, fmt.Errorf("topic id %q is not 22 characters of base64", s)
	}
	return partition.TopicID(b), nil
}

// load reads the file; a missing one is an empty document.
func load(files vfs.FS, dir string) (document, error) {
	name := path.Join(dir, fileName)
	d := document{Version: fileVersion}
	f, err := files.OpenFile(name, vfs.ReadOnly)
	if errors.Is(err, fs.ErrNotExist) {
		return d, nil
	}
	if err != nil {
		return d, err
	}
	defer f.Close()
	size, err := f.Size()
	if err != nil {
		return d, err
	}
	b, err := io.ReadAll(io.NewSectionReader(f, 0, size))
	if err != nil {
		return d, err
	}
	if err := json.Unmarshal(b, &d); err != nil {
		return d, fmt.Errorf("%s: %w; without the file, topics are taken from the directories, "+
			"with default settings", name, err)
	}
	if d.Version != fileVersion {
		return d, fmt.Errorf("%s has format %d, this version reads %d: use the newer program",
			name, d.Version, fileVersion)
	}
	return d, nil
}

// store replaces the file so that a crash leaves the old or the new one.
func store(files vfs.FS, dir string, d document) error {
	var b bytes.Buffer
	if err := d.write(&b); err != nil {
		return err
	}
	name := path.Join(dir, fileName)
	f, err := files.OpenFile(name+".tmp", vfs.Truncate)
	if err != nil {
		return err
	}
	_, err = f.WriteAt(b.Bytes(), 0)
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	if err := files.Rename(name+".tmp", name); err != nil {
		return err
	}
	return files.SyncDir(dir)
}

// write writes one topic a line, for people and for diff.
func (d *document) write(w *bytes.Buffer) error {
	head, err := json.Marshal(d.Broker)
	if err != nil {
		return err
	}
	fmt.Fprintf(w, "{\"version\":%d,\n\"broker\":%s,\n\"topics\":[", d.Version, head)
	for i, e := range d.Topics {
		line, err := json.Marshal(e)
		if err != nil {
			return err
		}
		if i > 0 {
			w.WriteByte(',')
		}
		w.WriteByte('\n')
		w.Write(line)
	}
	w.WriteString("\n]}\n")
	return nil
}
