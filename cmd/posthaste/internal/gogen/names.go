package gogen

import (
	"go/token"
	"strconv"
	"strings"
	"unicode"
)

// initialisms are written in capitals in Go names.
var initialisms = map[string]bool{"api": true, "ascii": true, "cpu": true, "css": true, "dns": true,
	"eof": true, "guid": true, "html": true, "http": true, "https": true, "id": true, "ip": true,
	"json": true, "md5": true, "ram": true, "rpc": true, "sha1": true, "sql": true, "ssh": true,
	"tcp": true, "tls": true, "ttl": true, "udp": true, "ui": true, "uid": true, "uri": true,
	"url": true, "utc": true, "utf8": true, "uuid": true, "vm": true, "xml": true}

// exported makes name an exported Go name: order_id and orderId are OrderID.
// What is no letter or digit separates words. A name that begins with a digit,
// or has nothing to begin with, gets an X in front.
func exported(name string) string {
	var b strings.Builder
	for _, word := range words(name) {
		if initialisms[strings.ToLower(word)] {
			b.WriteString(strings.ToUpper(word))
			continue
		}
		runes := []rune(word)
		if strings.ToUpper(word) == word && len(runes) > 1 {
			runes = []rune(strings.ToLower(word)) // SPADES is Spades
		}
		runes[0] = unicode.ToUpper(runes[0])
		b.WriteString(string(runes))
	}
	s := b.String()
	if !token.IsExported(s) || !token.IsIdentifier(s) {
		s = "X" + s
	}
	return s
}

// words divides a name at what is no letter or digit, and before a capital that
// follows a small letter or digit.
func words(name string) []string {
	var all []string
	start, last := -1, rune(0)
	for i, r := range name {
		switch {
		case !unicode.IsLetter(r) && !unicode.IsDigit(r):
			if start >= 0 {
				all = append(all, name[start:i])
			}
			start = -1
		case start < 0:
			start = i
		case unicode.IsUpper(r) && !unicode.IsUpper(last):
			all = append(all, name[start:i])
			start = i
		}
		last = r
	}
	if start >= 0 {
		all = append(all, name[start:])
	}
	return all
}

// scope hands out names that are not taken.
type scope map[string]bool

// name returns want, or want with a number behind it that is free.
func (s scope) name(want string) string {
	got := want
	for n := 2; s[got]; n++ {
		got = want + strconv.Itoa(n)
	}
	s[got] = true
	return got
}
