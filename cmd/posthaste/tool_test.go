package main

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/alecthomas/kong"

	"github.com/posthaste-go/posthaste/broker"
	"github.com/posthaste-go/posthaste/internal/golden"
	"github.com/posthaste-go/posthaste/partitioner"
)

// leaves lists the words of every command that does something.
func leaves(n *kong.Node, path []string) [][]string {
	if len(n.Children) == 0 || n.Children[0].Type != kong.CommandNode {
		return [][]string{path}
	}
	all := [][]string{path} // a command with commands has help too
	for _, c := range n.Children {
		all = append(all, leaves(c, append(slices.Clone(path), c.Name))...)
	}
	return all
}

func TestHelpOfEveryCommandHasAnExample(t *testing.T) {
	t.Setenv("COLUMNS", "100")
	parser, err := newParser(&cli{}, &env{streams: streams{out: io.Discard, err: io.Discard}})
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range leaves(parser.Model.Node, nil) {
		name := strings.Join(append([]string{"help"}, path...), "-")
		t.Run(name, func(t *testing.T) {
			r := must(t, "", append(path, "--help")...)
			if !strings.Contains(r.out, "Example:\n\n    posthaste ") || r.err != "" {
				t.Errorf("no example in the help: %s%s", r.out, r.err)
			}
			golden.Compare(t, "testdata/"+name+".txt", []byte(r.out))
		})
	}
}

// Each is one line that names the flag or setting at fault, with exit code 2.
func TestWrongUsageIsOneClearLine(t *testing.T) {
	config := file(t, "bad.properties", "acks=all\nlinger.ms=soon\n")
	csv := file(t, "a.csv", "id\n1\n")
	tests := []struct {
		name string
		args []string
		want string
	}{
		{"no command", nil, `expected one of "broker", "topics", "produce", "consume", "schema", ...; ` +
			"see posthaste --help"},
		{"a flag that is not known", []string{"produce", "--tpic", "t"},
			`unknown flag --tpic, did you mean "--topic"?; see posthaste produce --help`},
		{"no topic", []string{"produce"}, "missing flags: --topic=TOPIC; see posthaste produce --help"},
		{"a topic name with a space", []string{"produce", "--topic", "my topic"},
			`topic name "my topic" is not legal because of ' ': it takes letters, digits, '.', '_' and ` +
				`'-', at most 249 of them`},
		{"a topic name of dots", []string{"topics", "create", "--topic", ".."}, `topic name ".." is ` +
			`not legal: it takes letters, digits, '.', '_' and '-', at most 249 of them, and is not ` +
			`'.' or '..'`},
		{"a setting with an illegal value", []string{"produce", "--topic", "t", "--producer.config",
			config}, config + ":2: linger.ms=soon: "},
		{"a file of settings that is not there", []string{"produce", "--topic", "t",
			"--producer.config", "none.properties"}, "cannot read the configuration: open " +
			"none.properties: no such file or directory; name an existing .properties file"},
		{"a property without a value", []string{"config", "--producer-property", "acks"},
			"--producer-property acks: write KEY=VALUE, for example --producer-property linger.ms=5"},
		{"a format that is not known", []string{"produce", "--topic", "t", "--format", "xml"},
			"--format xml: there are lines, ndjson, json, csv, tsv and parquet"},
		{"a reader property that is not known", []string{"produce", "--topic", "t", "--property",
			"parse.keys=true"}, `--property: unknown reader property "parse.keys": did you mean ` +
			`"parse.key"?`},
		{"a key field of lines", []string{"produce", "--topic", "t", "--key-field", "id"},
			"lines have no fields for --key-field and its like; give --format csv, tsv, ndjson or " +
				"parquet, or for keys in lines --property parse.key=true"},
		{"a key separator of CSV", []string{"produce", "--topic", "t", "--property", "parse.key=true",
			csv}, "--property parse.key is for lines, and " + csv + " is csv; keys and headers come " +
			"from --key-field and --header-field there"},
		{"transactions without an id", []string{"produce", "--topic", "t", "--transaction-records",
			"5"}, "--transaction-records goes with --transactional-id"},
		{"an offset without a partition", []string{"consume", "--topic", "t", "--offset", "5"},
			"--offset needs --partition: offsets count in each partition"},
		{"an isolation level that is none", []string{"consume", "--topic", "t", "--isolation-level",
			"serializable"}, `--isolation-level must be one of "read_uncommitted","read_committed" but ` +
			`got "serializable"; see posthaste consume --help`},
		{"a print property that is not known", []string{"consume", "--topic", "t", "--property",
			"print.keys=true"}, "--property print.keys=true: there is no such property; there are " +
			"print.timestamp, "},
		{"nothing to send", []string{"perf", "--topic", "t", "--num-records", "5"}, "what is to be " +
			"sent? Give --record-size BYTES, --payload-file FILE or --payload-monotonic"},
		{"no records", []string{"perf", "--topic", "t", "--num-records", "0", "--record-size", "5"},
			"--num-records 0: give a number above 0"},
		{"a number that is none", []string{"perf", "--topic", "t", "--num-records", "many"},
			`--num-records: expected a valid 64 bit int but got "many"; see posthaste perf --help`},
		{"nothing to alter", []string{"topics", "alter", "--topic", "t"}, "what is to change? Give " +
			"--partitions N, --config KEY=VALUE or --delete-config KEY"},
		{"no number of partitions", []string{"partition-of", "k"},
			"how many partitions? Give --partitions N, or --topic NAME to count them"},
		{"a dialect that is not known", []string{"partition-of", "--partitions", "3", "--dialect",
			"perl", "k"}, "--dialect perl is not known; there are java, "},
		{"a fault that is not known", []string{"broker", "--inject", "explode"}, `--inject "explode": `},
		{"users of no registry", []string{"broker", "--schema-registry-users", "f"},
			"--schema-registry-cert, -key and -users go with --schema-registry HOST:PORT"},
		{"a certificate without its key", []string{"broker", "--schema-registry", "127.0.0.1:0",
			"--schema-registry-cert", "f"}, "--schema-registry-cert and --schema-registry-key go together"},
		{"a shell that is not known", []string{"completion", "tcsh"}, `<shell> must be one of ` +
			`"bash","zsh","fish" but got "tcsh"; see posthaste completion --help`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := runCommand(t, "", tt.args...)
			if r.code != exitUsage || r.out != "" {
				t.Errorf("exit code %d, standard output %q; want 2 and nothing", r.code, r.out)
			}
			if !strings.HasPrefix(r.err, "posthaste: "+tt.want) || strings.Count(r.err, "\n") != 1 {
				t.Errorf("standard error = %swant one line: posthaste: %s", r.err, tt.want)
			}
		})
	}
}

