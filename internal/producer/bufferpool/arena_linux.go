//go:build linux && !race

package bufferpool

import (
	"os"
	"syscall"
	"unsafe"
)

// mapped says that buffers come from the system. Not so under the race
// detector, which sees accesses to the heap only.
const mapped = true

func mapBytes(n int) ([]byte, error) {
	return syscall.Mmap(-1, 0, n, syscall.PROT_READ|syscall.PROT_WRITE,
		syscall.MAP_ANON|syscall.MAP_PRIVATE)
}

func unmapBytes(b []byte) {
	if err := syscall.Munmap(b); err != nil {
		panic("bufferpool: unmap: " + err.Error()) // not what mapBytes gave
	}
}

// releasePages gives up the content of the pages that lie within b.
func releasePages(b []byte) {
	page := uintptr(os.Getpagesize())
	start := uintptr(unsafe.Pointer(unsafe.SliceData(b)))
	from := (start + page - 1) &^ (page - 1)
	to := (start + uintptr(len(b))) &^ (page - 1)
	if from >= to {
		return
	}
	if err := syscall.Madvise(b[from-start:to-start], syscall.MADV_DONTNEED); err != nil {
		return // a hint: the memory stays with us
	}
}
