package api

import (
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/posthaste-go/posthaste/internal/errcode"
)

// endpointBrokers is the endpoint type of clients' listeners; 2 is the
// controllers' (KIP-919).
const endpointBrokers = 1

// describeCluster lists the nodes (KIP-700). Versions 0 to 2.
//
//	v1  the type of endpoints (KIP-919)
//	v2  fenced brokers (KIP-1073); there are none
func (a *API) describeCluster(
	c *call, req *kmsg.DescribeClusterRequest, resp *kmsg.DescribeClusterResponse,
) error {
	resp.ClusterAuthorizedOperations = noOperations
	if c.version >= 1 && req.EndpointType != endpointBrokers {
		resp.ErrorCode = int16(errcode.MismatchedEndpointType)
		resp.ErrorMessage = text("this is a broker's listener, controllers have none here")
		return nil
	}
	resp.EndpointType = endpointBrokers
	resp.ClusterID = a.cfg.ClusterID
	resp.ControllerID = a.cfg.Nodes[0].ID
	if req.IncludeClusterAuthorizedOperations {
		resp.ClusterAuthorizedOperations = clusterOperations
	}
	for _, n := range a.nodes(c.req.Peer) {
		b := kmsg.NewDescribeClusterResponseBroker()
		b.NodeID, b.Host, b.Port, b.Rack = n.ID, n.Host, n.Port, text(n.Rack)
		resp.Brokers = append(resp.Brokers, b)
	}
	return nil
}
