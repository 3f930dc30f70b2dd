//go:build unix

package kafka

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"net"
	"slices"
	"strconv"
	"strings"
)

// Options changes what the nodes of a cluster are. The zero Options is a
// cluster for tests: small, quick to elect leaders, topics auto-created.
type Options struct {
	// Properties are settings of server.properties; they beat ours.
	Properties map[string]string
	// Settings that differ from node to node, by node id (from 1).
	PerNode map[int]map[string]string
	// Features are finalized when the storage is formatted, such as
	// "transaction.version=1"; the others are Kafka's newest.
	Features []string
	// Via, if set, says under which address a node's listener is reached, so that
	// a proxy can stand in between. The nodes then have two more listeners:
	// CLIENT, for the clients under test, and BROKER, for the other nodes.
	// Bootstrap and Admin go past it.
	Via func(Link) (addr string, err error)
}

// A Link is a way to a listener of a node.
type Link struct {
	Node     int    // that listens
	Listener string // CLIENT, BROKER or CONTROLLER
	Addr     string // where it listens
}

// advertise decides under which addresses a node's listeners are reached.
func (o Options) advertise(n *Node) error {
	n.advertised = map[string]string{"PLAINTEXT": n.Addr(), "CONTROLLER": loopback(n.controllerPort)}
	if o.Via == nil {
		return nil
	}
	for listener, port := range n.proxied() {
		addr, err := o.Via(Link{Node: n.ID, Listener: listener, Addr: loopback(port)})
		if err != nil {
			return err
		}
		n.advertised[listener] = addr
	}
	return nil
}

// listeners are the settings of a node's listeners and of what they advertise.
func (o Options) listeners(n *Node) map[string]string {
	listen := []string{"PLAINTEXT://" + n.Addr()}
	if o.Via == nil {
		listen = append(listen, "CONTROLLER://"+loopback(n.controllerPort))
		return map[string]string{"listeners": strings.Join(listen, ",")}
	}
	for listener, port := range n.proxied() {
		listen = append(listen, listener+"://"+loopback(port))
	}
	var advertised []string
	for listener, addr := range n.advertised {
		advertised = append(advertised, listener+"://"+addr)
	}
	return map[string]string{
		"listeners":                  strings.Join(listen, ","),
		"advertised.listeners":       strings.Join(advertised, ","),
		"inter.broker.listener.name": "BROKER",
		"listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CLIENT:PLAINTEXT," +
			"BROKER:PLAINTEXT,CONTROLLER:PLAINTEXT",
	}
}

// properties are the settings of node id of a cluster of all nodes.
func (o Options) properties(id int, dir string, nodes []*Node) map[string]string {
	n := nodes[id-1]
	controllers := make([]string, len(nodes))
	for i, other := range nodes {
		controllers[i] = fmt.Sprintf("%d@%s", other.ID, other.advertised["CONTROLLER"])
	}
	replicas := fmt.Sprint(len(nodes))
	p := map[string]string{
		"node.id":                                          fmt.Sprint(id),
		"process.roles":                                    "broker,controller",
		"controller.listener.names":                        "CONTROLLER",
		"log.dirs":                                         dir,
		"offsets.topic.replication.factor":                 replicas,
		"offsets.topic.num.partitions":                     "4",
		"transaction.state.log.replication.factor":         replicas,
		"transaction.state.log.num.partitions":             "4",
		"transaction.state.log.min.isr":                    fmt.Sprint(min(2, len(nodes))),
		"share.coordinator.state.topic.replication.factor": replicas,
		"share.coordinator.state.topic.min.isr":            "1",
		"group.initial.rebalance.delay.ms":                 "0",
		"default.replication.factor":                       replicas,
		"log.retention.ms":                                 "-1", // records of tests carry old timestamps
		// A node that was killed is found out after 2 s, not 9.
		"broker.session.timeout.ms":              "2000",
		"broker.heartbeat.interval.ms":           "250",
		"controlled.shutdown.enable":             "true",
		"controller.quorum.voters":               strings.Join(controllers, ","),
		"initial.broker.registration.timeout.ms": "60000",
	}
	if len(nodes) == 1 { // the quorum of one that StorageTool format --standalone makes
		delete(p, "controller.quorum.voters")
		p["controller.quorum.bootstrap.servers"] = fmt.Sprintf("127.0.0.1:%d", n.controllerPort)
	}
	maps.Copy(p, o.listeners(n))
	maps.Copy(p, o.Properties)
	maps.Copy(p, o.PerNode[id])
	return p
}

// render writes properties as a file. Our values need no escapes but the
// backslash.
func render(p map[string]string) string {
	var b strings.Builder
	for _, k := range slices.Sorted(maps.Keys(p)) {
		fmt.Fprintf(&b, "%s=%s\n", k, strings.ReplaceAll(p[k], `\`, `\\`))
	}
	return b.String()
}

func loopback(port int) string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(port)) }

// FreePort finds a port that a node can have, and have again after a restart:
// below the range from which systems take the ports of outgoing connections.
func FreePort() (int, error) {
	for range 1000 {
		port := 15_000 + rand.IntN(17_000)
		l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port))
		if err == nil {
			return port, l.Close()
		}
	}
	return 0, fmt.Errorf("no free port between 15000 and 32000")
}
