package ordered

import (
	"math/big"
	"strings"
)

// maxDigits bounds what a number's text may cost to compare: an exponent of a
// billion is a legal JSON number.
const maxDigits = 400

func sameNumber(a, b string) bool {
	x, ok := Rat(a)
	if !ok {
		return false
	}
	y, ok := Rat(b)
	return ok && x.Cmp(y) == 0
}

// Rat is a number's exact value. It fails for what is no number, or one of more
// digits than anyone means.
func Rat(text string) (*big.Rat, bool) {
	if len(text) > maxDigits {
		return nil, false
	}
	if LongExponent(text) {
		return nil, false
	}
	return new(big.Rat).SetString(text)
}

// ExponentDigits is how many digits the exponent of a number may have whose exact
// value is made: it has as many digits as the exponent says.
const ExponentDigits = 3

// LongExponent reports whether a number's exponent has more digits than that.
func LongExponent(text string) bool {
	_, exponent, _ := strings.Cut(strings.ToLower(text), "e")
	return len(strings.TrimLeft(exponent, "+-0")) > ExponentDigits
}
