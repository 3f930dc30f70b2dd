package api

import (
	"regexp"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/posthaste-go/posthaste/broker/internal/txncoordinator"
	"github.com/posthaste-go/posthaste/internal/errcode"
	"github.com/posthaste-go/posthaste/internal/protocol"
)

var softwareName = regexp.MustCompile(`^[a-zA-Z0-9](?:[a-zA-Z0-9\-.]*[a-zA-Z0-9])?$`)

// apiVersions says what this broker speaks. Versions 0 to 5.
//
//	v3  client's software (KIP-511), features (KIP-584); the response's header stays v0
//	v4  features from version 0 on (KIP-1022)
//	v5  the cluster and node that the client believes to talk to (KIP-1242)
func (a *API) apiVersions(
	c *call, req *kmsg.ApiVersionsRequest, resp *kmsg.ApiVersionsResponse,
) error {
	if c.version >= 3 {
		if !softwareName.MatchString(req.ClientSoftwareName) ||
			!softwareName.MatchString(req.ClientSoftwareVersion) {
			resp.ErrorCode = int16(errcode.InvalidRequest)
			return nil
		}
		c.req.Peer.Software = req.ClientSoftwareName
		c.req.Peer.SoftwareVersion = req.ClientSoftwareVersion
	}
	if c.version >= 5 {
		known := req.ClusterID != nil
		switch {
		case known != (req.NodeID >= 0):
			resp.ErrorCode = int16(errcode.InvalidRequest)
			return nil
		case known && (*req.ClusterID != a.cfg.ClusterID || req.NodeID != a.asking(c).ID):
			resp.ErrorCode = int16(errcode.RebootstrapRequired)
			return nil
		}
	}
	resp.ApiKeys = a.advertised()
	if c.version >= 3 {
		a.features(c, resp)
	}
	return nil
}

// features says which versions of transactions there are, and which one is in
// force (KIP-584, KIP-890).
func (a *API) features(c *call, resp *kmsg.ApiVersionsResponse) {
	const name = "transaction.version"
	s := kmsg.NewApiVersionsResponseSupportedFeature()
	s.Name, s.MaxVersion = name, int16(txncoordinator.Version2)
	if c.version < 4 {
		s.MinVersion = 1 // older clients cannot read a 0 there
	}
	resp.SupportedFeatures = append(resp.SupportedFeatures, s)
	resp.FinalizedFeaturesEpoch = 1
	// A feature at level 0 counts as one that is not finalized.
	if level := int16(a.txnVersion()); level > 0 {
		f := kmsg.NewApiVersionsResponseFinalizedFeature()
		f.Name, f.MinVersionLevel, f.MaxVersionLevel = name, level, level
		resp.FinalizedFeatures = append(resp.FinalizedFeatures, f)
	}
}

func (a *API) advertised() []kmsg.ApiVersionsResponseApiKey {
	list := make([]kmsg.ApiVersionsResponseApiKey, 0, len(a.table))
	for key := range a.table {
		e := a.entry(protocol.Key(key))
		if e == nil {
			continue
		}
		k := kmsg.NewApiVersionsResponseApiKey()
		k.ApiKey, k.MinVersion, k.MaxVersion = int16(key), e.advertised.Min, e.advertised.Max
		list = append(list, k)
	}
	return list
}

// unknownAPIVersions answers a version that is not known in version 0, which
// every client reads, with the versions that are (KIP-511).
func (a *API) unknownAPIVersions(out []byte) []byte {
	resp := kmsg.NewApiVersionsResponse()
	resp.ErrorCode = int16(errcode.UnsupportedVersion)
	e := a.entry(protocol.APIVersions)
	k := kmsg.NewApiVersionsResponseApiKey()
	k.ApiKey, k.MinVersion, k.MaxVersion = int16(protocol.APIVersions), e.Min, e.Max
	resp.ApiKeys = append(resp.ApiKeys, k)
	return resp.AppendTo(out)
}
