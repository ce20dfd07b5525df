package form

import (
	"strings"

	"stonechat/xmpp/ns"
	"stonechat/xmpp/xmltok"
)

// AppendXML appends the form as an <x/> element with its own namespace
// declaration and returns the extended slice.
func (f *Form) AppendXML(dst []byte) []byte {
	dst = append(dst, "<x xmlns='"+ns.DataForm+"'"...)
	dst = xmltok.AppendAttr(dst, "type", string(f.Type))
	dst = append(dst, '>')
	if f.Title != "" {
		dst = appendText(dst, "title", f.Title)
	}
	for _, text := range f.Instructions {
		dst = appendText(dst, "instructions", text)
	}
	for i := range f.Fields {
		dst = f.Fields[i].appendXML(dst)
	}
	// XEP-0004 section 3.4: <reported/> comes before any <item/>.
	if len(f.Reported) > 0 {
		dst = appendRow(dst, "reported", f.Reported)
	}
	for _, item := range f.Items {
		dst = appendRow(dst, "item", item)
	}
	return append(dst, "</x>"...)
}

// appendText appends an element that holds only text.
func appendText(dst []byte, name, text string) []byte {
	dst = append(dst, '<')
	dst = append(dst, name...)
	dst = append(dst, '>')
	dst = xmltok.AppendEscaped(dst, text)
	dst = append(dst, "</"...)
	dst = append(dst, name...)
	return append(dst, '>')
}

// appendRow appends an element that holds only fields.
func appendRow(dst []byte, name string, fields []Field) []byte {
	dst = append(dst, '<')
	dst = append(dst, name...)
	dst = append(dst, '>')
	for i := range fields {
		dst = fields[i].appendXML(dst)
	}
	dst = append(dst, "</"...)
	dst = append(dst, name...)
	return append(dst, '>')
}

// appendXML appends the field.
func (f *Field) appendXML(dst []byte) []byte {
	dst = append(dst, "<field"...)
	if f.Var != "" {
		dst = xmltok.AppendAttr(dst, "var", f.Var)
	}
	if f.Type != "" {
		dst = xmltok.AppendAttr(dst, "type", string(f.Type))
	}
	if f.Label != "" {
		dst = xmltok.AppendAttr(dst, "label", f.Label)
	}
	if f.Desc == "" && !f.Required && len(f.Values) == 0 && len(f.Options) == 0 && f.Validate == "" {
		return append(dst, "/>"...)
	}
	dst = append(dst, '>')
	if f.Desc != "" {
		dst = appendText(dst, "desc", f.Desc)
	}
	if f.Required {
		dst = append(dst, "<required/>"...)
	}
	dst = append(dst, f.Validate...)
	dst = f.appendValues(dst)
	for _, o := range f.Options {
		dst = append(dst, "<option"...)
		if o.Label != "" {
			dst = xmltok.AppendAttr(dst, "label", o.Label)
		}
		dst = append(dst, '>')
		dst = appendText(dst, "value", o.Value)
		dst = append(dst, "</option>"...)
	}
	return append(dst, "</field>"...)
}

// appendValues appends the values of the field.
func (f *Field) appendValues(dst []byte) []byte {
	for _, v := range f.Values {
		if f.Type != TextMulti {
			dst = appendText(dst, "value", v)
			continue
		}
		// XEP-0004 section 3.3: lines are values of their own.
		for line := range strings.SplitSeq(strings.ReplaceAll(v, "\r\n", "\n"), "\n") {
			dst = appendText(dst, "value", line)
		}
	}
	return dst
}
