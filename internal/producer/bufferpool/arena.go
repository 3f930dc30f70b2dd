package bufferpool

// chunkBytes is about how much memory the arena asks the system for at a time.
const chunkBytes = 1 << 20

// arena makes the buffers of one size class, outside the garbage collector's heap
// where the system allows. In the heap, buffer.memory would count as live twice
// over: the collector lets a heap grow to twice what lives in it before it looks,
// so that 32 MiB of buffers cost 64 MiB of resident memory.
//
// The pool's lock guards it. Its address space never exceeds buffer.memory by
// more than a chunk, because no more buffers of one size are ever out.
type arena struct {
	size   int      // capacity of a buffer
	stride int      // size, rounded up to cache lines
	chunks [][]byte // what the system gave
	rest   []byte   // of the last chunk
	cold   [][]byte // buffers whose memory the system has back
	failed bool     // the system gives none: the heap does
}

const (
	lineSize = 64      // of a cache: buffers share no line
	smallest = 4 << 10 // a page: of what is smaller the system gets nothing back
)

func newArena(size int) arena {
	return arena{
		size:   size,
		stride: (size + lineSize - 1) &^ (lineSize - 1),
		failed: !mapped || size < smallest,
	}
}

// take is an empty buffer, or nil if the caller has to make one.
func (a *arena) take() []byte {
	if n := len(a.cold); n > 0 {
		buf := a.cold[n-1]
		a.cold[n-1] = nil
		a.cold = a.cold[:n-1]
		return buf
	}
	if a.failed {
		return nil
	}
	if len(a.rest) < a.stride {
		chunk, err := mapBytes(max(chunkBytes/a.stride, 1) * a.stride)
		if err != nil {
			a.failed = true // a limit on address space: the heap has its own
			return nil
		}
		a.chunks = append(a.chunks, chunk)
		a.rest = chunk
	}
	buf := a.rest[:0:a.size]
	a.rest = a.rest[a.stride:]
	return buf
}

// cool gives the memory of a buffer back to the system, but not its address.
func (a *arena) cool(buf []byte) {
	if a.failed {
		return // it may be the heap's
	}
	releasePages(buf[:cap(buf)])
	a.cold = append(a.cold, buf[:0])
}

// free gives everything back. No buffer is in use any more.
func (a *arena) free() {
	for _, chunk := range a.chunks {
		unmapBytes(chunk)
	}
	*a = arena{failed: true}
}
