//go:build !race

package posthaste_test

const raced = false
