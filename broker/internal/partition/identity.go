package partition

import (
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"slices"
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

// savePoints writes the offsets up to which each partition was synced.
func (d *Dir) savePoints() error {
	return d.saveOffsets(pointsName, true, func(p *Partition) (int64, bool) {
		return p.log.RecoveryPoint(), true
	})
}

// saveStarts writes the log start offsets that no segment's name tells.
func (d *Dir) saveStarts() error {
	return d.saveOffsets(startsName, true, func(p *Partition) (int64, bool) {
		start := p.log.StartOffset()
		return start, start > 0
	})
}

// saveEnds writes the high watermarks, for Apache Kafka: we do not need them.
func (d *Dir) saveEnds() error {
	return d.saveOffsets(endsName, false, func(p *Partition) (int64, bool) {
		return p.log.EndOffset(), true
	})
}

// saveOffsets writes a checkpoint of an offset of each partition, with what the
// last run wrote of those that are not open. What is written already is not
// written again.
func (d *Dir) saveOffsets(name string, known bool, of func(*Partition) (int64, bool)) error {
	d.saveMu.Lock()
	defer d.saveMu.Unlock()
	offsets := map[TopicPartition]int64{}
	if known {
		d.mu.Lock()
		maps.Copy(offsets, map[string]map[TopicPartition]int64{
			pointsName: d.points, startsName: d.starts,
		}[name])
		d.mu.Unlock()
	}
	for _, p := range d.partitions() {
		delete(offsets, p.tp)
		if offset, ok := of(p); ok {
			offsets[p.tp] = offset
		}
	}
	c := make(log.Checkpoint, 0, len(offsets))
	for _, tp := range slices.SortedFunc(maps.Keys(offsets), compare) {
		c = append(c, []string{
			tp.Topic, strconv.Itoa(int(tp.Partition)), strconv.FormatInt(offsets[tp], 10),
		})
	}
	text := fmt.Sprint(c)
	if d.saved[name] == text {
		return nil
	}
	if err := c.Write(d.fs, d.file(name), true); err != nil {
		return fmt.Errorf("write checkpoint: %w", err)
	}
	d.saved[name] = text
	return nil
}
