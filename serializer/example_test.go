package serializer_test

import (
	"fmt"

	"github.com/posthaste-go/posthaste/serializer"
)

// A codec appends to what is there, so that a record is copied once.
func ExampleInt64() {
	var codec serializer.Int64
	b, err := codec.Serialize([]byte{}, "orders", nil, 42)
	fmt.Println(b, err)
	n, err := codec.Deserialize("orders", nil, b)
	fmt.Println(n, err)
	// Output:
	// [0 0 0 0 0 0 0 42] <nil>
	// 42 <nil>
}

// A string has no null of its own; a pointer has. Null deletes a key from a
// compacted topic, empty does not.
func ExampleNullable() {
	codec := serializer.Nullable(serializer.String{})
	empty := ""
	for _, v := range []*string{nil, &empty} {
		b, err := codec.Serialize([]byte{}, "orders", nil, v)
		fmt.Println(b == nil, err)
	}
	// Output:
	// true <nil>
	// false <nil>
}

func ExampleList() {
	codec := serializer.List(serializer.String{})
	b, err := codec.Serialize([]byte{}, "orders", nil, []string{"tea", "milk"})
	fmt.Printf("%q %v\n", b, err)
	// Output: "\x01\x00\x00\x00\x02\x00\x00\x00\x03tea\x00\x00\x00\x04milk" <nil>
}

func ExampleJSON() {
	type order struct {
		Item  string `json:"item"`
		Count int    `json:"count"`
	}
	codec := serializer.JSON[order]{}
	b, err := codec.Serialize([]byte{}, "orders", nil, order{"tea", 2})
	fmt.Printf("%s %v\n", b, err)
	// Output: {"item":"tea","count":2} <nil>
}

// A command line names the type of its values; errors say what is wrong.
func ExampleByName() {
	s, err := serializer.ByName("org.apache.kafka.common.serialization.BooleanSerializer")
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, text := range []string{"true", "yes"} {
		b, err := s.Serialize([]byte{}, "orders", nil, text)
		fmt.Println(b, err)
	}
	// Output:
	// [1] <nil>
	// [] value does not fit the serializer: "yes" is not a boolean (true or false)
}

// hexadecimal is a serializer of one's own: append to dst, null for null.
type hexadecimal struct{}

func (hexadecimal) Serialize(
	dst []byte, _ string, headers *[]serializer.Header, v []byte,
) ([]byte, error) {
	if v == nil {
		return nil, nil
	}
	if headers != nil {
		*headers = append(*headers, serializer.Header{Key: "encoding", Value: []byte("hex")})
	}
	return fmt.Appendf(dst, "%x", v), nil
}

func ExampleSerializer() {
	var s serializer.Serializer[[]byte] = hexadecimal{}
	var headers []serializer.Header
	b, err := s.Serialize([]byte{}, "orders", &headers, []byte{0xca, 0xfe})
	fmt.Printf("%s %v %s=%s\n", b, err, headers[0].Key, headers[0].Value)
	// Output: cafe <nil> encoding=hex
}
