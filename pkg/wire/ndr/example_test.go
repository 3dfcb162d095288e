// SPDX-License-Identifier: Apache-2.0

package ndr_test

import (
	"fmt"

	"msrpcd/pkg/wire/ndr"
)

// The types of the package documentation.

type Phone struct {
	Kind      int32
	HasNumber bool
	Number    ndr.WText
}

func (p *Phone) NDR(c *ndr.Codec) {
	c.Struct(ndr.AlignPtr)
	c.Int32(&p.Kind)
	c.Unique(&p.HasNumber, &p.Number)
	c.EndStruct(ndr.AlignPtr)
}

func (*Phone) MinSize() int { return 8 }

type Person struct {
	ID               uint64
	HasName, HasMail bool
	Name             ndr.WText
	Mail             ndr.Text
	N                uint32
	HasPhones        bool
	Phones           ndr.Array[Phone, *Phone]
}

func (p *Person) NDR(c *ndr.Codec) {
	c.Struct(ndr.Align8)
	c.Uint64(&p.ID)
	c.Unique(&p.HasName, &p.Name)
	c.Unique(&p.HasMail, &p.Mail)
	c.SizeIs(&p.N, len(p.Phones))
	c.Unique(&p.HasPhones, &p.Phones)
	c.Match(p.N, len(p.Phones))
	c.EndStruct(ndr.Align8)
}

func Example() {
	text := func(s string) ndr.WText { return ndr.WText{UTF16: ndr.MakeUTF16(s)} }
	in := Person{
		ID: 7, HasName: true, Name: text("Zoë"), HasPhones: true,
		Phones: ndr.Array[Phone, *Phone]{
			{Kind: 1, HasNumber: true, Number: text("110")},
			{Kind: 2},
		},
	}
	var e ndr.Encoder
	e.Value(&in)
	if e.Err() != nil {
		fmt.Println(e.Err())
	}
	for b := e.Bytes(); len(b) > 0; b = b[min(16, len(b)):] {
		fmt.Printf("% x\n", b[:min(16, len(b))])
	}
	var out Person
	d := ndr.NewDecoder(e.Bytes(), 0)
	d.Value(&out)
	fmt.Println(d.Close(), out.ID, out.Name, out.HasMail, out.N, out.Phones[0].Number, out.Phones[1].HasNumber)
	// Output:
	// 07 00 00 00 00 00 00 00 00 00 02 00 00 00 00 00
	// 02 00 00 00 04 00 02 00 04 00 00 00 00 00 00 00
	// 04 00 00 00 5a 00 6f 00 eb 00 00 00 02 00 00 00
	// 01 00 00 00 08 00 02 00 02 00 00 00 00 00 00 00
	// 04 00 00 00 00 00 00 00 04 00 00 00 31 00 31 00
	// 30 00 00 00
	// <nil> 7 Zoë false 2 110 false
}
