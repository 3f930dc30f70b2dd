// Package producerids hands out producer ids, each once in the life of a data
// directory.
//
//	producer-id-checkpoint   0 / 1 / the first id that no block has
//
// Ids are taken from the file in blocks of a thousand, and a block is on disk
// before its first id is given out; what is left of a block at a restart is
// lost. Source: ProducerIdManager, KIP-730.
package producerids

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"strconv"
	"strings"
	"sync"

	"github.com/posthaste-go/posthaste/broker/internal/vfs"
)

const (
	fileName  = "producer-id-checkpoint"
	blockSize = 1000
)

// Blocks gives out producer ids.
//
// Locks: mu is held while a block is written, once in a thousand ids.
type Blocks struct {
	files vfs.FS
	dir   string

	mu   sync.Mutex
	next int64 // the id to give out
	end  int64 // the first id beyond the block on disk
}

// Open reads where the run before stopped; a missing file starts at 0.
func Open(files vfs.FS, dir string) (*Blocks, error) {
	b := &Blocks{files: files, dir: dir}
	name := path.Join(dir, fileName)
	f, err := files.OpenFile(name, vfs.ReadOnly)
	if errors.Is(err, fs.ErrNotExist) {
		return b, nil
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	text, err := io.ReadAll(io.NewSectionReader(f, 0, 1<<10))
	if err != nil {
		return nil, err
	}
	b.next, err = parse(string(text))
	if err != nil {
		return nil, fmt.Errorf("%s: %w; write \"0\", \"1\" and an id above all that were used, "+
			"one a line", name, err)
	}
	b.end = b.next
	return b, nil
}

func parse(text string) (int64, error) {
	lines := strings.Fields(text)
	if len(lines) != 3 || lines[0] != "0" || lines[1] != "1" {
		return 0, fmt.Errorf("not a checkpoint of version 0 with one entry: %q", text)
	}
	id, err := strconv.ParseInt(lines[2], 10, 64)
	if err != nil || id < 0 {
		return 0, fmt.Errorf("%q is not a producer id", lines[2])
	}
	return id, nil
}

// Next is a producer id that was never given out before. It fails only if a new
// block cannot be written.
func (b *Blocks) Next() (int64, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.next == b.end {
		if err := b.store(b.end + blockSize); err != nil {
			return 0, fmt.Errorf("%s: %w", path.Join(b.dir, fileName), err)
		}
		b.end += blockSize
	}
	b.next++
	return b.next - 1, nil
}

func (b *Blocks) store(end int64) error {
	name := path.Join(b.dir, fileName)
	f, err := b.files.OpenFile(name+".tmp", vfs.Truncate)
	if err != nil {
		return err
	}
	_, err = f.WriteAt(fmt.Appendf(nil, "0\n1\n%d\n", end), 0)
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	if err := b.files.Rename(name+".tmp", name); err != nil {
		return err
	}
	return b.files.SyncDir(b.dir)
}
