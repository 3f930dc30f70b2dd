package conn

import (
	"errors"
	"fmt"
	"net"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/posthaste-go/posthaste/internal/errcode"
	"github.com/posthaste-go/posthaste/internal/producer/metadata"
	"github.com/posthaste-go/posthaste/internal/producer/sender"
	"github.com/posthaste-go/posthaste/internal/protocol"
)

// Versions that this client speaks; the oldest broker is Kafka 2.1.
var ours = map[protocol.Key]protocol.Range{
	protocol.Produce:          {Min: 3, Max: 13},
	protocol.Metadata:         {Min: 4, Max: 13},
	protocol.InitProducerID:   {Min: 0, Max: 5},
	protocol.SASLHandshake:    {Min: 1, Max: 1},
	protocol.SASLAuthenticate: {Min: 0, Max: 2},

	protocol.FindCoordinator:    {Min: 0, Max: 6},
	protocol.AddPartitionsToTxn: {Min: 0, Max: 3}, // 4 and above are for brokers
	protocol.AddOffsetsToTxn:    {Min: 0, Max: 4},
	protocol.TxnOffsetCommit:    {Min: 0, Max: 6},
	protocol.EndTxn:             {Min: 0, Max: 5},
}

// Version of this library as brokers see it (KIP-511).
const (
	softwareName    = "posthaste"
	softwareVersion = "0.1.0"
)

// handshakes is more correlation ids than a handshake uses.
const handshakes = 1 << 8

// ours1 is the newest version of what a version 1 transaction sends: the next
// ones mean version 2 to the broker (KIP-890).
var ours1 = map[protocol.Key]int16{
	protocol.Produce: 11, protocol.TxnOffsetCommit: 4, protocol.EndTxn: 4,
}

// versions is what a broker speaks.
type versions struct {
	theirs map[protocol.Key]protocol.Range

	// The cluster's finalized features, if the broker said any.
	featuresEpoch      int64
	transactionVersion int16
}

func (v *versions) has(key protocol.Key) bool {
	_, ok := v.theirs[key].Highest(ours[key])
	_, known := v.theirs[key]
	return ok && known
}

// of sets a request to the newest version that both sides speak.
func (v *versions) of(req kmsg.Request) (int16, error) {
	key := protocol.Key(req.Key())
	theirs, known := v.theirs[key]
	if _, twoPhase := req.(*twoPhaseInit); twoPhase {
		if !known || !theirs.Has(twoPhaseVersion) {
			return 0, fmt.Errorf("transaction.two.phase.commit.enable needs a coordinator with %v"+
				" version %d (KIP-939), and this one has %d to %d: Kafka 4.1 and newer have it with"+
				" unstable.api.versions.enable=true", key, twoPhaseVersion, theirs.Min, theirs.Max)
		}
		req.SetVersion(twoPhaseVersion)
		return twoPhaseVersion, nil
	}
	version, ok := theirs.Highest(ours[key])
	if !ok || !known {
		return 0, fmt.Errorf("the broker speaks no version of %v that this client speaks (%d to %d)",
			key, ours[key].Min, ours[key].Max)
	}
	req.SetVersion(version)
	return version, nil
}

// produce is the version for a produce request: from 13 on topics go by id, so
// all of them must have one.
func (v *versions) produce(r *sender.Request) int16 {
	version, _ := v.theirs[protocol.Produce].Highest(ours[protocol.Produce])
	if r.V1 {
		version = min(version, ours1[protocol.Produce])
	}
	if version < 13 {
		return version
	}
	for i := range r.Entries {
		if r.Entries[i].TopicID == (metadata.TopicID{}) {
			return 12
		}
	}
	return version
}

// learnVersions asks the broker what it speaks. A broker that does not know the
// newest form of the question answers in the oldest, with the forms it knows.
func (c *Conn) learnVersions(nc net.Conn) error {
	req := kmsg.NewPtrApiVersionsRequest()
	req.ClientSoftwareName, req.ClientSoftwareVersion = softwareName, softwareVersion
	version := int16(4)
	if c.to.Cluster != "" {
		version, req.ClusterID, req.NodeID = 5, &c.to.Cluster, c.to.Node
	}
	for tries := 0; tries < 2; tries++ {
		resp, err := c.askVersions(nc, req, version, int32(tries+1))
		if err != nil {
			return fmt.Errorf("ask %s for its versions: %w", c.addr, err)
		}
		switch errcode.Code(resp.ErrorCode) {
		case errcode.None:
			return c.takeVersions(resp)
		case errcode.UnsupportedVersion:
			newest := version
			version = 0
			for _, k := range resp.ApiKeys {
				if k.ApiKey == int16(protocol.APIVersions) {
					version = min(k.MaxVersion, newest)
				}
			}
		default:
			return fmt.Errorf("ask %s for its versions: %w", c.addr, errcode.Code(resp.ErrorCode))
		}
	}
	return fmt.Errorf("%s refuses every version of ApiVersions", c.addr)
}

func (c *Conn) askVersions(
	nc net.Conn, req *kmsg.ApiVersionsRequest, version int16, correlation int32,
) (*kmsg.ApiVersionsResponse, error) {
	req.SetVersion(version)
	body, err := c.roundTrip(nc, req, correlation)
	if err != nil {
		if errors.Is(err, errClosedByBroker) {
			err = fmt.Errorf("%w at the first request: it may expect TLS or SASL"+
				" (security.protocol), or be no Kafka broker", err)
		}
		return nil, err
	}
	resp := req.ResponseKind().(*kmsg.ApiVersionsResponse)
	if len(body) >= 2 && errcode.Code(int16(body[0])<<8|int16(body[1])) == errcode.UnsupportedVersion {
		version = 0
	}
	resp.SetVersion(version)
	if err := resp.ReadFrom(body); err != nil {
		return nil, fmt.Errorf("not a Kafka broker: %w", err)
	}
	return resp, nil
}

func (c *Conn) takeVersions(resp *kmsg.ApiVersionsResponse) error {
	c.versions.theirs = make(map[protocol.Key]protocol.Range, len(resp.ApiKeys))
	for _, k := range resp.ApiKeys {
		c.versions.theirs[protocol.Key(k.ApiKey)] = protocol.Range{Min: k.MinVersion, Max: k.MaxVersion}
	}
	c.versions.featuresEpoch = resp.FinalizedFeaturesEpoch
	for _, f := range resp.FinalizedFeatures {
		if f.Name == "transaction.version" {
			c.versions.transactionVersion = f.MaxVersionLevel
		}
	}
	for _, key := range []protocol.Key{protocol.Produce, protocol.Metadata} {
		if !c.versions.has(key) {
			return fmt.Errorf("%s speaks %v versions %d to %d, this client %d to %d:"+
				" it needs Kafka 2.1 or newer", c.addr, key, c.versions.theirs[key].Min,
				c.versions.theirs[key].Max, ours[key].Min, ours[key].Max)
		}
	}
	return nil
}

// roundTrip sends one request of the handshake and returns its answer's body.
func (c *Conn) roundTrip(nc net.Conn, req kmsg.Request, correlation int32) ([]byte, error) {
	if _, err := nc.Write(appendRequest(nil, req, correlation, c.settings.ClientID)); err != nil {
		return nil, err
	}
	f := framer{r: nc}
	frame, err := f.next()
	if err != nil {
		return nil, err
	}
	id, body, err := protocol.ParseResponseHeader(frame, protocol.Key(req.Key()), req.GetVersion())
	if err == nil && id != correlation {
		err = fmt.Errorf("not a Kafka broker: answer %d came where %d was due", id, correlation)
	}
	return body, err
}
