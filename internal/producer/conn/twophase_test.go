package conn

import (
	"encoding/hex"
	"errors"
	"testing"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/posthaste-go/posthaste/internal/producer/producerid"
	"github.com/posthaste-go/posthaste/internal/producer/sender"
	"github.com/posthaste-go/posthaste/internal/protocol"
)

func TestInitProducerIDWithTwoPhaseCommit(t *testing.T) {
	c := &Conn{settings: &Settings{TransactionalID: "abc", TransactionTimeout: 60_000_000_000}}
	req := c.txnRequest(&sender.TxnRequest{Ask: sender.InitProducerID,
		ID: producerid.ID{ID: 7, Epoch: 2}, TwoPhase: true})
	v := versions{theirs: map[protocol.Key]protocol.Range{protocol.InitProducerID: {Max: 6}}}
	version, err := v.of(req)
	if version != 6 || err != nil || req.GetVersion() != 6 || !req.IsFlexible() {
		t.Errorf("version %d, %v", version, err)
	}
	const want = "04616263" + "0000ea60" + "0000000000000007" + "0002" + "01" + "00" + "00"
	if got := hex.EncodeToString(req.AppendTo(nil)); got != want {
		t.Errorf("request %s, want %s", got, want)
	}
	resp := req.ResponseKind()
	body, err := hex.DecodeString("00000000" + "0000" + "0000000000000007" + "0004" +
		"0000000000000007" + "0002" + "00")
	if err != nil {
		t.Fatal(err)
	}
	if err := resp.ReadFrom(body); err != nil {
		t.Fatal(err)
	}
	a := txnAnswer(1, &sender.TxnRequest{}, resp)
	if a.ID != (producerid.ID{ID: 7, Epoch: 4}) || a.Ongoing != (producerid.ID{ID: 7, Epoch: 2}) ||
		a.Code != 0 || !a.Raises {
		t.Errorf("answer %+v", a)
	}
}

// A version that keeps no transaction never writes what it cannot say.
func TestInitProducerIDWithoutTwoPhaseCommitStaysWithItsVersions(t *testing.T) {
	c := &Conn{settings: &Settings{TransactionalID: "abc"}}
	req := c.txnRequest(&sender.TxnRequest{Ask: sender.InitProducerID, ID: producerid.NoID})
	v := versions{theirs: map[protocol.Key]protocol.Range{protocol.InitProducerID: {Max: 6}}}
	if version, err := v.of(req); version != 5 || err != nil {
		t.Errorf("version %d, %v, want 5", version, err)
	}
}

func FuzzTwoPhaseAnswer(f *testing.F) {
	f.Add(make([]byte, 4+2+10+10+1))
	f.Add([]byte{0, 0, 0, 0, 0, 53})
	f.Fuzz(func(t *testing.T, body []byte) {
		var resp kmsg.Response = &twoPhaseInitAnswer{}
		if err := resp.ReadFrom(body); err != nil && !errors.Is(err, protocol.ErrMalformed) {
			t.Errorf("%v does not match ErrMalformed", err)
		}
	})
}
