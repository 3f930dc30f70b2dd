// Package groupcoordinator coordinates consumer groups of the classic protocol:
// who is a member, which member leads, which assignment holds, and how far the
// group has read.
//
//	Empty ──join──▶ PreparingRebalance ──all joined, or time is up──▶ CompletingRebalance
//	  ▲                ▲      │                                          │
//	  │                │      └──nobody joined──▶ Empty      leader's assignment
//	  │                │                                                 ▼
//	  └──last leaves── └───────────a member comes, goes or changes──── Stable
//
// What must outlive the broker, which is the members of a stable group and the
// offsets, goes to __consumer_offsets as Kafka writes it, so that Kafka's tools
// can read it; a group is loaded from there when it is first asked for.
//
// Source: GroupMetadataManager, ClassicGroup; KIP-62 (session and rebalance
// timeouts), KIP-345 (static members), KIP-394 (member ids are given out first).
package groupcoordinator
