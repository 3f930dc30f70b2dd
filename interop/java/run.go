//go:build unix

package java

import (
	"context"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/posthaste-go/posthaste/interop/driver"
)

// Command prepares a JVM that runs the main method of class. Its heap is small
// and its compiler quick to start rather than fast in the end.
func (in Installation) Command(ctx context.Context, class string, args ...string) *exec.Cmd {
	jvm := []string{
		"-Xmx400m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1",
		"-Djava.net.preferIPv4Stack=true", "-Djava.awt.headless=true",
		"-Dlog4j2.configurationFile=" + filepath.Join(in.Classes, "log4j2.properties"),
		"-cp", in.Classes + ":" + filepath.Join(in.Jars, "*"),
	}
	if class != "Node" {
		jvm = append([]string{"-Dposthaste.log.level=warn"}, jvm...)
	}
	return exec.CommandContext(ctx, "java", append(append(jvm, class), args...)...)
}

// The classes of Apache Kafka's command line tools, for driver.Tool.
const (
	TopicCommand      = "org.apache.kafka.tools.TopicCommand"
	ConfigCommand     = "kafka.admin.ConfigCommand"
	ConsoleConsumer   = "org.apache.kafka.tools.consumer.ConsoleConsumer"
	ConsoleProducer   = "org.apache.kafka.tools.ConsoleProducer"
	GetOffsetShell    = "org.apache.kafka.tools.GetOffsetShell"
	DumpLogSegments   = "org.apache.kafka.tools.DumpLogSegments"
	BrokerAPIVersions = "org.apache.kafka.tools.BrokerApiVersionsCommand"
	ClusterTool       = "org.apache.kafka.tools.ClusterTool"
	Transactions      = "org.apache.kafka.tools.TransactionsCommand"
	Features          = "org.apache.kafka.tools.FeatureCommand"

	TransactionsCommand        = "org.apache.kafka.tools.TransactionsCommand"
	TransactionalMessageCopier = "org.apache.kafka.tools.TransactionalMessageCopier"
)

// Driver is Apache Kafka's own producer, consumer and command line tools, in one
// JVM for the whole test binary.
func Driver(t testing.TB) *driver.Driver {
	t.Helper()
	Install(t)
	return theDriver
}

var theDriver = driver.New("Java", func() *exec.Cmd {
	in, err := install()
	if err != nil {
		return &exec.Cmd{Err: err}
	}
	return in.Command(context.Background(), "Driver")
})
