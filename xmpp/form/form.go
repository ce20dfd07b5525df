// Package form reads and writes data forms (XEP-0004 version 2.13, with the
// FORM_TYPE convention of XEP-0068). It knows nothing of what a form is for:
// whether required fields are there and values make sense is for the feature
// that asked (XEP-0004 section 4).
package form

import (
	"strings"

	"stonechat/xmpp/stanza"
)

// Limits for forms that are read. They bound the work that a peer can cause
// beyond what the size of a stanza already does.
const (
	MaxFields = 1024 // fields of a form, those of all its items included
	MaxValues = 4096 // values and options of all fields together
)

// FormTypeVar is the name of the field that tells what a form is for
// (XEP-0068 section 3.1).
const FormTypeVar = "FORM_TYPE"

// Reasons for refusing a form. They are stanza errors, so that a handler may
// return them as they are. XEP-0004 section 4: a value that is not valid is
// answered with not-acceptable.
var (
	ErrNotForm   = stanza.NewError(stanza.BadRequest, "not a data form")
	ErrType      = stanza.NewError(stanza.BadRequest, "unexpected type of data form")
	ErrNoVar     = stanza.NewError(stanza.BadRequest, "form field without a name")
	ErrDuplicate = stanza.NewError(stanza.BadRequest, "two form fields have the same name")
	ErrTooLarge  = stanza.NewError(stanza.PolicyViolation, "too many form fields or values")
	ErrValue     = stanza.NewError(stanza.NotAcceptable, "form value does not fit its field")
)

// Type is the purpose of a form within an exchange (XEP-0004 section 3.1).
type Type string

// The form types.
const (
	Prompt Type = "form"   // asks the receiver to fill it in
	Submit Type = "submit" // carries the answers
	Cancel Type = "cancel" // declines to answer
	Result Type = "result" // carries data
)

// valid reports whether t is one of the form types.
func (t Type) valid() bool {
	return t == Prompt || t == Submit || t == Cancel || t == Result
}

// FieldType is the kind of data a field holds (XEP-0004 section 3.3).
type FieldType string

// The field types. An empty FieldType stands for one that was not given: the
// receiver of a submission infers it from what it asked for.
const (
	Boolean     FieldType = "boolean"
	Fixed       FieldType = "fixed" // text to read, no input
	Hidden      FieldType = "hidden"
	JIDMulti    FieldType = "jid-multi"
	JIDSingle   FieldType = "jid-single"
	ListMulti   FieldType = "list-multi"
	ListSingle  FieldType = "list-single"
	TextMulti   FieldType = "text-multi" // one value per line
	TextPrivate FieldType = "text-private"
	TextSingle  FieldType = "text-single"
)

// valid reports whether t is one of the field types.
func (t FieldType) valid() bool {
	switch t {
	case Boolean, Fixed, Hidden, JIDMulti, JIDSingle, ListMulti, ListSingle, TextMulti, TextPrivate, TextSingle:
		return true
	}
	return false
}

// Option is one choice of a list field.
type Option struct {
	Label string // for people, may be empty
	Value string
}

// Field is one field of a form (XEP-0004 section 3.2). Var may be empty only
// when Type is Fixed.
type Field struct {
	Var      string
	Type     FieldType
	Label    string
	Desc     string
	Required bool
	Values   []string
	Options  []Option
	// Validate is the encoded element of XEP-0122 that says what may be filled in, of a field that is written; empty: none.
	Validate string
}

// Value returns the first value, or "" when there is none.
func (f *Field) Value() string {
	if f == nil || len(f.Values) == 0 {
		return ""
	}
	return f.Values[0]
}

// Text returns the values of a text-multi field as one text, a line each.
func (f *Field) Text() string {
	if f == nil {
		return ""
	}
	return strings.Join(f.Values, "\n")
}

// Bool returns the value of a boolean field. A field without value is false,
// which XEP-0004 section 3.3 makes the default; anything but the four
// spellings of XML Schema is ErrValue.
func (f *Field) Bool() (bool, error) {
	switch f.Value() {
	case "", "0", "false":
		return false, nil
	case "1", "true":
		return true, nil
	}
	return false, ErrValue
}

// FormatBool returns the value to be put into a boolean field.
func FormatBool(v bool) string {
	if v {
		return "1"
	}
	return "0"
}

// Form is a data form.
type Form struct {
	Type         Type
	Title        string
	Instructions []string
	Fields       []Field

	// Reported and Items make up the table of a result that lists several
	// things (XEP-0004 section 3.4): columns, and one row per thing.
	Reported []Field
	Items    [][]Field
}

// New returns a form with the given fields. Unless formType is empty, a hidden
// field FORM_TYPE comes first.
func New(t Type, formType string, fields ...Field) *Form {
	f := &Form{Type: t}
	if formType != "" {
		f.Fields = append(f.Fields, Field{Var: FormTypeVar, Type: Hidden, Values: []string{formType}})
	}
	f.Fields = append(f.Fields, fields...)
	return f
}

// Field returns the field of that name, or nil. The methods Value, Text and
// Bool may be called on nil, so an absent field reads as one without value.
func (f *Form) Field(name string) *Field {
	for i := range f.Fields {
		if f.Fields[i].Var == name {
			return &f.Fields[i]
		}
	}
	return nil
}

// Has reports whether the form has a field of that name. A field that a
// submission leaves out keeps its current value (XEP-0004 section 3.5).
func (f *Form) Has(name string) bool { return f.Field(name) != nil }

// FormType returns the value of the field FORM_TYPE, or "" when the form has
// none. XEP-0068 section 4.1: in a submission any field of that name counts,
// in other forms only a hidden one.
func (f *Form) FormType() string {
	field := f.Field(FormTypeVar)
	if field == nil || f.Type != Submit && field.Type != Hidden {
		return ""
	}
	return field.Value()
}
