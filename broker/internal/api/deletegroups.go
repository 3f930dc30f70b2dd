package api

import (
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/posthaste-go/posthaste/internal/errcode"
)

// deleteGroups removes groups without members (KIP-229). Versions 0 to 3.
func (a *API) deleteGroups(
	c *call, req *kmsg.DeleteGroupsRequest, resp *kmsg.DeleteGroupsResponse,
) error {
	for _, id := range req.Groups {
		code := a.coordinates(c)
		if code == errcode.None {
			code = a.groups.Delete(id)
		}
		rg := kmsg.NewDeleteGroupsResponseGroup()
		rg.Group, rg.ErrorCode = id, int16(code)
		if code == errcode.NonEmptyGroup {
			rg.ErrorMessage = text("group " + id + " has members")
		}
		resp.Groups = append(resp.Groups, rg)
	}
	return nil
}
