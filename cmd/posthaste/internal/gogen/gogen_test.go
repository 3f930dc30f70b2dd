package gogen

import (
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/twmb/avro"
	"google.golang.org/protobuf/proto"

	"github.com/posthaste-go/posthaste/cmd/posthaste/internal/gogen/testdata/catalogue"
	"github.com/posthaste-go/posthaste/cmd/posthaste/internal/gogen/testdata/orders"
	"github.com/posthaste-go/posthaste/cmd/posthaste/internal/gogen/testdata/weather"
	"github.com/posthaste-go/posthaste/internal/golden"
)

func source(t *testing.T, name string) Source {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return Source{name, string(text)}
}

// The golden files are packages that this test imports, so they compile.
func TestTypesAreThoseOfTheGoldenPackages(t *testing.T) {
	tests := []struct {
		source, pkg string
		make        func([]Source, Options) ([]File, error)
	}{
		{"order.avsc", "orders", Avro},
		{"reading.proto", "weather", Protobuf},
		{"product.json", "catalogue", JSONSchema},
	}
	for _, tt := range tests {
		t.Run(tt.source, func(t *testing.T) {
			files, err := tt.make([]Source{source(t, tt.source)}, Options{Package: tt.pkg})
			if err != nil {
				t.Fatal(err)
			}
			for _, f := range files {
				golden.Compare(t, "testdata/"+tt.pkg+"/"+f.Name, f.Code)
			}
		})
	}
}

// order has a value in every field.
func order() *orders.Order {
	o := orders.NewOrder()
	o.OrderID, o.Customer = "7d444840-9dc0-11d1-b245-5ffdce74fad2", "Ada"
	o.PlacedAt = time.UnixMicro(1700000000123456).UTC()
	o.SetDeliveryDate(time.Date(2026, 1, 31, 0, 0, 0, 0, time.UTC))
	o.Total, o.Discount = big.NewRat(-123456, 100), big.NewRat(5, 2)
	o.Status = orders.StatusOnItsWay
	line := orders.NewLine()
	line.SetNote("fragile")
	weight := 1.5
	line.Weights = []*float64{&weight, nil}
	o.Lines = []orders.Line{*line}
	o.Address = orders.NewAddress()
	o.SetPaymentVoucher(&orders.Voucher{Number: "V1"})
	o.Labels = map[string]string{"gift": "yes"}
	o.SetChecksum(orders.MD5{1, 2, 3})
	o.SetWarranty(avro.Duration{Months: 24, Days: 1, Milliseconds: 5})
	o.Photo = []byte{0xFF, 0}
	o.Parent = orders.NewOrder()
	o.Parent.Total = new(big.Rat)
	o.Parent.OrderID = "00000000-0000-0000-0000-000000000000"
	o.Parent.PlacedAt = time.UnixMicro(0).UTC()
	return o
}

func TestAvroTypesReadBackWhatTheyWrote(t *testing.T) {
	schema := avro.MustParse(orders.Order{}.AvroSchema())
	want := order()
	b, err := schema.Encode(want)
	if err != nil {
		t.Fatal(err)
	}
	var got orders.Order
	if _, err := schema.Decode(b, &got); err != nil {
		t.Fatal(err)
	}
	if v := got.GetPaymentVoucher(); v == nil || v.Number != "V1" {
		t.Errorf("the payment is %v, want voucher V1", got.Payment)
	}
	got.Payment = want.Payment
	if d := cmp.Diff(want, &got, cmpopts.EquateEmpty(),
		cmp.Comparer(func(a, b *big.Rat) bool {
			return (a == nil) == (b == nil) && (a == nil || a.Cmp(b) == 0)
		})); d != "" {
		t.Errorf("read back (-want +got):\n%s", d)
	}
}

func TestAvroGettersStandNull(t *testing.T) {
	var o *orders.Order
	if o.GetAddress() != nil || o.GetParent().GetBilling() != nil || !o.GetDeliveryDate().IsZero() ||
		o.GetPaymentCard() != nil || (&orders.Line{}).GetNote() != "" {
		t.Error("a getter of null is not the zero value")
	}
	n := orders.NewOrder()
	n.Payment = "cash"
	if n.GetPaymentCard() != nil {
		t.Error("text in a union is taken for a record")
	}
	if got := orders.NewAddress().GetZip(); got != "00000" {
		t.Errorf("the default of zip is %q", got)
	}
}