// listenOnce answers the first bytes of each connection with text.
func listenOnce(t *testing.T, text string) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			if _, err := bufio.NewReader(conn).ReadByte(); err == nil {
				io.WriteString(conn, text)
			}
			conn.Close()
		}
	}()
	t.Cleanup(func() { l.Close(); <-done })
	return l.Addr().String()
}

// Every command that is a client says in one line what is wrong with the server.
func TestServersThatAreNoBroker(t *testing.T) {
	dead := listenOnce(t, "")
	web := listenOnce(t, "HTTP/1.1 400 Bad Request\r\n\r\n")
	secret := listenOnce(t, "\x15\x03\x01\x00\x02\x02\x0A") // the alert of a TLS server
	tests := []struct{ addr, want string }{
		{"127.0.0.1:1", "127.0.0.1:1: connection refused: no broker listens there; start one, or " +
			"check bootstrap.servers"},
		{dead, dead + ": closes the connection without an answer: not Kafka; check the port in " +
			"bootstrap.servers"},
		{web, web + ": this is a web server, not Kafka; check the port in bootstrap.servers"},
		{secret, secret + ": the server speaks TLS; set security.protocol=SSL, or SASL_SSL to log in " +
			"as well"},
	}
	for _, tt := range tests {
		for _, command := range [][]string{{"produce", "--topic", "t"}, {"consume", "--topic", "t"},
			{"topics", "list"}, {"perf", "--topic", "t", "--num-records", "1", "--record-size", "1"}} {
			r := runCommand(t, "a\n", append(command, "--bootstrap-server", tt.addr)...)
			if want := "posthaste: " + tt.want + "\n"; r.code != exitFailed || r.err != want {
				t.Errorf("%v ended with %d: %swant %s", command, r.code, r.err, want)
			}
		}
	}
}

