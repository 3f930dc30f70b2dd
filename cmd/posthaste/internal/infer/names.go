package infer

import (
	"fmt"
	"strings"
	"unicode"
)

// Legal makes name one that Avro and Protobuf take: letters, digits and _, not
// beginning with a digit. Letters with marks lose them where that is usual;
// other runs of what is illegal become one _.
func Legal(name string) string {
	var b strings.Builder
	gap := false
	for _, r := range name {
		if plain, ok := unmarked[r]; ok {
			r = plain
		}
		if r > unicode.MaxASCII || r != '_' && !unicode.IsLetter(r) && !unicode.IsDigit(r) {
			gap = b.Len() > 0
			continue
		}
		if gap {
			b.WriteByte('_')
			gap = false
		}
		if b.Len() == 0 && unicode.IsDigit(r) {
			b.WriteByte('_')
		}
		b.WriteRune(r)
	}
	if b.Len() == 0 {
		return "_"
	}
	return b.String()
}

var unmarked = func() map[rune]rune {
	m := map[rune]rune{}
	for plain, marked := range map[rune]string{'a': "àáâãäå", 'c': "ç", 'e': "èéêë", 'i': "ìíîï",
		'n': "ñ", 'o': "òóôõöø", 'u': "ùúûü", 'y': "ýÿ", 's': "ß", 'A': "ÀÁÂÃÄÅ", 'C': "Ç",
		'E': "ÈÉÊË", 'I': "ÌÍÎÏ", 'N': "Ñ", 'O': "ÒÓÔÕÖØ", 'U': "ÙÚÛÜ", 'Y': "Ý"} {
		for _, r := range marked {
			m[r] = plain
		}
	}
	return m
}()

// TypeName makes a name for a record's type: flights-3m is Flights3m.
func TypeName(name string) string {
	var b strings.Builder
	for _, word := range strings.Split(Legal(name), "_") {
		if word != "" {
			b.WriteString(strings.ToUpper(word[:1]) + word[1:])
		}
	}
	s := b.String()
	if s == "" || s[0] >= '0' && s[0] <= '9' {
		s = "T" + s
	}
	return s
}

// names hands out names once each.
type names map[string]bool

func (n names) pick(want string) string {
	got := want
	for i := 2; n[got]; i++ {
		got = fmt.Sprintf("%s_%d", want, i)
	}
	n[got] = true
	return got
}
