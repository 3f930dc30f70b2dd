package infer

import "encoding/json"

// member is one property of a JSON Schema.
type member struct {
	name string
	node *jsonNode
}

// members are properties in the order of the rows.
type members []member

// MarshalJSON writes an object whose members keep their order.
func (m members) MarshalJSON() ([]byte, error) {
	b := []byte{'{'}
	for i, p := range m {
		if i > 0 {
			b = append(b, ',')
		}
		name, err := json.Marshal(p.name)
		if err != nil {
			return nil, err
		}
		node, err := json.Marshal(p.node)
		if err != nil {
			return nil, err
		}
		b = append(append(append(b, name...), ':'), node...)
	}
	return append(b, '}'), nil
}
