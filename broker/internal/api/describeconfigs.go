package api

import (
	"slices"
	"strconv"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/posthaste-go/posthaste/broker/internal/settings"
	"github.com/posthaste-go/posthaste/broker/internal/topics"
	"github.com/posthaste-go/posthaste/internal/errcode"
)

// Where a setting's value comes from. Source: DescribeConfigsResponse.ConfigSource.
const (
	fromTopic         = kmsg.ConfigSourceDynamicTopicConfig
	fromDynamicBroker = kmsg.ConfigSourceDynamicDefaultBrokerConfig
	fromStaticBroker  = kmsg.ConfigSourceStaticBrokerConfig
	fromDefault       = kmsg.ConfigSourceDefaultConfig
)

// setting is one setting as it is in force.
type setting struct {
	name     string
	key      *settings.Key
	value    string
	source   kmsg.ConfigSource
	readOnly bool
	synonyms []kmsg.DescribeConfigsResponseResourceConfigConfigSynonym
}

// describeConfigs tells the settings of topics and of the broker. Versions 1 to 4.
//
//	v1  sources and synonyms (KIP-226)
//	v3  types and documentation (KIP-569)
func (a *API) describeConfigs(
	c *call, req *kmsg.DescribeConfigsRequest, resp *kmsg.DescribeConfigsResponse,
) error {
	for i := range req.Resources {
		rr := &req.Resources[i]
		out := kmsg.NewDescribeConfigsResponseResource()
		out.ResourceType, out.ResourceName = rr.ResourceType, rr.ResourceName
		list, err := a.resourceConfigs(c, rr)
		code, message := a.refusal(err)
		out.ErrorCode, out.ErrorMessage = int16(code), text(message)
		for _, s := range list {
			if rr.ConfigNames != nil && !slices.Contains(rr.ConfigNames, s.name) {
				continue
			}
			oc := kmsg.NewDescribeConfigsResponseResourceConfig()
			oc.Name, oc.Value, oc.Source = s.name, &s.value, s.source
			oc.ReadOnly = s.readOnly
			oc.IsDefault = s.source == fromDefault
			oc.ConfigType = kmsg.ConfigType(s.key.Type)
			if req.IncludeSynonyms {
				oc.ConfigSynonyms = s.synonyms
			}
			if req.IncludeDocumentation {
				oc.Documentation = &s.key.Doc
			}
			out.Configs = append(out.Configs, oc)
		}
		resp.Resources = append(resp.Resources, out)
	}
	return nil
}

func (a *API) resourceConfigs(
	c *call, rr *kmsg.DescribeConfigsRequestResource,
) ([]setting, error) {
	switch rr.ResourceType {
	case kmsg.ConfigResourceTypeTopic:
		if err := topics.CheckName(rr.ResourceName); err != nil {
			return nil, err
		}
		t := c.topics.Named(rr.ResourceName)
		if t == nil {
			return nil, topicError(errcode.UnknownTopicOrPartition, "there is no topic %s", rr.ResourceName)
		}
		return a.topicConfigs(t.Configs), nil
	case kmsg.ConfigResourceTypeBroker:
		if err := a.checkBroker(rr.ResourceName); err != nil {
			return nil, err
		}
		return a.brokerConfigs(rr.ResourceName == ""), nil
	}
	return nil, noResource(rr.ResourceType)
}

func noResource(kind kmsg.ConfigResourceType) error {
	return topicError(errcode.InvalidRequest,
		"this broker has settings of topics and of brokers, not of %v", kind)
}

// checkBroker reports why a name is not that of a broker here; an empty one
// means the defaults of all brokers.
func (a *API) checkBroker(name string) error {
	if name == "" {
		return nil
	}
	id, err := strconv.Atoi(name)
	for i := range a.cfg.Nodes {
		if err == nil && int(a.cfg.Nodes[i].ID) == id {
			return nil
		}
	}
	return topicError(errcode.InvalidRequest, "%q is not the id of a broker here", name)
}

// topicConfigs is the settings in force for a topic that has configs itself.
func (a *API) topicConfigs(configs map[string]string) []setting {
	list := make([]setting, 0, len(settings.Topic))
	for i := range settings.Topic {
		k := &settings.Topic[i]
		s := setting{name: k.Name, key: k, synonyms: a.synonyms(settings.BrokerKey(k.Broker))}
		if v, ok := configs[k.Name]; ok {
			s.synonyms = slices.Insert(s.synonyms, 0, synonym(k.Name, v, fromTopic))
		}
		s.value, s.source = *s.synonyms[0].Value, s.synonyms[0].Source
		list = append(list, s)
	}
	return list
}

// brokerConfigs is the broker's settings in force, or only what was set at run
// time.
func (a *API) brokerConfigs(dynamicOnly bool) []setting {
	var list []setting
	for i := range settings.BrokerTable {
		k := &settings.BrokerTable[i]
		s := setting{name: k.Name, key: k, readOnly: k.Fixed, synonyms: a.synonyms(k)}
		s.value, s.source = *s.synonyms[0].Value, s.synonyms[0].Source
		if !dynamicOnly || s.source == fromDynamicBroker {
			list = append(list, s)
		}
	}
	return list
}

// synonyms lists where a broker's setting could come from, what is in force first.
func (a *API) synonyms(k *settings.Key) []kmsg.DescribeConfigsResponseResourceConfigConfigSynonym {
	var list []kmsg.DescribeConfigsResponseResourceConfigConfigSynonym
	for _, g := range a.cfg.Settings.Given(k.Name) {
		source := fromStaticBroker
		if g.Dynamic {
			source = fromDynamicBroker
		}
		list = append(list, synonym(g.Name, g.Value, source))
	}
	return append(list, synonym(k.Name, k.Default, fromDefault))
}

func synonym(
	name, value string, source kmsg.ConfigSource,
) kmsg.DescribeConfigsResponseResourceConfigConfigSynonym {
	s := kmsg.NewDescribeConfigsResponseResourceConfigConfigSynonym()
	s.Name, s.Value, s.Source = name, &value, source
	return s
}
