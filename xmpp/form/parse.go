package form

import (
	"stonechat/xmpp/ns"
	"stonechat/xmpp/xmltok"
)

// Parse reads a form of any type. n is its <x/> element; nil is ErrNotForm.
// The result shares strings with n.
func Parse(n *xmltok.Node) (*Form, error) { return parse(n, "") }

// parse reads a form; one that does not say its type has the usual one.
func parse(n *xmltok.Node, usual Type) (*Form, error) {
	if !n.Is(ns.DataForm, "x") {
		return nil, ErrNotForm
	}
	f := &Form{Type: Type(n.Attr("type"))}
	if f.Type == "" {
		f.Type = usual
	}
	if !f.Type.valid() {
		return nil, ErrType
	}
	// XEP-0004 section 3.2: a cancelled form carries no fields; what is in it
	// anyway has no meaning.
	if f.Type == Cancel {
		return f, nil
	}
	r := reader{}
	for _, c := range n.Children {
		if c.Space != ns.DataForm {
			continue
		}
		if err := r.child(f, c); err != nil {
			return nil, err
		}
	}
	return f, noDuplicates(f.Fields)
}

// ParseSubmit reads a form that must be a submission or its cancellation
// (ErrType otherwise). A type is required (XEP-0004 section 3.1); there are
// clients that leave it out of what can be nothing else than a submission.
func ParseSubmit(n *xmltok.Node) (*Form, error) {
	f, err := parse(n, Submit)
	if err != nil {
		return nil, err
	}
	if f.Type != Submit && f.Type != Cancel {
		return nil, ErrType
	}
	return f, nil
}

// reader counts what a form has so far, against the limits.
type reader struct {
	fields, values int
}

// child takes one child of the form into f.
func (r *reader) child(f *Form, c *xmltok.Node) error {
	switch c.Local {
	case "title":
		f.Title = c.Text()
	case "instructions":
		if r.values++; r.values > MaxValues {
			return ErrTooLarge
		}
		f.Instructions = append(f.Instructions, c.Text())
	case "field":
		field, err := r.field(c)
		if err != nil {
			return err
		}
		f.Fields = append(f.Fields, field)
	case "reported":
		// XEP-0004 section 3.4: it should come before the items, but older
		// senders may place it elsewhere, so the order is not checked.
		fields, err := r.row(c)
		if err != nil {
			return err
		}
		f.Reported = append(f.Reported, fields...)
	case "item":
		fields, err := r.row(c)
		if err != nil {
			return err
		}
		f.Items = append(f.Items, fields)
	}
	return nil
}

// row reads the fields of <reported/> or <item/>.
func (r *reader) row(n *xmltok.Node) ([]Field, error) {
	// An empty row takes memory too, so it counts like a field.
	if r.fields++; r.fields > MaxFields {
		return nil, ErrTooLarge
	}
	var fields []Field
	for _, c := range n.All(ns.DataForm, "field") {
		field, err := r.field(c)
		if err != nil {
			return nil, err
		}
		fields = append(fields, field)
	}
	return fields, noDuplicates(fields)
}

// field reads one <field/>.
func (r *reader) field(n *xmltok.Node) (Field, error) {
	if r.fields++; r.fields > MaxFields {
		return Field{}, ErrTooLarge
	}
	f := Field{Var: n.Attr("var"), Type: FieldType(n.Attr("type")), Label: n.Attr("label")}
	if f.Type != "" && !f.Type.valid() {
		// XEP-0004 section 3.3: a field type that is not understood is
		// taken as text-single.
		f.Type = TextSingle
	}
	if f.Var == "" && f.Type != Fixed {
		return Field{}, ErrNoVar
	}
	for _, c := range n.Children {
		if c.Space != ns.DataForm {
			continue
		}
		if c.Local == "value" || c.Local == "option" {
			if r.values++; r.values > MaxValues {
				return Field{}, ErrTooLarge
			}
		}
		switch c.Local {
		case "value":
			f.Values = append(f.Values, c.Text())
		case "option":
			f.Options = append(f.Options, Option{Label: c.Attr("label"), Value: c.Child(ns.DataForm, "value").Text()})
		case "desc":
			f.Desc = c.Text()
		case "required":
			f.Required = true
		}
	}
	return f, nil
}

// noDuplicates applies XEP-0004 section 3.2: a name is unique within its form.
// Two readers of one form must never see different values.
func noDuplicates(fields []Field) error {
	seen := make(map[string]struct{}, len(fields))
	for i := range fields {
		name := fields[i].Var
		if name == "" {
			continue
		}
		if _, dup := seen[name]; dup {
			return ErrDuplicate
		}
		seen[name] = struct{}{}
	}
	return nil
}
