package posthaste

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/posthaste-go/posthaste/internal/producer/producerid"
	"github.com/posthaste-go/posthaste/internal/producer/sender"
	"github.com/posthaste-go/posthaste/internal/producer/txn"
)

// PreparedTxnState is what a prepared transaction is known by, to be kept by
// whoever decides about it: its producer id and epoch. No two transactions of a
// transactional id have the same. The zero value is of no transaction. Values are
// compared with ==.
//
// Source: KIP-939, PreparedTxnState.
type PreparedTxnState struct {
	id    int64 // one above the producer id; 0 for none
	epoch int16
}

func preparedTxnState(id producerid.ID) PreparedTxnState {
	if id.ID < 0 {
		return PreparedTxnState{}
	}
	return PreparedTxnState{id: id.ID + 1, epoch: id.Epoch}
}

// ParsePreparedTxnState reads what String wrote, or Java's PreparedTxnState. An
// empty text is of no transaction.
func ParsePreparedTxnState(text string) (PreparedTxnState, error) {
	if text == "" {
		return PreparedTxnState{}, nil
	}
	id, epoch, ok := strings.Cut(text, ":")
	n, err := strconv.ParseInt(id, 10, 64)
	e, err2 := strconv.ParseInt(epoch, 10, 16)
	if !ok || err != nil || err2 != nil || n < 0 || n == 1<<63-1 || e < 0 {
		return PreparedTxnState{}, fmt.Errorf(
			"prepared transaction %q is not <producer id>:<epoch>, such as 1000:3", text)
	}
	return PreparedTxnState{id: n + 1, epoch: int16(e)}, nil
}

// HasTransaction reports whether s is of a transaction.
func (s PreparedTxnState) HasTransaction() bool { return s.id > 0 }

// ProducerID is the transaction's producer id, -1 of none.
func (s PreparedTxnState) ProducerID() int64 { return s.id - 1 }

// Epoch is the transaction's producer epoch, -1 of none.
func (s PreparedTxnState) Epoch() int16 {
	if !s.HasTransaction() {
		return -1
	}
	return s.epoch
}

// String is "<producer id>:<epoch>" as Java's PreparedTxnState writes it; empty of
// no transaction.
func (s PreparedTxnState) String() string {
	if !s.HasTransaction() {
		return ""
	}
	return fmt.Sprintf("%d:%d", s.ProducerID(), s.epoch)
}

// MarshalText is String.
func (s PreparedTxnState) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText is ParsePreparedTxnState.
func (s *PreparedTxnState) UnmarshalText(text []byte) (err error) {
	*s, err = ParsePreparedTxnState(string(text))
	return err
}

// InitTransactionsKeepPrepared is InitTransactions of a producer that comes after
// one that may have prepared a transaction: what is open is kept, and earlier
// producers are fenced from ending it. That is at the coordinator only: one of them
// that is alive may still prepare what it has begun, so the database has to fence
// as well (see PrepareTransaction). If something was open, the producer is in state
// Prepared, and CompleteTransaction, CommitTransaction or AbortTransaction follows;
// the zero state says that there was none.
//
// A coordinator cannot know what was prepared and what was only begun: both are
// kept, and CompleteTransaction tells them apart. It needs
// transaction.two.phase.commit.enable, and a coordinator that keeps transactions:
// the embedded broker's does; Kafka's, up to 4.3, answers UNSUPPORTED_VERSION, which
// is ErrFatal. Other errors are those of InitTransactions.
//
// Source: KIP-939, KafkaProducer.initTransactions(keepPreparedTxn).
func (p *Producer) InitTransactionsKeepPrepared(ctx context.Context) (PreparedTxnState, error) {
	return p.prepared(ctx, &sender.Transact{Call: txn.Init, Keep: true})
}

// PrepareTransaction is the first phase of a two-phase commit: it sends everything
// that was accepted and waits for its outcome. When it returns a state every record
// and offset of the transaction is with the brokers, all callbacks have run, and
// nothing but CommitTransaction, AbortTransaction and CompleteTransaction is legal.
// Whoever decides about the transaction stores the state with the decision. Close
// leaves the transaction open; the next producer of the transactional id finds it
// with InitTransactionsKeepPrepared.
//
// It asks no coordinator, so it does not notice that another producer of the id took
// over: the commit does, with ErrFenced. By then a decision that this producer had
// stored would have been lost, or have taken the place of its successor's. So store
// the decision only if this instance still owns what says so in the database, such
// as a row with the instance's number or a lease, in the same database transaction.
//
//	ErrAbortable     a record or offset failed: abort the transaction
//	ErrTimeout       call it again to wait on
//	ErrInvalidState  no transaction is open, or transaction.two.phase.commit.enable is not set
//	ErrFenced        a broker has said that another producer of the id took over
//	ErrFatal         the producer is of no use any more
//
// Source: KIP-939, KafkaProducer.prepareTransaction.
func (p *Producer) PrepareTransaction(ctx context.Context) (PreparedTxnState, error) {
	return p.prepared(ctx, &sender.Transact{Call: txn.Prepare})
}

func (p *Producer) prepared(ctx context.Context, call *sender.Transact) (PreparedTxnState, error) {
	if err := p.transact(ctx, call); err != nil {
		return PreparedTxnState{}, err
	}
	return preparedTxnState(call.Prepared), nil
}

// CompleteTransaction is the second phase: it commits the prepared transaction if
// it is the one that state is of, and aborts any other. So whoever decides stores
// the state of a transaction that is to be committed, and after a crash
// CompleteTransaction with what is stored does what was decided.
//
// It returns nil when the transaction is committed or aborted; errors are those of
// CommitTransaction. Source: KIP-939, KafkaProducer.completeTransaction.
func (p *Producer) CompleteTransaction(ctx context.Context, state PreparedTxnState) error {
	return p.transact(ctx, &sender.Transact{Call: txn.Complete,
		Means: producerid.ID{ID: state.ProducerID(), Epoch: state.Epoch()}})
}
