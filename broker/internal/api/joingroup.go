package api

import (
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/posthaste-go/posthaste/broker/internal/groupcoordinator"
	"github.com/posthaste-go/posthaste/internal/errcode"
)

// joinGroup makes a consumer a member of its group. Versions 0 to 9.
//
//	v1  a timeout of its own for rebalances (KIP-62)
//	v4  a new member gets an id first (KIP-394)
//	v5  static members (KIP-345)
//	v7  the protocol's type in the answer (KIP-559)
//	v8  a reason (KIP-800)
//	v9  the leader may be told not to assign (KIP-814)
func (a *API) joinGroup(c *call, req *kmsg.JoinGroupRequest, resp *kmsg.JoinGroupResponse) error {
	r := groupcoordinator.JoinRequest{
		Group: req.Group, MemberID: req.MemberID, InstanceID: value(req.InstanceID),
		ClientID: string(c.req.Header.ClientID), ClientHost: memberHost(c),
		SessionTimeout:     time.Duration(req.SessionTimeoutMillis) * time.Millisecond,
		RebalanceTimeout:   time.Duration(req.RebalanceTimeoutMillis) * time.Millisecond,
		ProtocolType:       req.ProtocolType,
		RequireKnownMember: c.version >= 4,
		CanSkipAssignment:  c.version >= 9,
	}
	if c.version == 0 {
		r.RebalanceTimeout = r.SessionTimeout
	}
	for _, p := range req.Protocols {
		r.Protocols = append(r.Protocols, groupcoordinator.Protocol{Name: p.Name, Metadata: p.Metadata})
	}
	result := groupcoordinator.JoinResult{Code: a.coordinates(c), MemberID: req.MemberID}
	if result.Code == errcode.None {
		result = a.groups.Join(c.ctx, r)
	}
	resp.ErrorCode = int16(result.Code)
	resp.MemberID = result.MemberID
	if result.Code != errcode.None {
		resp.Generation = -1
		if c.version < 7 {
			resp.Protocol = new(string) // not nullable before
		}
		return nil
	}
	resp.Generation = result.Generation
	resp.ProtocolType, resp.Protocol = &result.ProtocolType, &result.Protocol
	resp.LeaderID = result.Leader
	resp.SkipAssignment = result.SkipAssignment
	for _, m := range result.Members {
		rm := kmsg.NewJoinGroupResponseMember()
		rm.MemberID, rm.InstanceID, rm.ProtocolMetadata = m.ID, text(m.InstanceID), m.Metadata
		resp.Members = append(resp.Members, rm)
	}
	return nil
}
