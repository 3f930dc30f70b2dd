package api

import (
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/posthaste-go/posthaste/broker/internal/groupcoordinator"
	"github.com/posthaste-go/posthaste/internal/errcode"
)

// leaveGroup takes members out of a group. Versions 0 to 5.
//
//	v3  several members, static ones too (KIP-345)
//	v5  a reason (KIP-800)
func (a *API) leaveGroup(
	c *call, req *kmsg.LeaveGroupRequest, resp *kmsg.LeaveGroupResponse,
) error {
	if code := a.coordinates(c); code != errcode.None {
		resp.ErrorCode = int16(code)
		return nil
	}
	if c.version < 3 {
		m := kmsg.NewLeaveGroupRequestMember()
		m.MemberID = req.MemberID
		req.Members = []kmsg.LeaveGroupRequestMember{m}
	}
	refs := make([]groupcoordinator.MemberRef, len(req.Members))
	for i, m := range req.Members {
		refs[i] = memberRef(req.Group, -1, m.MemberID, m.InstanceID)
	}
	codes, code := a.groups.Leave(req.Group, refs)
	resp.ErrorCode = int16(code)
	if c.version < 3 {
		if code == errcode.None {
			resp.ErrorCode = int16(codes[0])
		}
		return nil
	}
	for i, m := range req.Members {
		rm := kmsg.NewLeaveGroupResponseMember()
		rm.MemberID, rm.InstanceID, rm.ErrorCode = m.MemberID, m.InstanceID, int16(codes[i])
		resp.Members = append(resp.Members, rm)
	}
	return nil
}
