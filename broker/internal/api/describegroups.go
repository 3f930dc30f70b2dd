package api

import (
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/posthaste-go/posthaste/broker/internal/groupcoordinator"
	"github.com/posthaste-go/posthaste/internal/errcode"
)

// describeGroups tells all of groups. Versions 0 to 6.
//
//	v3  authorized operations (KIP-430)
//	v4  static members (KIP-345)
//	v6  GROUP_ID_NOT_FOUND, where before a group that is not there was Dead
//	    (KIP-1043)
func (a *API) describeGroups(
	c *call, req *kmsg.DescribeGroupsRequest, resp *kmsg.DescribeGroupsResponse,
) error {
	for _, id := range req.Groups {
		d, code := groupcoordinator.Description{ID: id}, a.coordinates(c)
		if code == errcode.None {
			d, code = a.groups.Describe(id)
		}
		rg := kmsg.NewDescribeGroupsResponseGroup()
		if code == errcode.GroupIdNotFound {
			if c.version >= 6 {
				rg.ErrorMessage = text("there is no group " + id)
			} else {
				code = errcode.None
			}
		}
		rg.ErrorCode, rg.Group, rg.State = int16(code), id, string(d.State)
		rg.ProtocolType, rg.Protocol = d.ProtocolType, d.Protocol
		rg.AuthorizedOperations = noOperations
		if req.IncludeAuthorizedOperations {
			rg.AuthorizedOperations = groupOperations
		}
		for _, m := range d.Members {
			rm := kmsg.NewDescribeGroupsResponseGroupMember()
			rm.MemberID, rm.InstanceID = m.ID, text(m.InstanceID)
			rm.ClientID, rm.ClientHost = m.ClientID, m.ClientHost
			rm.ProtocolMetadata, rm.MemberAssignment = m.Metadata, m.Assignment
			rg.Members = append(rg.Members, rm)
		}
		resp.Groups = append(resp.Groups, rg)
	}
	return nil
}
