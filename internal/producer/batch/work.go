package batch

import "time"

// Work is what a partition holds for the sender.
type Work struct {
	Ready     bool      // the first closed batch can be taken
	Open      bool      // there is an open batch
	Sealing   bool      // the first closed batch is being compressed
	Full      bool      // the open batch comes first and has batch.size
	OpenSince time.Time // of the open batch
	Opened    int64     // batches opened so far
	Oldest    time.Time // when the oldest batch was opened; zero if there is none
}

// Empty reports whether there is nothing to take, now or later.
func (w Work) Empty() bool { return !w.Ready && !w.Open && !w.Sealing }