func TestInputsThatCannotBeUsed(t *testing.T) {
	_, flags := testBroker(t, broker.Config{})
	dir := t.TempDir()
	csv := file(t, "a.csv", "iata,name\nA,B\n")
	tests := []struct {
		name string
		args []string
		want string
	}{
		{"a file that is not there", []string{"none.csv"},
			"cannot read none.csv: no such file or directory"},
		{"a directory", []string{dir}, "cannot read " + dir + ": it is a directory; name the files in it"},
		{"a key column that is not there", []string{"--key-field", "itaa", csv},
			csv + `:1: no column "itaa" in the header row; did you mean "iata"?`},
		{"a broken JSON text", []string{file(t, "b.ndjson", "{}\n{\"a\":}\n")}, ":2: not JSON: " +
			"unexpected '}' where a value must be at byte 6; correct the line"},
		{"a missing key field", []string{"--key-field", "k", file(t, "k.ndjson", "{\"k\":1}\n{}\n")},
			`:2: no field "k"; add it, or choose a field that every record has`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := runCommand(t, "", append(append([]string{"produce", "--topic", "t", "--json"},
				tt.args...), flags...)...)
			if r.code != exitFailed || !strings.Contains(r.err, tt.want) ||
				strings.Count(r.err, "\n") != 1 {
				t.Errorf("exit code %d: %swant one line with %s", r.code, r.err, tt.want)
			}
		})
	}
}

func TestDataDirectoriesThatCannotBeUsed(t *testing.T) {
	dir := t.TempDir()
	must(t, "a\n", "produce", "--topic", "t", "--data", dir)
	meta := filepath.Join(dir, "meta.properties")
	text, err := os.ReadFile(meta)
	if err != nil {
		t.Fatal(err)
	}
	text = bytes.Replace(text, []byte("version=1"), []byte("version=7"), 1)
	if err := os.WriteFile(meta, text, 0o600); err != nil {
		t.Fatal(err)
	}
	r := runCommand(t, "a\n", "produce", "--topic", "t", "--data", dir)
	if r.code != exitFailed || !strings.Contains(r.err, dir) || strings.Count(r.err, "\n") != 1 {
		t.Errorf("another version: exit code %d: %s", r.code, r.err)
	}

	server := start(t, "broker", "--listen", "127.0.0.1:0", "--data", t.TempDir())
	addr := strings.TrimPrefix(strings.TrimSpace(server.out.wait(t, 1)), "ready ")
	r = runCommand(t, "", "broker", "--listen", addr, "--data", t.TempDir())
	if r.code != exitFailed || !strings.Contains(r.err, "address "+addr+" is in use") {
		t.Errorf("the same address: exit code %d: %s", r.code, r.err)
	}
	server.interrupt()
	<-server.done

	dir = t.TempDir()
	server = start(t, "broker", "--listen", "127.0.0.1:0", "--data", dir)
	server.out.wait(t, 1)
	r = runCommand(t, "", "broker", "--listen", "127.0.0.1:0", "--data", dir)
	if r.code != exitFailed || !strings.Contains(r.err, "data directory "+dir+" is in use") ||
		strings.Count(r.err, "\n") != 1 {
		t.Errorf("the same directory: exit code %d: %s", r.code, r.err)
	}
	server.interrupt()
	<-server.done
}

// A disk without room is KAFKA_STORAGE_ERROR to a client; when it stays so the
// record fails and nothing is acknowledged.
func TestADiskWithoutRoomFailsTheRecord(t *testing.T) {
	b, flags := testBroker(t, broker.Config{Topics: map[string]int{"t": 1}})
	b.Inject(broker.Produce().Always().Error(56))
	r := runCommand(t, "a\n", append([]string{"produce", "--topic", "t", "--json",
		"--delivery-report", "json", "--producer-property", "delivery.timeout.ms=500",
		"--producer-property", "request.timeout.ms=400"}, flags...)...)
	reports := decode[deliveryReport](t, r.out)
	if r.code != exitFailed || len(reports) != 2 || reports[0].Code != "KAFKA_STORAGE_ERROR" ||
		reports[0].Outcome == "" || reports[0].Offset != nil {
		t.Errorf("exit code %d: %s%s", r.code, r.out, r.err)
	}
}

