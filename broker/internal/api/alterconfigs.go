package api

import (
	"slices"
	"strings"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/posthaste-go/posthaste/broker/internal/settings"
	"github.com/posthaste-go/posthaste/broker/internal/topics"
	"github.com/posthaste-go/posthaste/internal/errcode"
)

// alterConfigs replaces all settings of topics or brokers. Versions 0 to 2.
// IncrementalAlterConfigs has taken its place (KIP-339).
func (a *API) alterConfigs(
	c *call, req *kmsg.AlterConfigsRequest, resp *kmsg.AlterConfigsResponse,
) error {
	for i := range req.Resources {
		rr := &req.Resources[i]
		err := a.alter(c, rr.ResourceType, rr.ResourceName, req.ValidateOnly,
			func(map[string]string) (map[string]string, error) {
				values := make(map[string]string, len(rr.Configs))
				for _, rc := range rr.Configs {
					if rc.Value == nil {
						return nil, topicError(errcode.InvalidConfig, "setting %s has no value", rc.Name)
					}
					values[rc.Name] = *rc.Value
				}
				return values, nil
			})
		out := kmsg.NewAlterConfigsResponseResource()
		out.ResourceType, out.ResourceName = rr.ResourceType, rr.ResourceName
		code, message := a.refusal(err)
		out.ErrorCode, out.ErrorMessage = int16(code), text(message)
		resp.Resources = append(resp.Resources, out)
	}
	return nil
}

// incrementalAlterConfigs changes single settings (KIP-339). Versions 0 to 1.
func (a *API) incrementalAlterConfigs(
	c *call, req *kmsg.IncrementalAlterConfigsRequest, resp *kmsg.IncrementalAlterConfigsResponse,
) error {
	for i := range req.Resources {
		rr := &req.Resources[i]
		err := a.alter(c, rr.ResourceType, rr.ResourceName, req.ValidateOnly,
			func(old map[string]string) (map[string]string, error) {
				return a.increment(old, rr)
			})
		out := kmsg.NewIncrementalAlterConfigsResponseResource()
		out.ResourceType, out.ResourceName = rr.ResourceType, rr.ResourceName
		code, message := a.refusal(err)
		out.ErrorCode, out.ErrorMessage = int16(code), text(message)
		resp.Resources = append(resp.Resources, out)
	}
	return nil
}

// increment applies the operations of rr to values.
func (a *API) increment(
	values map[string]string, rr *kmsg.IncrementalAlterConfigsRequestResource,
) (map[string]string, error) {
	if values == nil {
		values = make(map[string]string)
	}
	seen := make(map[string]bool)
	for _, rc := range rr.Configs {
		key := settings.TopicKey(rc.Name)
		if rr.ResourceType == kmsg.ConfigResourceTypeBroker {
			key = settings.BrokerKey(rc.Name)
		}
		switch {
		case seen[rc.Name]:
			return nil, topicError(errcode.InvalidRequest, "setting %s is named twice", rc.Name)
		case rc.Op == kmsg.IncrementalAlterConfigOpDelete:
			delete(values, rc.Name)
		case rc.Value == nil:
			return nil, topicError(errcode.InvalidRequest, "setting %s has no value", rc.Name)
		case rc.Op == kmsg.IncrementalAlterConfigOpSet:
			values[rc.Name] = *rc.Value
		case key == nil || key.Type != settings.List:
			return nil, topicError(errcode.InvalidConfig,
				"setting %s is not a list, so nothing can be added to or taken from it", rc.Name)
		default:
			values[rc.Name] = editList(a.listValue(values, key), *rc.Value,
				rc.Op == kmsg.IncrementalAlterConfigOpAppend)
		}
		seen[rc.Name] = true
	}
	return values, nil
}

// listValue is the list that an operation changes: the resource's own, or the
// default.
func (a *API) listValue(values map[string]string, k *settings.Key) []string {
	v, ok := values[k.Name]
	if !ok && k.Broker != "" {
		v = a.cfg.Settings.TopicDefault(k)
	} else if !ok {
		v, _ = a.cfg.Settings.Value(k.Name)
	}
	return settings.SplitList(v)
}

func editList(list []string, operand string, add bool) string {
	for _, e := range settings.SplitList(operand) {
		has := slices.Contains(list, e)
		if add && !has {
			list = append(list, e)
		}
		if !add && has {
			list = slices.DeleteFunc(list, func(x string) bool { return x == e })
		}
	}
	return strings.Join(list, ",")
}

// alter replaces a resource's settings by what change makes of a copy of them.
func (a *API) alter(
	c *call, kind kmsg.ConfigResourceType, name string, validateOnly bool,
	change func(map[string]string) (map[string]string, error),
) error {
	var changeErr error
	apply := func(old map[string]string) map[string]string {
		changed, err := change(old)
		if err != nil {
			changeErr = err
			return old
		}
		return changed
	}
	var err error
	switch kind {
	case kmsg.ConfigResourceTypeTopic:
		if err = topics.CheckName(name); err == nil {
			err = a.cfg.Topics.SetConfigs(name, validateOnly, apply)
		}
	case kmsg.ConfigResourceTypeBroker:
		if err = a.checkBroker(name); err == nil {
			err = a.cfg.Topics.SetBrokerConfigs(validateOnly, apply)
		}
	default:
		err = noResource(kind)
	}
	if changeErr != nil {
		return changeErr
	}
	return err
}
