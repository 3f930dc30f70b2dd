package api

import (
	"reflect"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/posthaste-go/posthaste/broker/internal/server"
	"github.com/posthaste-go/posthaste/internal/errcode"
	"github.com/posthaste-go/posthaste/internal/protocol"
)

// Refuse answers a request with an error code and does nothing else: for each
// topic, partition or other thing that the request names, or for the whole
// where the response has one code only. It is for faults on purpose, so it may
// be slow, and works by reflection rather than by knowledge of each API.
func (a *API) Refuse(req *server.Request, code errcode.Code, out []byte) ([]byte, error) {
	if _, known := layouts[req.Header.Key]; known {
		if err := checkLayout(req.Header.Key, req.Header.Version, req.Body); err != nil {
			return out, err
		}
	}
	if req.Header.Key == protocol.InitProducerID && req.Header.Version >= initTwoPhase {
		return appendInitTwoPhase(out, noGrant, code), nil
	}
	message := kmsg.RequestForKey(int16(req.Header.Key))
	message.SetVersion(req.Header.Version)
	if err := message.ReadFrom(req.Body); err != nil {
		return out, err
	}
	if p, ok := message.(*kmsg.ProduceRequest); ok && p.Acks == 0 {
		return out, &server.Cut{}
	}
	resp := message.ResponseKind()
	from, to := reflect.ValueOf(message).Elem(), reflect.ValueOf(resp).Elem()
	if !mirror(from, to, code) {
		setCode(to, code)
	}
	switch r := resp.(type) {
	case *kmsg.MetadataResponse:
		a.describeNodes(req.Peer, r)
	case *kmsg.ApiVersionsResponse:
		r.ApiKeys = a.advertised()
	case *kmsg.FindCoordinatorResponse:
		for _, key := range message.(*kmsg.FindCoordinatorRequest).CoordinatorKeys {
			c := kmsg.NewFindCoordinatorResponseCoordinator()
			c.Key, c.NodeID, c.ErrorCode = key, -1, int16(code)
			r.Coordinators = append(r.Coordinators, c)
		}
	}
	return resp.AppendTo(out), nil
}

// mirror fills the response's lists with what the request's lists name, and
// reports whether that gave a place to code.
func mirror(from, to reflect.Value, code errcode.Code) (placed bool) {
	for i := range to.NumField() {
		name := to.Type().Field(i).Name
		dst, src := to.Field(i), from.FieldByName(name)
		if name == "UnknownTags" || name == "Version" {
			continue
		}
		if dst.Kind() == reflect.Int64 && !src.IsValid() {
			dst.SetInt(-1) // an offset or a time that is not known
			continue
		}
		if !src.IsValid() {
			continue
		}
		if dst.Kind() != reflect.Slice || dst.Type().Elem().Kind() != reflect.Struct {
			if src.Type() == dst.Type() {
				dst.Set(src)
			}
			continue
		}
		if mirrorList(src, dst, code) {
			placed = true
		}
	}
	return placed
}

func mirrorList(src, dst reflect.Value, code errcode.Code) (placed bool) {
	if src.Kind() != reflect.Slice {
		return false
	}
	for i := range src.Len() {
		e := reflect.New(dst.Type().Elem())
		if d, ok := e.Interface().(interface{ Default() }); ok {
			d.Default()
		}
		switch s := src.Index(i); s.Kind() {
		case reflect.Struct:
			if mirror(s, e.Elem(), code) || setCode(e.Elem(), code) {
				placed = true
			}
		case reflect.Int32: // a list of partitions
			if p := e.Elem().FieldByName("Partition"); p.IsValid() {
				p.SetInt(s.Int())
			}
			placed = setCode(e.Elem(), code) || placed
		}
		dst.Set(reflect.Append(dst, e.Elem()))
	}
	return placed
}

func setCode(to reflect.Value, code errcode.Code) bool {
	f := to.FieldByName("ErrorCode")
	if f.IsValid() {
		f.SetInt(int64(code))
	}
	return f.IsValid()
}
