package play

import (
	"encoding/xml"
	"fmt"
	"maps"
	"regexp"
	"strings"
)

// Values are what names in braces stand for.
type Values map[string]string

var placeholder = regexp.MustCompile(`\{([^{}]*)\}`)

// Match compares a received element with a pattern. Names without a value get one in the returned values; v itself is not changed. The error says where they differ.
func Match(pattern, got *Node, v Values) (Values, error) {
	if pattern.Name != got.Name {
		return nil, fmt.Errorf("element <%s xmlns='%s'> instead of <%s xmlns='%s'>", got.Name.Local, got.Name.Space, pattern.Name.Local, pattern.Name.Space)
	}
	bound, err := matchAttributes(pattern, got, maps.Clone(v))
	if err != nil {
		return nil, err
	}
	want, have := pattern.Text, got.Text
	if len(pattern.Children) > 0 || pattern.MoreNodes || strings.TrimSpace(want) == "" && len(got.Children) > 0 {
		want, have = strings.TrimSpace(want), strings.TrimSpace(have)
	}
	if !(pattern.MoreNodes && want == "") {
		if err := matchValue(want, have, bound); err != nil {
			return nil, fmt.Errorf("text of <%s>: %w", pattern.Name.Local, err)
		}
	}
	return matchChildren(pattern, got, pattern.Children, got.Children, bound)
}

func matchAttributes(pattern, got *Node, v Values) (Values, error) {
	named := map[xml.Name]bool{}
	for _, want := range pattern.Attr {
		named[want.Name] = true
		i := indexAttr(got.Attr, want.Name)
		if not, ok := strings.CutPrefix(want.Value, "{not "); ok {
			if i >= 0 && got.Attr[i].Value == strings.TrimSuffix(not, "}") {
				return nil, fmt.Errorf("attribute %s of <%s> is %q", want.Name.Local, pattern.Name.Local, got.Attr[i].Value)
			}
			continue
		}
		if i < 0 {
			return nil, fmt.Errorf("<%s> lacks the attribute %s", pattern.Name.Local, want.Name.Local)
		}
		if err := matchValue(want.Value, got.Attr[i].Value, v); err != nil {
			return nil, fmt.Errorf("attribute %s of <%s>: %w", want.Name.Local, pattern.Name.Local, err)
		}
	}
	for _, a := range got.Attr {
		if !named[a.Name] && !pattern.MoreAttr && !(a.Name.Space == nsXML && a.Name.Local == "lang") {
			return nil, fmt.Errorf("<%s> has the attribute %s='%s'", pattern.Name.Local, a.Name.Local, a.Value)
		}
	}
	return v, nil
}

func indexAttr(attrs []xml.Attr, name xml.Name) int {
	for i, a := range attrs {
		if a.Name == name {
			return i
		}
	}
	return -1
}

// matchChildren finds a different child for each pattern, trying all ways.
func matchChildren(pattern, got *Node, want, have []*Node, v Values) (Values, error) {
	if len(want) == 0 {
		if len(have) > 0 && !pattern.MoreNodes {
			return nil, fmt.Errorf("<%s> has the child <%s xmlns='%s'>", got.Name.Local, have[0].Name.Local, have[0].Name.Space)
		}
		return v, nil
	}
	err := fmt.Errorf("<%s> lacks the child <%s xmlns='%s'>", got.Name.Local, want[0].Name.Local, want[0].Name.Space)
	for i, child := range have {
		bound, miss := Match(want[0], child, v)
		if miss != nil {
			if child.Name == want[0].Name {
				err = miss
			}
			continue
		}
		rest := append(append([]*Node(nil), have[:i]...), have[i+1:]...)
		bound, miss = matchChildren(pattern, got, want[1:], rest, bound)
		if miss == nil {
			return bound, nil
		}
		err = miss
	}
	return nil, err
}

// kinds are the forms that a value may be asked to have.
func kind(name string) string {
	switch name {
	case "time":
		// XEP-0082 section 3.2, in UTC as its section 4 wishes for servers.
		return `\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(?:\.\d+)?Z`
	case "number":
		return `\d+`
	default:
		return `(?s:.*)`
	}
}

// matchValue compares a value with one that may hold names in braces, and gives values to those without.
func matchValue(want, got string, v Values) error {
	var expr strings.Builder
	var names []string
	last := 0
	for _, at := range placeholder.FindAllStringSubmatchIndex(want, -1) {
		expr.WriteString(regexp.QuoteMeta(want[last:at[0]]))
		last = at[1]
		name, form, _ := strings.Cut(want[at[2]:at[3]], ":")
		if value, known := v[name]; known {
			expr.WriteString(regexp.QuoteMeta(value))
			continue
		}
		if name == "any" || name == "time" || name == "number" {
			form, name = name, ""
		}
		names = append(names, name)
		expr.WriteString("(" + kind(form) + ")")
	}
	expr.WriteString(regexp.QuoteMeta(want[last:]))
	re, err := regexp.Compile("^" + expr.String() + "$")
	if err != nil {
		return err
	}
	found := re.FindStringSubmatch(got)
	if found == nil {
		return fmt.Errorf("%q instead of %q", got, shown(want, v))
	}
	for i, name := range names {
		if name != "" {
			v[name] = found[i+1]
		}
	}
	return nil
}

// shown puts in the values that are known.
func shown(text string, v Values) string {
	return placeholder.ReplaceAllStringFunc(text, func(name string) string {
		if value, known := v[strings.Trim(name, "{}")]; known {
			return value
		}
		return name
	})
}
