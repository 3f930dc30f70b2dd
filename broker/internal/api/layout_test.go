package api

import (
	"errors"
	"math/rand/v2"
	"reflect"
	"testing"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/posthaste-go/posthaste/internal/protocol"
)

// Every flexible version that is served has a layout, and every message that
// kmsg writes fits it to the last byte; cut anywhere, it does not.
func TestLayoutsAreThoseOfKmsg(t *testing.T) {
	a := newAPI(t)
	rng := rand.New(rand.NewPCG(1, 2))
	for key := range a.table {
		k := protocol.Key(key)
		e := a.entry(k)
		if e == nil || k == protocol.Produce || k == protocol.Fetch {
			continue // decoded by hand
		}
		for v := e.Min; v <= e.Max; v++ {
			if !k.Flexible(v) {
				continue
			}
			if len(layouts[k]) == 0 {
				t.Errorf("%v has no layout", k)
				continue
			}
			for range 50 {
				req := kmsg.RequestForKey(int16(key))
				if v > req.MaxVersion() {
					break // decoded by hand too
				}
				randomize(rng, reflect.ValueOf(req).Elem())
				req.SetVersion(v)
				body := req.AppendTo(nil)
				if err := checkLayout(k, v, body); err != nil {
					t.Fatalf("%v v%d: % x does not fit: %v", k, v, body, err)
				}
				cut := body[:rng.IntN(len(body))]
				if err := checkLayout(k, v, cut); !errors.Is(err, protocol.ErrMalformed) {
					t.Fatalf("%v v%d: % x fits though it is cut short", k, v, cut)
				}
			}
		}
	}
}

// randomize fills a message with anything.
func randomize(rng *rand.Rand, v reflect.Value) {
	switch v.Kind() {
	case reflect.Struct:
		for i := range v.NumField() {
			if v.Type().Field(i).Name != "UnknownTags" {
				randomize(rng, v.Field(i))
			}
		}
	case reflect.Pointer:
		if rng.IntN(2) == 0 {
			v.Set(reflect.New(v.Type().Elem()))
			randomize(rng, v.Elem())
		}
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), rng.IntN(4), 4))
		for i := range v.Len() {
			randomize(rng, v.Index(i))
		}
	case reflect.Array:
		for i := range v.Len() {
			randomize(rng, v.Index(i))
		}
	case reflect.String:
		v.SetString("text of some length"[:rng.IntN(20)])
	case reflect.Bool:
		v.SetBool(rng.IntN(2) == 0)
	case reflect.Uint8:
		v.SetUint(rng.Uint64() & 0xff)
	default:
		v.SetInt(rng.Int64N(100) - 1)
	}
}

// A message that claims four thousand million tagged fields must be refused at
// once.
func TestAClaimOfManyTagsIsRefused(t *testing.T) {
	body := []byte{1, 0, 0xff, 0xff, 0xff, 0xff, 0x0f} // DescribeGroups of none
	if err := checkLayout(protocol.DescribeGroups, 6, body); !errors.Is(err, protocol.ErrMalformed) {
		t.Errorf("checkLayout = %v", err)
	}
}
