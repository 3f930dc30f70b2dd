package kcat

import (
	"strings"
	"testing"

	"github.com/posthaste-go/posthaste/interop/record"
)

func TestParseTakesBytesByTheirLength(t *testing.T) {
	got, err := parse("t", strings.NewReader("0 7 1700 3 -1\n1 \n2 8 1701 -1 2\n\n\n0 9 1702 0 0\n"))
	if err != nil {
		t.Fatal(err)
	}
	want := []record.Record{
		{Topic: "t", Partition: 0, Offset: 7, Timestamp: 1700, Key: []byte("1 \n")},
		{Topic: "t", Partition: 2, Offset: 8, Timestamp: 1701, Value: []byte("\n\n")},
		{Topic: "t", Partition: 0, Offset: 9, Timestamp: 1702, Key: []byte{}, Value: []byte{}},
	}
	if diff := record.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestParseRefusesOutputCutShort(t *testing.T) {
	for _, output := range []string{"0 7", "0 7 1700 3 -1\n12", "0 7 1700 -1 5\nabcd", "x\n"} {
		if _, err := parse("t", strings.NewReader(output)); err == nil {
			t.Errorf("parse(%q) found nothing wrong", output)
		}
	}
}
