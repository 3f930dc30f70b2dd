package bufferpool

import (
	"bytes"
	"testing"
)

// Full-size buffers share no byte, wherever they come from.
func TestFullBuffersAreApart(t *testing.T) {
	const n, top = 300, 16401 // several chunks
	p := New(n*top, top)
	var held [][]byte
	for i := range n {
		b := mustGet(t, p, top)[:top]
		for j := range b {
			b[j] = byte(i)
		}
		held = append(held, b)
	}
	for i, b := range held {
		if want := bytes.Repeat([]byte{byte(i)}, top); !bytes.Equal(b, want) {
			t.Fatalf("buffer %d was written by another", i)
		}
		p.Put(b)
	}
	whole(t, p)
}

// A kept full-size buffer that stands in the way of another size gives its memory
// to the system, and is the same buffer when it is needed again.
func TestFullBuffersGoCold(t *testing.T) {
	const top = 64 << 10
	p := New(4*top, top)
	b := mustGet(t, p, top)[:top]
	for i := range b {
		b[i] = 1
	}
	p.Put(b)
	big := mustGet(t, p, 4*top)
	if p.kept != 0 {
		t.Errorf("%d bytes are kept while one buffer holds all memory", p.kept)
	}
	p.Put(big)
	again := mustGet(t, p, top)[:top]
	if mapped {
		if &again[0] != &b[0] {
			t.Error("another buffer was made")
		}
		if middle := again[top/2]; middle != 0 {
			t.Errorf("the buffer's memory has %d in it: the system did not get it back", middle)
		}
	}
	p.Put(again)
	whole(t, p)
}

// The arena's memory goes back when the pool is closed and the last buffer is.
func TestArenaIsFreedOnce(t *testing.T) {
	if !mapped {
		t.Skip("buffers come from the heap here")
	}
	p := New(1<<20, 16401)
	a, b := mustGet(t, p, 16401), mustGet(t, p, 16401)
	p.Put(a)
	p.Close()
	if len(p.arenas[p.class(16401)].chunks) == 0 {
		t.Fatal("freed while a buffer is out")
	}
	b = append(b, "still writable"...)
	p.Put(b)
	if len(p.arenas[p.class(16401)].chunks) != 0 {
		t.Error("not freed though all buffers are back")
	}
	whole(t, p)
}

// Where the system gives no memory the heap does.
func TestArenaWithoutMemory(t *testing.T) {
	p := New(1<<20, 16401)
	p.arenas[p.class(16401)].failed = true
	a := append(mustGet(t, p, 16401), 1)
	p.Put(a)
	p.Put(mustGet(t, p, 1<<20)) // lets go of a
	p.Put(mustGet(t, p, 16401))
	p.Close()
	whole(t, p)
}
