package groupcoordinator

import (
	"slices"
	"strings"
	"time"

	"github.com/posthaste-go/posthaste/internal/errcode"
)

// Summary is what a list of groups says of each.
type Summary struct {
	ID, ProtocolType string
	State            State
}

// List lists all groups by id.
func (c *Coordinator) List() ([]Summary, errcode.Code) {
	groups, code := c.loadAll()
	if code != errcode.None {
		return nil, code
	}
	list := make([]Summary, 0, len(groups))
	for _, g := range groups {
		g.mu.Lock()
		if !g.vacantLocked() {
			list = append(list, Summary{g.id, g.protocolType, g.state})
		}
		g.mu.Unlock()
	}
	slices.SortFunc(list, func(a, b Summary) int { return strings.Compare(a.ID, b.ID) })
	return list, errcode.None
}

// vacantLocked reports whether there is nothing in the group: somebody has only
// asked for it.
func (g *group) vacantLocked() bool {
	return g.state == Dead ||
		g.forgettableLocked() && g.generation == 0 && len(g.pending) == 0
}

// Description is all that is known of a group.
type Description struct {
	ID, ProtocolType, Protocol string
	State                      State
	Members                    []MemberDescription
}

// MemberDescription is all that is known of a member.
type MemberDescription struct {
	ID, InstanceID       string
	ClientID, ClientHost string
	Metadata, Assignment []byte
}

// Describe tells all of a group; one that is not there is Dead.
func (c *Coordinator) Describe(id string) (Description, errcode.Code) {
	d := Description{ID: id, State: Dead}
	g, code := c.group(id, false)
	if code != errcode.None {
		return d, code
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.vacantLocked() {
		return d, errcode.GroupIdNotFound
	}
	d.State, d.ProtocolType = g.state, g.protocolType
	if g.state == Stable {
		d.Protocol = g.protocol
	}
	for _, id := range g.joinOrder {
		m := g.members[id]
		md := MemberDescription{ID: m.id, InstanceID: m.instance,
			ClientID: m.clientID, ClientHost: m.clientHost}
		if g.state == Stable {
			md.Metadata, md.Assignment = m.metadata(g.protocol), m.assignment
		}
		d.Members = append(d.Members, md)
	}
	return d, errcode.None
}

// Delete removes a group without members, with its offsets. Codes:
// GROUP_ID_NOT_FOUND, NON_EMPTY_GROUP, COORDINATOR_NOT_AVAILABLE.
func (c *Coordinator) Delete(id string) errcode.Code {
	g, code := c.group(id, false)
	if code != errcode.None {
		return code
	}
	g.mu.Lock()
	switch {
	case g.vacantLocked():
		code = errcode.GroupIdNotFound
	case g.state != Empty:
		code = errcode.NonEmptyGroup
	default:
		code = g.dieLocked()
	}
	g.mu.Unlock()
	if code == errcode.None {
		c.forget(g)
	}
	return code
}

// dieLocked deletes the group from the log.
func (g *group) dieLocked() errcode.Code {
	records := []Record{{groupKey(g.id), nil}}
	for _, list := range g.allOffsetsLocked() {
		for tp := range list {
			records = append(records, Record{offsetKey(g.id, tp.topic, tp.partition), nil})
		}
	}
	if _, code := g.appendLocked(nil, records); code != errcode.None {
		return code
	}
	clear(g.offsets)
	clear(g.open)
	g.shutLocked(errcode.CoordinatorNotAvailable)
	return errcode.None
}

// Expire forgets offsets whose time is over, and groups that are left with
// nothing. Its owner calls it every ten minutes or so.
func (c *Coordinator) Expire(now time.Time) {
	groups, code := c.loadAll()
	if code != errcode.None {
		return // it is in the log
	}
	for _, g := range groups {
		g.mu.Lock()
		dead := g.expireLocked(now.UnixMilli())
		g.mu.Unlock()
		if dead {
			c.forget(g)
		}
	}
}

func (g *group) expireLocked(now int64) (dead bool) {
	if g.state == Dead {
		return true
	}
	var gone []topicPartition
	for tp, v := range g.offsets {
		expire := v.expireMillis
		if expire < 0 {
			if g.state != Empty {
				continue
			}
			since := max(v.commitMillis, g.stateSince)
			if g.protocolType == "" {
				since = v.commitMillis // its consumers assign themselves (KIP-211)
			}
			expire = since + g.c.cfg.OffsetsRetention.Milliseconds()
		}
		if now >= expire && !g.unstableLocked(tp) {
			gone = append(gone, tp)
		}
	}
	if g.forgetOffsetsLocked(gone) != errcode.None {
		return false
	}
	if !g.forgettableLocked() || len(g.pending) > 0 {
		return false
	}
	return g.dieLocked() == errcode.None
}

// ForgetTopic forgets all groups' offsets of a topic that was deleted.
func (c *Coordinator) ForgetTopic(topic string) {
	groups, code := c.loadAll()
	if code != errcode.None {
		return
	}
	for _, g := range groups {
		g.mu.Lock()
		var gone []topicPartition
		for _, list := range g.allOffsetsLocked() {
			for tp := range list {
				if tp.topic == topic {
					gone = append(gone, tp)
				}
			}
		}
		if g.state != Dead {
			// A failure is in the log; the offsets then stay until they expire.
			_ = g.forgetOffsetsLocked(gone)
		}
		g.mu.Unlock()
	}
}
