// Package simnet is a network in memory that breaks as a test says: connections
// with delay, jitter and bandwidth, which are cut, held up, half lost or refused.
//
//	n := simnet.New(simnet.Settings{Seed: 1, Delay: time.Millisecond})
//	l, err := n.Listen("broker1:9092")       // a net.Listener
//	c, err := n.Dial(ctx, "tcp", "broker1:9092") // a posthaste.DialFunc
//	n.CutAfter("broker1:9092", simnet.ToClient, 17)
//	n.Hold("broker1:9092", simnet.ToServer, true)
//
// It is made for testing/synctest: goroutines wait on channels and timers only,
// and no lock is held while they do, so that virtual time moves on.
//
// What is drawn at random (jitter) depends on the seed, the number of the
// connection, and the number of the write. With equal seeds two runs differ only
// in what the scheduler decides: the order of events at one and the same instant
// of virtual time, and so, for example, which of two dials is the first.
package simnet
