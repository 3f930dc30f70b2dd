package partitioner

import "strings"

const kafkaPackage = "org.apache.kafka.clients.producer."

// named lists what ByName knows; the first word of a row is the one that Names
// gives. Rows without a constructor mean the producer's built-in choice.
var named = []struct {
	words []string
	make  func() Partitioner
}{
	{[]string{
		"default", kafkaPackage + "internals.DefaultPartitioner", "DefaultPartitioner",
	}, nil},
	{[]string{
		"round_robin", kafkaPackage + "RoundRobinPartitioner", "RoundRobinPartitioner",
		"round-robin", "roundrobin",
	}, func() Partitioner { return new(RoundRobin) }},
	{[]string{
		"uniform_sticky", kafkaPackage + "UniformStickyPartitioner", "UniformStickyPartitioner",
		"uniform-sticky", "uniformsticky", "sticky",
	}, func() Partitioner { return new(UniformSticky) }},
}

// ByName finds a partitioner by the name of Kafka's class, with or without its
// package, by librdkafka's word for its setting "partitioner", or by the name of
// any other [Dialect]. Words are case-insensitive; [Names] lists them. ok is
// false for an unknown name; a nil Partitioner with ok means the producer's
// built-in choice. Each call makes a new instance.
func ByName(class string) (p Partitioner, ok bool) {
	for _, row := range named {
		for _, word := range row.words {
			if !strings.EqualFold(word, class) {
				continue
			}
			if row.make == nil {
				return nil, true
			}
			return row.make(), true
		}
	}
	for d := range dialectCount {
		if strings.EqualFold(d.String(), class) {
			return &Keyed{Dialect: d}, true
		}
	}
	return nil, false
}

// Names lists the short words that [ByName] takes, for error messages and help:
// first the producer's own, then the dialects in the order of their constants.
func Names() []string {
	var names []string
	for _, row := range named {
		names = append(names, row.words[0])
	}
	for d := range dialectCount {
		names = append(names, d.String())
	}
	return names
}
