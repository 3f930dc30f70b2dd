package main

import (
	"slices"
	"strings"
)

// optional lists flags that may stand with a value or without: --flag,
// --flag=value, and as Kafka's tools allow --flag value if the value is one of
// these.
var optional = map[string][]string{
	"--delivery-report":   {"text", "json"},
	"--compression-codec": {"none", "gzip", "snappy", "lz4", "zstd"},
}

// topicActions are the flags of Kafka's topics tool that are commands here.
var topicActions = []string{"create", "describe", "list", "alter", "delete"}

// transactionActions are the commands of Kafka's transactions tool, which stand
// behind --bootstrap-server there.
var transactionActions = map[string]string{
	"list": "list", "describe": "describe", "describe-producers": "describe-producers",
	"abort": "abort", "find-hanging": "find-hanging", "force-terminate": "force-terminate",
	"forceTerminateTransaction": "force-terminate",
}

// normalize rewrites the spellings of Kafka's tools that are no flags in the
// sense of kong.
func normalize(args []string) []string {
	args = actionFirst(args)
	out := make([]string, 0, len(args))
	for i := 0; i < len(args); i++ {
		arg := args[i]
		switch {
		case arg == "--":
			return append(out, args[i:]...)
		case i == 0 && (arg == "--version" || arg == "-v"):
			arg = "version"
		case len(out) > 0 && out[0] == "topics" && strings.HasPrefix(arg, "--") &&
			slices.Contains(topicActions, arg[2:]) && !slices.Contains(topicActions, at(out, 1)):
			out = slices.Insert(out, 1, arg[2:]) // topics --create --topic t
			continue
		case optional[arg] != nil && slices.Contains(optional[arg], at(args, i+1)):
			i++
			arg += "=" + args[i]
		case strings.HasPrefix(arg, "--") && !strings.Contains(arg, "=") &&
			isNegative(at(args, i+1)): // --throughput -1
			i++
			arg += "=" + args[i]
		case arg == "--producer-props": // takes all that follows up to the next flag
			for i++; i < len(args) && !strings.HasPrefix(args[i], "-"); i++ {
				out = append(out, "--producer-property="+args[i])
			}
			i--
			continue
		}
		out = append(out, arg)
	}
	return out
}

// actionFirst puts what transactions is to do right behind it.
func actionFirst(args []string) []string {
	if at(args, 0) != "transactions" {
		return args
	}
	for i := 1; i < len(args); i++ {
		before := args[i-1]
		action := transactionActions[args[i]]
		value := i > 1 && strings.HasPrefix(before, "--") && !strings.Contains(before, "=") &&
			before != "--json"
		if action != "" && !value {
			out := append([]string{args[0], action}, args[1:i]...)
			return append(out, args[i+1:]...)
		}
	}
	return args
}

// at is list[i], or "" behind its end.
func at(list []string, i int) string {
	if i >= len(list) {
		return ""
	}
	return list[i]
}

// isNegative reports whether s is a number below 0 rather than a short flag.
func isNegative(s string) bool {
	return len(s) > 1 && s[0] == '-' && s[1]-'0' < 10
}
