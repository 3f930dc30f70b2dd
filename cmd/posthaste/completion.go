package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/alecthomas/kong"
)

type completionCmd struct {
	Shell string `arg:"" enum:"bash,zsh,fish" help:"bash, zsh or fish."`
}

// Help is what --help adds.
func (*completionCmd) Help() string {
	return withExample("",
		"posthaste completion bash > /etc/bash_completion.d/posthaste")
}

// Run prints a script that completes commands, flags and files.
func (c *completionCmd) Run(e *env) error {
	var script string
	switch c.Shell {
	case "fish":
		script = fishScript(e.kong.Model)
	case "zsh":
		script = "#compdef posthaste\nautoload -U +X bashcompinit && bashcompinit\n" +
			bashScript(e.kong.Model)
	default:
		script = bashScript(e.kong.Model)
	}
	_, err := fmt.Fprint(e.out, script)
	return err
}

// words lists what may follow the words of each command: its own commands, and
// its flags.
func words(n *kong.Node, path []string, visit func(path, commands, flags []string)) {
	var commands, flags []string
	for _, child := range n.Children {
		if child.Type == kong.CommandNode && !child.Hidden {
			commands = append(commands, child.Name)
		}
	}
	for _, group := range n.AllFlags(true) {
		for _, f := range group {
			flags = append(flags, "--"+f.Name)
		}
	}
	slices.Sort(flags)
	visit(path, commands, flags)
	for _, child := range n.Children {
		if child.Type == kong.CommandNode {
			words(child, append(slices.Clone(path), child.Name), visit)
		}
	}
}

func bashScript(app *kong.Application) string {
	var b strings.Builder
	b.WriteString(`_posthaste() {
  local cur=${COMP_WORDS[COMP_CWORD]} path="" w
  for w in "${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
    [[ $w == -* ]] && break
    path="${path:+$path }$w"
  done
  local words
  case "$path" in
`)
	words(app.Node, nil, func(path, commands, flags []string) {
		fmt.Fprintf(&b, "    %q*) words=%q ;;\n", strings.Join(path, " "),
			strings.Join(append(commands, flags...), " "))
	})
	// The most special pattern must stand first.
	lines := strings.Split(strings.TrimRight(b.String(), "\n"), "\n")
	head := slices.IndexFunc(lines, func(l string) bool { return strings.HasPrefix(l, `    "`) })
	slices.Reverse(lines[head:])
	return strings.Join(lines, "\n") + `
  esac
  COMPREPLY=($(compgen -W "$words" -- "$cur"))
  [[ $cur == -* ]] || COMPREPLY+=($(compgen -f -- "$cur"))
}
complete -o filenames -F _posthaste posthaste
`
}

func fishScript(app *kong.Application) string {
	var b strings.Builder
	words(app.Node, nil, func(path, commands, flags []string) {
		when := "__fish_use_subcommand"
		if len(path) > 0 {
			when = "__fish_seen_subcommand_from " + path[len(path)-1]
		}
		for _, name := range commands {
			fmt.Fprintf(&b, "complete -c posthaste -n '%s' -a %s\n", when, name)
		}
		for _, flag := range flags {
			fmt.Fprintf(&b, "complete -c posthaste -n '%s' -l %s\n", when, strings.TrimPrefix(flag, "--"))
		}
	})
	return b.String()
}
