package api

import (
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/posthaste-go/posthaste/broker/internal/groupcoordinator"
	"github.com/posthaste-go/posthaste/internal/errcode"
)

// syncGroup gives a member its assignment. Versions 0 to 5.
//
//	v3  static members (KIP-345)
//	v5  the protocol's type and name (KIP-559)
func (a *API) syncGroup(c *call, req *kmsg.SyncGroupRequest, resp *kmsg.SyncGroupResponse) error {
	resp.MemberAssignment = []byte{}
	if code := a.coordinates(c); code != errcode.None {
		resp.ErrorCode = int16(code)
		return nil
	}
	r := groupcoordinator.SyncRequest{
		MemberRef:    memberRef(req.Group, req.Generation, req.MemberID, req.InstanceID),
		ProtocolType: req.ProtocolType, Protocol: req.Protocol,
		Assignments: make(map[string][]byte, len(req.GroupAssignment)),
	}
	for _, ga := range req.GroupAssignment {
		r.Assignments[ga.MemberID] = ga.MemberAssignment
	}
	result := a.groups.Sync(c.ctx, r)
	resp.ErrorCode = int16(result.Code)
	if result.Code == errcode.None {
		resp.ProtocolType, resp.Protocol = &result.ProtocolType, &result.Protocol
		resp.MemberAssignment = append(resp.MemberAssignment, result.Assignment...)
	}
	return nil
}

func memberRef(
	group string, generation int32, member string, instance *string,
) groupcoordinator.MemberRef {
	return groupcoordinator.MemberRef{Group: group, Generation: generation, MemberID: member,
		InstanceID: value(instance)}
}
