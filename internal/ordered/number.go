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
	if _, exponent, ok := strings.Cut(strings.ToLower(text), "e"); ok {
		if len(strings.TrimLeft(exponent, "+-0")) > 3 {
			return nil, false
		}
	}
	return new(big.Rat).SetString(text)
}
