// Package tidy is the house rules as tests: who may import whom, how long files
// and functions may be, which calls are made in one place only, and that the
// documents' links lead somewhere. It has no code of its own; go test runs it
// like everything else, so that no tool has to be installed to know.
package tidy
