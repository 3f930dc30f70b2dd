package broker

import (
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/posthaste-go/posthaste/broker/internal/settings"
	"github.com/posthaste-go/posthaste/internal/properties"
)

// Config says how a broker is to run. The zero Config is a broker in memory, on
// a free port of 127.0.0.1, that makes topics as clients ask for them.
type Config struct {
	// Listen is HOST:PORT; empty means 127.0.0.1:0, port 0 a free one.
	// Setting: listeners.
	Listen string
	// Listeners are served in place of Listen if there are any, such as
	// connections in memory or with TLS: one for each of Nodes. Close closes them.
	Listeners []net.Listener
	// Advertise is HOST:PORT as clients are told; empty means the listener's own.
	// Setting: advertised.listeners.
	Advertise string

	// DataDir is where records are kept; empty means in memory.
	// Setting: log.dirs.
	DataDir string
	// Disk is a disk in memory that outlives the broker, for tests of restarts.
	// It excludes DataDir.
	Disk *Disk

	// Topics are made at the start if they are missing: name and number of
	// partitions, 0 meaning num.partitions. One that exists is left as it is.
	Topics map[string]int
	// NumPartitions is for topics made without a number; 0 means 1.
	// Setting: num.partitions.
	NumPartitions int
	// DisableAutoCreate refuses topics that a client just mentions.
	// Setting: auto.create.topics.enable=false.
	DisableAutoCreate bool
	// Nodes makes this process pose as that many nodes, each with a listener of
	// its own, so that leaders can move between them: see MoveLeader. 0 means 1.
	Nodes int

	// Properties are settings by Kafka's names, such as log.retention.ms. Fields
	// above win. A name that means nothing here is warned about in the log.
	Properties map[string]string

	Logger *slog.Logger     // nil means silence
	Now    func() time.Time // nil means the operating system's clock
	// Rand is what topic ids are made of, and with them the first leaders; nil
	// means crypto/rand. A test that wants to see the same again sets it.
	Rand io.Reader
}

// LoadConfig reads a file of Kafka's broker settings, as server.properties. Its
// errors name the file, the line, the setting and what it may be.
func LoadConfig(file string) (Config, error) {
	f, err := os.Open(file)
	if err != nil {
		return Config{}, fmt.Errorf("broker settings: %w", err)
	}
	defer f.Close()
	parsed, err := properties.Parse(file, f)
	if err != nil {
		return Config{}, err
	}
	values := make(map[string]string, len(parsed.Entries))
	for _, e := range parsed.Entries {
		if k := settings.BrokerKey(e.Key); k != nil {
			if err := k.Check(strings.TrimSpace(e.Value)); err != nil {
				return Config{}, fmt.Errorf("%s: %w", parsed.Position(e), err)
			}
		}
		values[e.Key] = strings.TrimSpace(e.Value)
	}
	return Config{Properties: values}, nil
}

// resolve is c with what Properties say in the fields, and fields in the
// Properties where the broker looks for them.
func (c Config) resolve() (Config, error) {
	p := maps.Clone(c.Properties)
	if p == nil {
		p = make(map[string]string)
	}
	if c.Listen == "" {
		listen, err := address(p["listeners"])
		if err != nil {
			return c, &settings.Error{Name: "listeners", Value: p["listeners"], Reason: err.Error()}
		}
		c.Listen = listen
	}
	if c.Listen == "" {
		c.Listen = "127.0.0.1:0"
	}
	if c.Advertise == "" {
		advertise, err := address(p["advertised.listeners"])
		if err != nil {
			return c, &settings.Error{Name: "advertised.listeners",
				Value: p["advertised.listeners"], Reason: err.Error()}
		}
		c.Advertise = advertise
	}
	if c.DataDir == "" && c.Disk == nil {
		dirs := settings.SplitList(p["log.dirs"] + "," + p["log.dir"])
		if len(dirs) > 1 {
			return c, &settings.Error{Name: "log.dirs", Value: p["log.dirs"],
				Reason: "this broker keeps one directory"}
		}
		if len(dirs) == 1 {
			c.DataDir = dirs[0]
		}
	}
	if c.DataDir != "" && c.Disk != nil {
		return c, fmt.Errorf("broker config: DataDir and Disk exclude each other")
	}
	if id, ok := p["broker.id"]; ok && p["node.id"] == "" && id != "-1" {
		p["node.id"] = id // as it was called before KRaft
	}
	if c.NumPartitions != 0 {
		p["num.partitions"] = strconv.Itoa(c.NumPartitions)
	}
	if c.DisableAutoCreate {
		p["auto.create.topics.enable"] = "false"
	}
	if c.Nodes != 0 {
		p["posthaste.nodes"] = strconv.Itoa(c.Nodes)
	}
	c.Properties = p
	return c, nil
}

// address takes HOST:PORT out of a listeners setting. Controllers' listeners
// are passed over; one plain listener may be left.
func address(listeners string) (string, error) {
	var found []string
	for _, l := range settings.SplitList(listeners) {
		name, hostPort, ok := strings.Cut(l, "://")
		if !ok {
			name, hostPort = "PLAINTEXT", l
		}
		if strings.EqualFold(name, "CONTROLLER") {
			continue
		}
		if slices.Contains([]string{"SSL", "SASL_SSL", "SASL_PLAINTEXT"}, strings.ToUpper(name)) {
			return "", fmt.Errorf("%s is not served here: want PLAINTEXT://HOST:PORT", name)
		}
		found = append(found, hostPort)
	}
	if len(found) > 1 {
		return "", fmt.Errorf("this broker has one listener: want PLAINTEXT://HOST:PORT")
	}
	if len(found) == 0 {
		return "", nil
	}
	return found[0], nil
}
