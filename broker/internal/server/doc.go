// Package server moves frames: it accepts connections, reads requests, hands
// them to a Handler and writes the answers, in the order of the requests as the
// protocol demands. What a request means is package api's.
//
//	           ┌ inline ───────────┐
//	read frame ┤                   ├▶ out ─▶ write
//	           └ waiter goroutine ─┘   when no whole request is buffered
//
// A request is answered by the goroutine that read it, with its bytes still in
// the read buffer: no hand-over and no copy for Produce. Only requests that may
// wait (long polls) go to the connection's second goroutine, so that the first
// can go on reading and sees the client leave. There is at most one of them at a
// time; the next request waits for it.
//
// Memory of a connection: one read buffer, as large as the largest request of
// late; one output buffer, borrowed while there is output.
package server
