package api

import (
	"fmt"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/posthaste-go/posthaste/internal/errcode"
)

// What FindCoordinator can look for.
const (
	groupCoordinator = int8(0)
	txnCoordinator   = int8(1)
)

// findCoordinator names the node that coordinates a group or a transactional
// id. Versions 0 to 6.
//
//	v1  transactional ids beside groups (KIP-98)
//	v4  several keys at once (KIP-699)
//	v6  share groups (KIP-932), which are not coordinated here
func (a *API) findCoordinator(
	c *call, req *kmsg.FindCoordinatorRequest, resp *kmsg.FindCoordinatorResponse,
) error {
	keys := req.CoordinatorKeys
	if c.version < 4 {
		keys = []string{req.CoordinatorKey}
	}
	for _, key := range keys {
		out := a.coordinator(c, key, req.CoordinatorType)
		if c.version < 4 {
			resp.ErrorCode, resp.ErrorMessage = out.ErrorCode, out.ErrorMessage
			resp.NodeID, resp.Host, resp.Port = out.NodeID, out.Host, out.Port
			return nil
		}
		resp.Coordinators = append(resp.Coordinators, out)
	}
	return nil
}

func (a *API) coordinator(
	c *call, key string, kind int8,
) kmsg.FindCoordinatorResponseCoordinator {
	out := kmsg.NewFindCoordinatorResponseCoordinator()
	out.Key = key
	node := 0
	if kind == txnCoordinator {
		var err error
		if node, err = a.txnCoordinator(key); err != nil {
			a.complain("transactions cannot be stored", err)
			out.NodeID, out.Port = -1, -1
			out.ErrorCode = int16(errcode.CoordinatorNotAvailable)
			return out
		}
	}
	if kind == groupCoordinator || kind == txnCoordinator {
		n := a.nodes(c.req.Peer)[node]
		out.NodeID, out.Host, out.Port = n.ID, n.Host, n.Port
		return out
	}
	out.NodeID, out.Port = -1, -1
	out.ErrorCode = int16(errcode.InvalidRequest)
	out.ErrorMessage = text(fmt.Sprintf("this broker has no coordinator of type %d", kind))
	return out
}
