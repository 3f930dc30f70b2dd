package log

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strconv"
	"strings"

	"github.com/posthaste-go/posthaste/broker/internal/vfs"
)

// ErrFile is matched when a small text file beside the records is not in the
// format it should have.
var ErrFile = errors.New("malformed file")

// ReadFile returns a file's content.
func ReadFile(fsys vfs.FS, name string) ([]byte, error) {
	f, err := fsys.OpenFile(name, vfs.ReadOnly)
	if err != nil {
		return nil, err
	}
	size, err := f.Size()
	if err == nil && size > 0 {
		b := make([]byte, size)
		_, err = f.ReadAt(b, 0)
		return b, errors.Join(err, f.Close())
	}
	return nil, errors.Join(err, f.Close())
}

// WriteFile replaces a file's content: after a crash it has the old or the new
// one. sync makes the new one survive a power cut.
func WriteFile(fsys vfs.FS, name string, content []byte, sync bool) error {
	tmp := name + ".tmp"
	f, err := fsys.OpenFile(tmp, vfs.Truncate)
	if err != nil {
		return err
	}
	_, err = f.WriteAt(content, 0)
	if err == nil && sync {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return errors.Join(err, fsys.Remove(tmp))
	}
	if err := fsys.Rename(tmp, name); err != nil {
		return err
	}
	if sync {
		return fsys.SyncDir(path.Dir(name))
	}
	return nil
}

// Checkpoint is the form that Kafka's checkpoint files share: a version, a
// count, and lines of words. Source: CheckpointFile.
type Checkpoint [][]string

// ReadCheckpoint reads a checkpoint file whose lines have so many words. A
// missing one is empty.
func ReadCheckpoint(fsys vfs.FS, name string, words int) (Checkpoint, error) {
	b, err := ReadFile(fsys, name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	c, err := parseCheckpoint(b, words)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return c, nil
}

func parseCheckpoint(b []byte, words int) (Checkpoint, error) {
	sc := bufio.NewScanner(bytes.NewReader(b))
	var lines []string
	for sc.Scan() {
		lines = append(lines, strings.TrimSpace(sc.Text()))
	}
	if err := sc.Err(); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrFile, err)
	}
	if len(lines) < 2 || lines[0] != "0" {
		return nil, fmt.Errorf("%w: it does not begin with version 0 and a count", ErrFile)
	}
	if n, err := strconv.Atoi(lines[1]); err != nil || n != len(lines)-2 {
		return nil, fmt.Errorf("%w: count %q of %d lines", ErrFile, lines[1], len(lines)-2)
	}
	var c Checkpoint
	for i, line := range lines[2:] {
		fields := strings.Fields(line)
		if len(fields) != words {
			return nil, fmt.Errorf("%w: line %d has %d words, not %d", ErrFile, i+3, len(fields), words)
		}
		c = append(c, fields)
	}
	return c, nil
}

// Write replaces a checkpoint file.
func (c Checkpoint) Write(fsys vfs.FS, name string, sync bool) error {
	var b bytes.Buffer
	fmt.Fprintf(&b, "0\n%d\n", len(c))
	for _, line := range c {
		b.WriteString(strings.Join(line, " "))
		b.WriteByte('\n')
	}
	return WriteFile(fsys, name, b.Bytes(), sync)
}

const metadataName = "partition.metadata"

// ReadTopicID reads the topic's id from a partition's directory; false means
// that the file is missing. Source: PartitionMetadataFile.
func ReadTopicID(fsys vfs.FS, dir string) (id [16]byte, ok bool, err error) {
	name := path.Join(dir, metadataName)
	b, err := ReadFile(fsys, name)
	if errors.Is(err, fs.ErrNotExist) {
		return id, false, nil
	}
	if err != nil {
		return id, false, err
	}
	var version int
	var text string
	if _, err := fmt.Sscanf(string(b), "version: %d\ntopic_id: %s", &version, &text); err != nil {
		return id, false, fmt.Errorf("%s: %w: %w", name, ErrFile, err)
	}
	raw, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil || len(raw) != len(id) || version != 0 {
		return id, false, fmt.Errorf("%s: %w: version %d, topic id %q", name, ErrFile, version, text)
	}
	copy(id[:], raw)
	return id, true, nil
}

// WriteTopicID writes the topic's id into a partition's directory. A power cut
// may lose it; whoever opens the partition knows it.
func WriteTopicID(fsys vfs.FS, dir string, id [16]byte) error {
	text := "version: 0\ntopic_id: " + base64.RawURLEncoding.EncodeToString(id[:])
	return WriteFile(fsys, path.Join(dir, metadataName), []byte(text), false)
}
