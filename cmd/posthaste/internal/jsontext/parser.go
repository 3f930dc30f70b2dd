package jsontext

import (
	"bytes"
	"errors"
)

// Parser walks through one JSON text from its start, value by value, without
// making Go values of it. Object, Array, String, Number and Literal each take the
// value that Kind has announced. Errors are *SyntaxError.
type Parser struct {
	s       Scanner
	scratch []byte
}

// Reset makes b the text to walk through. b is not changed.
func (p *Parser) Reset(b []byte) {
	p.s.b, p.s.i, p.s.depth = b, 0, 0
	p.scratch = p.scratch[:0]
	p.s.space()
}

// Kind is the first byte of the next value: one of { [ " t f n, or 0 for a
// number; 1 if there is none.
func (p *Parser) Kind() byte {
	if p.s.i >= len(p.s.b) {
		return 1
	}
	switch c := p.s.b[p.s.i]; {
	case c == '{', c == '[', c == '"', c == 't', c == 'f', c == 'n':
		return c
	case c == '-', c-'0' < 10:
		return 0
	}
	return 1
}

// End is an error unless the text is at its end.
func (p *Parser) End() error {
	if p.s.space(); p.s.i < len(p.s.b) {
		return p.s.errorf("%s after the end of the value", p.s.here())
	}
	return nil
}

// Skip passes over the next value and returns its text.
func (p *Parser) Skip() ([]byte, error) {
	from := p.s.i
	if err := p.s.value(0, 0); err != nil {
		return nil, err
	}
	return p.s.b[from:p.s.i], nil
}

// String takes a string and returns what it stands for. The bytes are good as
// long as the text and this pass through it.
func (p *Parser) String() ([]byte, error) {
	from := p.s.i + 1
	if p.Kind() != '"' {
		return nil, p.s.errorf("%s where a string must be", p.s.here())
	}
	if err := p.s.str(); err != nil {
		return nil, err
	}
	inside := p.s.b[from : p.s.i-1 : p.s.i-1]
	if bytes.IndexByte(inside, '\\') < 0 {
		return inside, nil
	}
	start := len(p.scratch)
	p.scratch = AppendUnescaped(p.scratch, inside)
	return p.scratch[start:len(p.scratch):len(p.scratch)], nil
}

// Number takes a number and returns its text.
func (p *Parser) Number() ([]byte, error) { return p.Skip() }

// Object takes an object. It calls member for each of its members, which must
// take the member's value, or pass over it.
func (p *Parser) Object(member func(name []byte) error) error {
	return p.container('{', '}', func() error {
		name, err := p.String()
		if err != nil {
			return err
		}
		p.s.space()
		if p.s.i >= len(p.s.b) || p.s.b[p.s.i] != ':' {
			return p.s.errorf("%s where ':' must be", p.s.here())
		}
		p.s.i++
		p.s.space()
		return member(name)
	})
}

// Array takes an array. It calls element for each of its elements, which must
// take it, or pass over it.
func (p *Parser) Array(element func() error) error { return p.container('[', ']', element) }

func (p *Parser) container(opening, closing byte, each func() error) error {
	if p.Kind() != opening {
		return p.s.errorf("%s where '%c' must be", p.s.here(), opening)
	}
	if err := p.s.enter(); err != nil {
		return err
	}
	defer func() { p.s.depth-- }()
	if p.s.i < len(p.s.b) && p.s.b[p.s.i] == closing {
		p.s.i++
		return nil
	}
	for {
		before := p.s.i
		if err := each(); err != nil {
			return err
		}
		if p.s.i == before {
			return errors.New("jsontext: a value was neither taken nor passed over")
		}
		if done, err := p.s.separator(closing); done || err != nil {
			return err
		}
	}
}
