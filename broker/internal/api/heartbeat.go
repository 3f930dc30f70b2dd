package api

import (
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/posthaste-go/posthaste/internal/errcode"
)

// heartbeat keeps a member's session. Versions 0 to 4; v3 has static members.
func (a *API) heartbeat(c *call, req *kmsg.HeartbeatRequest, resp *kmsg.HeartbeatResponse) error {
	code := a.coordinates(c)
	if code == errcode.None {
		code = a.groups.Heartbeat(memberRef(req.Group, req.Generation, req.MemberID, req.InstanceID))
	}
	resp.ErrorCode = int16(code)
	return nil
}