func TestTopicsFromCreationToDeletion(t *testing.T) {
	_, flags := testBroker(t, broker.Config{})
	topics := func(args ...string) result {
		return runCommand(t, "", append(append([]string{"topics"}, args...), flags...)...)
	}
	type step struct {
		args []string
		code int
		out  string
		err  string
	}
	for _, s := range []step{
		{[]string{"create", "--topic", "b", "--partitions", "3", "--config", "retention.ms=1000"}, 0,
			"Created topic b.\n", ""},
		{[]string{"--create", "--topic", "a"}, 0, "Created topic a.\n", ""}, // as Kafka's tool
		{[]string{"create", "--topic", "a"}, 1, "",
			"topic a already exists; add --if-not-exists to accept that"},
		{[]string{"create", "--topic", "a", "--if-not-exists"}, 0, "Topic a exists.\n", ""},
		{[]string{"list"}, 0, "a\nb\n", ""},
		{[]string{"list", "--json"}, 0, `{"internal":false,"partitions":1,"topic":"a"}` + "\n" +
			`{"internal":false,"partitions":3,"topic":"b"}` + "\n", ""},
		{[]string{"alter", "--topic", "b", "--partitions", "2"}, 1, "", "topic b has 3 partitions " +
			"already; --partitions takes a larger number, and none can be taken away"},
		{[]string{"alter", "--topic", "b", "--partitions", "5", "--config", "retention.ms=2000"}, 0,
			"Altered topic b.\n", ""},
		{[]string{"alter", "--topic", "b", "--config", "retention.ms=soon"}, 1, "",
			"cannot change settings of topic b: "},
		{[]string{"delete", "--topic", "a,none"}, 1, "Deleted topic a.\n",
			"topic none does not exist; add --if-exists to accept that"},
		{[]string{"delete", "--topic", "none", "--if-exists"}, 0, "", ""},
		{[]string{"describe", "--topic", "a"}, 1, "", "topic a does not exist on "},
	} {
		r := topics(s.args...)
		if r.code != s.code || r.out != s.out || !strings.HasPrefix(strings.TrimPrefix(r.err,
			"posthaste: "), s.err) || s.err == "" && r.err != "" {
			t.Errorf("topics %v ended with %d\n%s%s", s.args, r.code, r.out, r.err)
		}
	}
	d := decode[description](t, topics("describe", "--topic", "b", "--json").out)[0]
	if len(d.Partitions) != 5 || d.ReplicationFactor != 1 || d.Configs["retention.ms"] != "2000" ||
		len(d.ID) != 22 || d.Partitions[4].Leader != 1 || d.Partitions[4].End != 0 {
		t.Errorf("describe --json = %+v", d)
	}
	text := topics("describe", "--topic", "b").out
	want := "Topic: b\tTopicId: " + d.ID + "\tPartitionCount: 5\tReplicationFactor: 1\tConfigs: " +
		"retention.ms=2000\n\tTopic: b\tPartition: 0\tLeader: 1\tReplicas: 1\tIsr: 1\tOffsets: 0-0\n"
	if !strings.HasPrefix(text, want) {
		t.Errorf("describe printed %s\nwant %s", text, want)
	}
}

