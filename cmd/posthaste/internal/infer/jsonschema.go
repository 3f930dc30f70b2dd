package infer

// jsonNode is a part of a JSON Schema, in the order in which people write it.
type jsonNode struct {
	Schema     string    `json:"$schema,omitempty"`
	Title      string    `json:"title,omitempty"`
	Type       any       `json:"type"`
	Format     string    `json:"format,omitempty"`
	Properties *members  `json:"properties,omitempty"`
	Required   []string  `json:"required,omitempty"`
	Additional any       `json:"additionalProperties,omitempty"`
	Items      *jsonNode `json:"items,omitempty"`
}

// JSONSchema writes t, which is a Record, as a JSON Schema of draft 7. Members
// that every row has are required; others than those seen are not allowed, so
// that a later version can add some and stay compatible.
func (t *Type) JSONSchema(title string) string {
	root := jsonType(t)
	root.Schema, root.Title, root.Type = "http://json-schema.org/draft-07/schema#", title, "object"
	return indented(root)
}

func jsonType(t *Type) *jsonNode {
	node := &jsonNode{}
	name := "string"
	switch t.Kind {
	case Boolean:
		name = "boolean"
	case Int, Long:
		name = "integer"
	case Float, Double, Decimal:
		name = "number"
	case UUID:
		node.Format = "uuid"
	case Date:
		node.Format = "date"
	case TimestampMillis, TimestampMicros, TimestampNanos:
		node.Format = "date-time"
	case Array:
		name, node.Items = "array", jsonType(t.Items)
	case Map:
		name, node.Additional = "object", jsonType(t.Items)
	case Record:
		name, node.Additional = "object", new(bool)
		node.Properties = &members{}
		for _, f := range t.Fields {
			*node.Properties = append(*node.Properties, member{f.Name, jsonType(f.Type)})
			if f.rows == t.rows {
				node.Required = append(node.Required, f.Name)
			}
		}
	}
	node.Type = name
	if t.Nullable {
		node.Type = []string{name, "null"}
	}
	return node
}