func TestProtobufTypesReadBackWhatTheyWrote(t *testing.T) {
	want := &weather.Reading{Station: "s", Sky: []weather.Sky{weather.Sky_SKY_RAIN},
		Source: &weather.Reading_Observer{Observer: &weather.Reading_Person{Name: "Ada"}}}
	b, err := proto.Marshal(want)
	if err != nil {
		t.Fatal(err)
	}
	var got weather.Reading
	if err := proto.Unmarshal(b, &got); err != nil || !proto.Equal(want, &got) {
		t.Errorf("read back %v, %v", &got, err)
	}
}

func TestJSONSchemaTypesHaveTheSchemasFields(t *testing.T) {
	unit := catalogue.ProductStateUsed
	p := catalogue.Product{ProductId: 7, State: &unit, Extra: map[string]string{"a": "b"}}
	if p.ProductId != 7 || *p.State != "used" {
		t.Errorf("%+v", p)
	}
}

func TestTypesOfSeveralFilesMeet(t *testing.T) {
	files, err := Avro([]Source{
		{"order.avsc", `{"type":"record","name":"Order","namespace":"shop","fields":[
			{"name":"to","type":"Address"},{"name":"kind","type":"other.Kind"}]}`},
		{"address.avsc", `{"type":"record","name":"Address","namespace":"shop","fields":[
			{"name":"kind","type":{"type":"enum","name":"Kind","symbols":["A"]}}]}`},
		{"kind.avsc", `{"type":"enum","name":"Kind","namespace":"other","symbols":["A"]}`},
	}, Options{Package: "shop"})
	if err != nil {
		t.Fatal(err)
	}
	all := ""
	for _, f := range files {
		all += f.Name + "\n" + string(f.Code)
	}
	for _, want := range []string{"order.avro.go\n", "To   Address   `", "Kind OtherKind `",
		"Kind ShopKind `", "OtherKindA OtherKind = \"A\""} {
		if !strings.Contains(all, want) {
			t.Errorf("no %q in\n%s", want, all)
		}
	}
	if n := strings.Count(all, "type Address struct"); n != 1 {
		t.Errorf("Address is declared %d times", n)
	}
}

func TestSchemasThatAreNoneAreRefused(t *testing.T) {
	tests := []struct {
		name, text, want string
		make             func([]Source, Options) ([]File, error)
		pkg              string
	}{
		{"Avro that is no JSON", "{", "a.avsc: not an Avro schema: ", Avro, "p"},
		{"an Avro type that nobody defines", `{"type":"record","name":"A","fields":[
			{"name":"b","type":"Missing"}]}`, `unknown type "Missing"`, Avro, "p"},
		{"Avro without a named type", `"string"`, "a.avsc: no record, enum or fixed type", Avro, "p"},
		{"Protobuf with a slip", "syntax = \"proto3\";\nmessage A {\n  strin a = 1;\n}\n",
			"a.avsc:3:3: ", Protobuf, "p"},
		{"JSON Schema that is no JSON", "{", "a.avsc: not a JSON Schema: ", JSONSchema, "p"},
		{"a package name that is a keyword", `{"type":"fixed","name":"A","size":1}`,
			`"func" is no name of a Go package`, Avro, "func"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := tt.make([]Source{{"a.avsc", tt.text}}, Options{Package: tt.pkg})
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error = %v, want one with %q", err, tt.want)
			}
		})
	}
}

func TestNamesBecomeGoNames(t *testing.T) {
	for name, want := range map[string]string{"order_id": "OrderID", "orderId": "OrderID",
		"URLPath": "URLPath", "HTTPServer": "HTTPServer", "ON_ITS_WAY": "OnItsWay", "iata": "Iata",
		"x": "X", "_1": "X1", "größe": "Größe", "2nd": "X2nd", "id2": "Id2"} {
		if got := exported(name); got != want {
			t.Errorf("exported(%q) = %q, want %q", name, got, want)
		}
	}
}
