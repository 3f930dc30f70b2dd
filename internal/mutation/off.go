//go:build !mutate

package mutation

// On reports whether the bug is there: never.
func On(Bug) bool { return false }