func TestAddingPartitionsToKeyedRecordsIsWarnedAbout(t *testing.T) {
	_, flags := testBroker(t, broker.Config{Topics: map[string]int{"t": 4, "plain": 4}})
	var in strings.Builder
	for i := range 200 {
		fmt.Fprintf(&in, "key-%d\tv\n", i)
	}
	must(t, in.String(), append([]string{"produce", "--topic", "t", "--property", "parse.key=true"},
		flags...)...)
	must(t, in.String(), append([]string{"produce", "--topic", "plain"}, flags...)...)
	r := must(t, "", with(flags, "topics", "alter", "--topic", "t", "--partitions", "8")...)
	want := "posthaste: warning: topic t has records with keys: 200 different keys in its last 200 " +
		"records, of which "
	if !strings.HasPrefix(r.err, want) || !strings.Contains(r.err, "move to another partition when "+
		"4 become 8") || r.out != "Altered topic t.\n" {
		t.Errorf("alter printed %s%s", r.out, r.err)
	}
	r = must(t, "", append([]string{"topics", "alter", "--topic", "plain", "--partitions", "8"},
		flags...)...)
	if r.err != "" {
		t.Errorf("warning without keys: %s", r.err)
	}
}

func TestKeysThatMoveAreCountedInTheirOwnDialect(t *testing.T) {
	s := keySample{records: 300, at: map[string]int32{}}
	dialect := "consistent_random"
	for i := range 300 {
		key := fmt.Sprintf("key-%d", i)
		for _, d := range mustDialects(t, dialect) {
			p, _ := d.ForKey([]byte(key), 6)
			s.at[key] = p
		}
	}
	if d, ok := s.dialect(6); !ok || d.String() != "consistent" && d.String() != dialect {
		t.Errorf("dialect = %v, %v; want one that places keys as %s", d, ok, dialect)
	}
	for key := range s.at {
		s.at[key] = 5
	}
	if d, ok := s.dialect(6); ok {
		t.Errorf("dialect = %v for keys that nobody placed", d)
	}
	if text := s.moves("t", 6, 12); !strings.Contains(text, "no partitioner that is known here") {
		t.Errorf("moves = %s", text)
	}
}

func mustDialects(t *testing.T, names ...string) []partitioner.Dialect {
	t.Helper()
	all, err := (&partitionOfCmd{Dialect: names}).dialects()
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func TestPartitionOf(t *testing.T) {
	r := must(t, "", "partition-of", "--partitions", "12", "customer-17", "")
	golden.Compare(t, "testdata/partition-of.txt", []byte(r.out))
	_, flags := testBroker(t, broker.Config{Topics: map[string]int{"t": 12}})
	r = must(t, "", append([]string{"partition-of", "--topic", "t", "--dialect", "java", "--dialect",
		"random", "--json", "customer-17"}, flags...)...)
	want := `{"key":"customer-17","partitions":12,"placements":{"java":4,"random":null}}` + "\n"
	if r.out != want {
		t.Errorf("partition-of --json printed %swant %s", r.out, want)
	}
}

func TestConfigShowsWhereSettingsComeFrom(t *testing.T) {
	t.Chdir(t.TempDir())
	if err := os.WriteFile("p.properties", []byte("acks=1\nlingr.ms=5\nsasl.jaas.config=secret\n"),
		0o600); err != nil {
		t.Fatal(err)
	}
	r := must(t, "", "config", "--given", "--producer.config", "p.properties",
		"--producer-property", "batch.size=1")
	want := []string{"acks = 1 (p.properties:1)", "batch.size = 1 (given)",
		"bootstrap.servers = (embedded broker on .posthaste)", "enable.idempotence = false (rule)",
		"sasl.jaas.config = [hidden] (p.properties:3)"}
	text := strings.Join(strings.FieldsFunc(r.out, func(c rune) bool { return c == ' ' }), " ")
	for _, line := range want {
		if !strings.Contains(text, line+"\n") {
			t.Errorf("config lacks %q:\n%s", line, r.out)
		}
	}
	if !strings.Contains(r.err, "posthaste: warning: p.properties:2: unknown setting lingr.ms; did "+
		"you mean linger.ms?\n") || strings.Contains(r.out+r.err, "secret") {
		t.Errorf("warnings = %s", r.err)
	}
	type printed struct {
		Settings map[string]struct{ Value, Source string }
		Warnings []string
	}
	p := decode[printed](t, must(t, "", "config", "--json").out)[0]
	if p.Settings["linger.ms"].Value != "0" || p.Settings["linger.ms"].Source != "default" ||
		len(p.Settings) < 60 {
		t.Errorf("config --json = %+v", p)
	}
}
