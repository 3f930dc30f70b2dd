package partition

import (
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"strconv"
	"strings"

	"github.com/posthaste-go/posthaste/broker/internal/log"
)

// newUUID is a random id as Kafka writes them: 22 characters of base64.
func newUUID() string {
	var b [16]byte
	rand.Read(b[:]) // never fails
	b[6] = b[6]&0x0f | 0x40
	b[8] = b[8]&0x3f | 0x80
	text := base64.RawURLEncoding.EncodeToString(b[:])
	if text[0] == '-' { // would look like an option on a command line
		return newUUID()
	}
	return text
}

// identify reads meta.properties, or writes a new one, and returns the
// cluster's id. Source: MetaProperties.
func (d *Dir) identify() (cluster string, err error) {
	b, err := log.ReadFile(d.fs, d.file(metaName))
	if errors.Is(err, fs.ErrNotExist) {
		if cluster = d.cfg.ClusterID; cluster == "" {
			cluster = newUUID()
		}
		text := fmt.Sprintf("#\ncluster.id=%s\ndirectory.id=%s\nnode.id=%d\nversion=1\n",
			cluster, newUUID(), d.cfg.NodeID)
		return cluster, log.WriteFile(d.fs, d.file(metaName), []byte(text), true)
	}
	if err != nil {
		return "", err
	}
	m := map[string]string{}
	for line := range strings.Lines(string(b)) {
		if line = strings.TrimSpace(line); line == "" || line[0] == '#' {
			continue
		}
		name, value, _ := strings.Cut(line, "=")
		m[strings.TrimSpace(name)] = strings.TrimSpace(value)
	}
	cluster = m["cluster.id"]
	id := m["node.id"]
	if m["version"] == "0" { // before KRaft
		id = m["broker.id"]
	}
	switch {
	case m["version"] != "1" && m["version"] != "0":
		return "", fmt.Errorf("%w: %s has version %q, this broker knows 1",
			ErrDirFormat, metaName, m["version"])
	case cluster == "":
		return "", fmt.Errorf("%w: %s names no cluster.id", ErrDirFormat, metaName)
	case d.cfg.ClusterID != "" && d.cfg.ClusterID != cluster:
		return "", fmt.Errorf("%w: it belongs to cluster %s, not %s",
			ErrDirFormat, cluster, d.cfg.ClusterID)
	case id != strconv.Itoa(int(d.cfg.NodeID)):
		return "", fmt.Errorf("%w: it belongs to node %s, not %d", ErrDirFormat, id, d.cfg.NodeID)
	}
	return cluster, nil
}
