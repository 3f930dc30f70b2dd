package txncoordinator

import (
	"github.com/posthaste-go/posthaste/internal/errcode"
)

// endRequest is a client's wish to end its transaction.
type endRequest struct {
	Producer
	commit  bool
	version Version
}

// verdict is what becomes of an endRequest: a refusal, a repetition of the
// answer that was lost, or a state to prepare.
type verdict struct {
	code    errcode.Code
	retry   bool
	prepare State // if code is None and retry is not set
}

func refused(code errcode.Code) verdict { return verdict{code: code} }

// judge decides about an end. m is not fenced meanwhile.
// Source: TransactionCoordinator.endTransaction.
func (m *metadata) judge(r endRequest) verdict {
	if !r.version.bumps() {
		return m.judgeFirst(r)
	}
	// A request whose answer was lost comes with the epoch before the bump, or
	// with the id before the one that followed the last epoch.
	client := m.client()
	overflowed := m.previousID == r.ID && r.Epoch == lastEpoch && client.Epoch == 0 &&
		client.ID != r.ID
	bumped := client.ID == r.ID && client.Epoch == r.Epoch+1
	retry := bumped || overflowed
	valid := r.Producer == client
	switch {
	case client.ID != r.ID && !overflowed:
		return refused(errcode.InvalidProducerIdMapping)
	case m.state.prepared() && !bumped, m.state == Ongoing && !valid,
		m.state == Empty && !valid, !valid && !retry:
		return refused(errcode.ProducerFenced)
	}
	wanted := PrepareAbort
	if r.commit {
		wanted = PrepareCommit
	}
	switch m.state {
	case Ongoing:
		return verdict{prepare: wanted}
	case PrepareCommit, PrepareAbort:
		if m.state == wanted {
			return refused(errcode.ConcurrentTransactions)
		}
	case CompleteCommit, CompleteAbort:
		if retry && r.commit == (m.state == CompleteCommit) {
			return verdict{retry: true}
		}
		if !retry && !r.commit { // the client may not know that nothing has begun
			return verdict{prepare: PrepareAbort}
		}
	case Empty:
		if !r.commit {
			return verdict{prepare: PrepareAbort}
		}
	}
	return refused(errcode.InvalidTxnState)
}

// judgeFirst is judge for version 1, where the epoch stays the same.
// Source: TransactionCoordinator.endTransactionWithTV1.
func (m *metadata) judgeFirst(r endRequest) verdict {
	switch client := m.client(); {
	case client.ID != r.ID:
		return refused(errcode.InvalidProducerIdMapping)
	case client.Epoch != r.Epoch:
		return refused(errcode.ProducerFenced)
	}
	switch {
	case m.state == Ongoing && r.commit:
		return verdict{prepare: PrepareCommit}
	case m.state == Ongoing:
		return verdict{prepare: PrepareAbort}
	case m.state == CompleteCommit && r.commit, m.state == CompleteAbort && !r.commit:
		return verdict{retry: true}
	case m.state == PrepareCommit && r.commit, m.state == PrepareAbort && !r.commit:
		return refused(errcode.ConcurrentTransactions)
	}
	return refused(errcode.InvalidTxnState)
}
