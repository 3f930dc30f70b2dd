package api

import (
	"regexp"
	"slices"
	"strings"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/posthaste-go/posthaste/broker/internal/txncoordinator"
	"github.com/posthaste-go/posthaste/internal/errcode"
)

// listTransactions lists the transactional ids that the node coordinates
// (KIP-664). Versions 0 to 2.
//
//	v1  those whose transaction has run for long (KIP-994)
//	v2  those whose id matches a pattern (KIP-1152)
func (a *API) listTransactions(
	c *call, req *kmsg.ListTransactionsRequest, resp *kmsg.ListTransactionsResponse,
) error {
	f := txnFilter{req: req, now: a.cfg.Now().UnixMilli()}
	for _, name := range req.StateFilters {
		if _, known := txncoordinator.StateNamed(name); !known {
			resp.UnknownStateFilters = append(resp.UnknownStateFilters, name)
		}
	}
	if p := value(req.TransactionalIDPattern); p != "" {
		var err error
		if f.pattern, err = regexp.Compile(`\A(?:` + p + `)\z`); err != nil {
			resp.ErrorCode = int16(errcode.InvalidRegularExpression)
			return nil
		}
	}
	list, code := a.txns.List()
	if code != errcode.None {
		resp.ErrorCode = int16(code)
		return nil
	}
	slices.SortFunc(list, func(x, y txncoordinator.Description) int {
		return strings.Compare(x.TransactionalID, y.TransactionalID)
	})
	for i := range list {
		d := &list[i]
		if !f.matches(d) || a.coordinatesTxn(c, d.TransactionalID) != errcode.None {
			continue
		}
		out := kmsg.NewListTransactionsResponseTransactionState()
		out.TransactionalID, out.ProducerID = d.TransactionalID, d.Producer.ID
		out.TransactionState = d.State.String()
		resp.TransactionStates = append(resp.TransactionStates, out)
	}
	return nil
}

// txnFilter is what a list is asked for. Source:
// TransactionStateManager.listTransactionStates.
type txnFilter struct {
	req     *kmsg.ListTransactionsRequest
	now     int64
	pattern *regexp.Regexp // nil matches all
}

func (f *txnFilter) matches(d *txncoordinator.Description) bool {
	r := f.req
	switch {
	case len(r.ProducerIDFilters) > 0 && !slices.Contains(r.ProducerIDFilters, d.Producer.ID):
		return false
	case len(r.StateFilters) > 0 && !slices.Contains(r.StateFilters, d.State.String()):
		return false
	case r.DurationFilterMillis >= 0 && f.now-d.Start <= r.DurationFilterMillis:
		return false
	}
	return f.pattern == nil || f.pattern.MatchString(d.TransactionalID)
}
