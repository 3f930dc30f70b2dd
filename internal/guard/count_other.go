//go:build !(linux && amd64)

package guard

import "errors"

func unable() string { return "instructions are counted on Linux with amd64 only" }

func count(string, string) (int, error) { return 0, errors.New(unable()) }

func perform(Work) {}
