package api

import (
	"slices"
	"strings"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/posthaste-go/posthaste/internal/errcode"
)

const classicType = "classic" // as ListGroups names the protocol's type (KIP-848)

// listGroups lists the groups. Versions 0 to 5.
//
//	v4  states (KIP-518)
//	v5  types (KIP-848)
func (a *API) listGroups(
	c *call, req *kmsg.ListGroupsRequest, resp *kmsg.ListGroupsResponse,
) error {
	if a.coordinates(c) != errcode.None {
		return nil // this node has none; a client asks all of them
	}
	list, code := a.groups.List()
	resp.ErrorCode = int16(code)
	for _, g := range list {
		if !passes(req.StatesFilter, string(g.State)) || !passes(req.TypesFilter, classicType) {
			continue
		}
		rg := kmsg.NewListGroupsResponseGroup()
		rg.Group, rg.ProtocolType = g.ID, g.ProtocolType
		rg.GroupState, rg.GroupType = string(g.State), classicType
		resp.Groups = append(resp.Groups, rg)
	}
	return nil
}

func passes(filter []string, value string) bool {
	return len(filter) == 0 ||
		slices.ContainsFunc(filter, func(f string) bool { return strings.EqualFold(f, value) })
}
