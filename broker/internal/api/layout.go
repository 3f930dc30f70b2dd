package api

import (
	"errors"
	"fmt"

	"github.com/posthaste-go/posthaste/internal/protocol"
)

// layout is the form of a request from a version on, up to the next layout of
// its API. It is there because package kmsg believes the number of tagged fields
// that a message claims: six bytes could keep it busy for minutes. A message
// that its layout fits has no more of anything than it has bytes.
//
//	b h i l u   integers of 1, 2, 4 and 8 bytes; a UUID
//	s           a compact string or bytes, nullable or not
//	(x)         a compact array of x
//	[…]         a compact array of structures, each with tagged fields at its end
//	?…;         a structure that may be null
type layout struct {
	from int16
	form string
}

// layouts holds all flexible versions of the requests that kmsg decodes. Older
// versions have no tagged fields. Source: the messages' definitions of Apache
// Kafka 4.4.
var layouts = map[protocol.Key][]layout{
	protocol.ListOffsets:     {{6, "ib[s[iil]]"}, {10, "ib[s[iil]]i"}},
	protocol.Metadata:        {{9, "[s]bbb"}, {10, "[us]bbb"}, {11, "[us]bb"}},
	protocol.OffsetCommit:    {{8, "siss[s[ilis]]"}, {10, "siss[u[ilis]]"}},
	protocol.FindCoordinator: {{3, "sb"}, {4, "b(s)"}},
	protocol.OffsetFetch: {{6, "s[s(i)]"}, {7, "s[s(i)]b"}, {8, "[s[s(i)]]b"},
		{9, "[ssi[s(i)]]b"}, {10, "[ssi[u(i)]]b"}},
	protocol.JoinGroup:               {{6, "siisss[ss]"}, {8, "siisss[ss]s"}},
	protocol.Heartbeat:               {{4, "siss"}},
	protocol.LeaveGroup:              {{4, "s[ss]"}, {5, "s[sss]"}},
	protocol.SyncGroup:               {{4, "siss[ss]"}, {5, "sissss[ss]"}},
	protocol.DescribeGroups:          {{5, "(s)b"}},
	protocol.ListGroups:              {{3, ""}, {4, "(s)"}, {5, "(s)(s)"}},
	protocol.APIVersions:             {{3, "ss"}, {5, "sssi"}},
	protocol.CreateTopics:            {{5, "[sih[i(i)][ss]]ib"}},
	protocol.DeleteTopics:            {{4, "(s)i"}, {6, "[su]i"}},
	protocol.DeleteRecords:           {{2, "[s[il]]i"}},
	protocol.InitProducerID:          {{2, "si"}, {3, "silh"}, {6, "silhbb"}},
	protocol.AddPartitionsToTxn:      {{3, "slh[s(i)]"}, {4, "[slhb[s(i)]]"}},
	protocol.AddOffsetsToTxn:         {{3, "slhs"}},
	protocol.TxnOffsetCommit:         {{3, "sslhiss[s[ilis]]"}, {6, "sslhiss[u[ilis]]"}},
	protocol.WriteTxnMarkers:         {{1, "[lhb[s(i)]i]"}, {2, "[lhb[s(i)]ib]"}},
	protocol.DescribeTransactions:    {{0, "(s)"}},
	protocol.ListTransactions:        {{0, "(s)(l)"}, {1, "(s)(l)l"}, {2, "(s)(l)ls"}},
	protocol.EndTxn:                  {{3, "slhb"}},
	protocol.OffsetForLeaderEpoch:    {{4, "i[s[iii]]"}},
	protocol.DescribeConfigs:         {{4, "[bs(s)]bb"}},
	protocol.AlterConfigs:            {{2, "[bs[ss]]b"}},
	protocol.DescribeLogDirs:         {{2, "[s(i)]"}},
	protocol.CreatePartitions:        {{2, "[si[(i)]]ib"}},
	protocol.DeleteGroups:            {{2, "(s)"}},
	protocol.IncrementalAlterConfigs: {{1, "[bs[sbs]]b"}},
	protocol.DescribeCluster:         {{0, "b"}, {1, "bb"}, {2, "bbb"}},
	protocol.DescribeProducers:       {{0, "[s(i)]"}},
	protocol.DescribeTopicPartitions: {{0, "[s]i?si;"}},
}

var errLayout = errors.New("bytes are left over")

// checkLayout reports why body cannot be a request of that key and version.
func checkLayout(k protocol.Key, version int16, body []byte) error {
	if !k.Flexible(version) {
		return nil
	}
	form := ""
	for _, l := range layouts[k] {
		if l.from <= version {
			form = l.form
		}
	}
	r := protocol.NewReader(body)
	walkStructure(&r, form)
	if err := r.Err(); err != nil {
		return err
	}
	if n := len(r.Rest()); n > 0 {
		return fmt.Errorf("%w: %w: %d", protocol.ErrMalformed, errLayout, n)
	}
	return nil
}

// walkStructure passes over a structure and its tagged fields.
func walkStructure(r *protocol.Reader, form string) {
	walk(r, form)
	r.Tags()
}

var widths = map[byte]int{'b': 1, 'h': 2, 'i': 4, 'l': 8, 'u': 16}

func walk(r *protocol.Reader, form string) {
	for i := 0; i < len(form) && r.Err() == nil; i++ {
		switch c := form[i]; c {
		case 's':
			r.CompactNullableString()
		case '(', '[', '?':
			end := i + closing(form[i:])
			inner := form[i+1 : end]
			switch {
			case c == '?' && r.Int8() >= 0:
				walkStructure(r, inner)
			case c == '(':
				for range r.CompactArrayLen() {
					walk(r, inner)
				}
			case c == '[':
				for range r.CompactArrayLen() {
					walkStructure(r, inner)
				}
			}
			i = end
		default:
			r.Span(widths[c])
		}
	}
}

// closing is the place of what closes the bracket that form begins with.
func closing(form string) int {
	depth := 0
	for i := range len(form) {
		switch form[i] {
		case '(', '[', '?':
			depth++
		case ')', ']', ';':
			depth--
		}
		if depth == 0 {
			return i
		}
	}
	panic("api: a layout does not close what it opens: " + form)
}
