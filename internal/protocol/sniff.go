package protocol

import "bytes"

// Sniff says what the first bytes of a connection are, if they are not Kafka's:
// "a TLS ClientHello", "an HTTP request" and the like. It is empty if nothing
// speaks against Kafka or too little was seen (four bytes suffice).
func Sniff(b []byte) string {
	switch {
	case len(b) >= 3 && b[0] == 0x16 && b[1] == 3:
		return "a TLS ClientHello" // or ServerHello, when a client reads it
	case len(b) >= 3 && b[0] == 0x15 && b[1] == 3:
		return "a TLS alert"
	case bytes.HasPrefix(b, []byte("HTTP/")):
		return "an HTTP response"
	case bytes.HasPrefix(b, []byte("SSH-")):
		return "an SSH banner"
	}
	for _, method := range []string{"GET ", "PUT ", "POST", "HEAD", "DELE", "OPTI", "CONN", "PATC"} {
		if bytes.HasPrefix(b, []byte(method)) {
			return "an HTTP request"
		}
	}
	if len(b) >= 4 && printable(b[:4]) {
		return "text"
	}
	return ""
}

func printable(b []byte) bool {
	for _, c := range b {
		if (c < 0x20 || c > 0x7e) && c != '\r' && c != '\n' && c != '\t' {
			return false
		}
	}
	return true
}
