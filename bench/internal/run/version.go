package run

import "runtime/debug"

// ModuleVersion is the version of a dependency as it was built into this
// program, "devel" for one replaced by a directory.
func ModuleVersion(path string) string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	for _, dep := range info.Deps {
		switch {
		case dep.Path != path:
		case dep.Replace != nil && (dep.Replace.Version == "" || dep.Replace.Version == "(devel)"):
			return "devel" + revision(info)
		case dep.Replace != nil:
			return dep.Replace.Version
		default:
			return dep.Version
		}
	}
	return "unknown"
}

// revision is "-" and the commit the program was built from, if it is known.
func revision(info *debug.BuildInfo) string {
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" && len(s.Value) >= 12 {
			return "-" + s.Value[:12]
		}
	}
	return ""
}
