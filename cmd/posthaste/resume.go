package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/posthaste-go/posthaste"
	"github.com/posthaste-go/posthaste/cmd/posthaste/internal/report"
)

// resumption is how far earlier runs came. It is kept as the offset of a consumer
// group, which is committed in the transaction of the records that it counts: so
// it says exactly how many rows are in the topic.
type resumption struct {
	group string // named after the transactional id
	input string // which files, for a run that has others
	topic string
}

// newResumption returns nil without --resume.
func newResumption(c *produceCmd) (*resumption, error) {
	if !c.Resume {
		return nil, nil
	}
	var files []string
	for _, path := range c.Files {
		info, err := os.Stat(path)
		if err != nil {
			return nil, openFailure(path, err)
		}
		files = append(files, fmt.Sprintf("%s:%d", filepath.Base(path), info.Size()))
	}
	return &resumption{group: "posthaste-produce-" + c.TransactionalID,
		input: strings.Join(files, ","), topic: c.Topic}, nil
}

// resumeWith readies --resume, which asks a how far the last run came.
func (p *production) resumeWith(a *admin) (err error) {
	if p.txn != nil {
		p.admin = a
		p.txn.resumption, err = newResumption(p.cmd)
	}
	return err
}

// checkResume refuses what cannot be resumed.
func (c *produceCmd) checkResume() error {
	switch {
	case !c.Resume:
		return nil
	case c.TransactionalID == "":
		return usagef("--resume goes with --transactional-id: transactions say how far a run came")
	case len(c.Files) == 0:
		return usagef("--resume needs files: what standard input had cannot be read again")
	}
	for _, path := range c.Files {
		if path == "-" {
			return usagef("--resume needs files: what standard input had cannot be read again")
		}
	}
	return nil
}

// position is the offset that says that n rows are produced. A nil resumption has
// none.
func (r *resumption) position(n int64) map[posthaste.TopicPartition]posthaste.OffsetAndMetadata {
	return map[posthaste.TopicPartition]posthaste.OffsetAndMetadata{
		{Topic: r.topic}: {Offset: n, Metadata: r.input}}
}

// produced asks how many rows earlier runs have produced. The transaction that
// the last one left open has been ended by then.
func (r *resumption) produced(ctx context.Context, a *admin) (int64, error) {
	ctx, cancel := context.WithTimeout(ctx, adminTimeout)
	defer cancel()
	offsets, err := a.FetchOffsets(ctx, r.group)
	for kerr.IsRetriable(err) { // a cluster's first group makes __consumer_offsets
		select {
		case <-time.After(100 * time.Millisecond):
			offsets, err = a.FetchOffsets(ctx, r.group)
			continue
		case <-ctx.Done():
		}
		break
	}
	if err != nil {
		return 0, a.failed(ctx, "cannot ask how far the last run came", err)
	}
	at, there := offsets.Lookup(r.topic, 0)
	switch {
	case !there || at.At < 0:
		return 0, nil
	case at.Err != nil:
		return 0, a.failed(ctx, "cannot ask how far the last run came", at.Err)
	case at.Metadata != r.input:
		return 0, fmt.Errorf("cannot resume: the last run with this --transactional-id had other "+
			"input (%s, now %s); take another --transactional-id, or leave out --resume", at.Metadata,
			r.input)
	}
	return at.At, nil
}

// resume finds out what to pass over.
func (p *production) resume() (err error) {
	if p.txn == nil || p.txn.resumption == nil {
		return nil
	}
	if p.passOver, err = p.txn.resumption.produced(p.e.ctx, p.admin); err == nil && p.passOver > 0 {
		p.e.note("%s of the input are produced already; going on behind them",
			report.Plural(p.passOver, "row"))
	}
	return err
}
