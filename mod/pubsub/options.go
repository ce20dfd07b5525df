package pubsub

import (
	"encoding/json"
	"slices"
	"strconv"
	"strings"

	"stonechat/config"
	"stonechat/xmpp/form"
	"stonechat/xmpp/ns"
	"stonechat/xmpp/stanza"
)

// The access models of XEP-0060 section 4.5.
const (
	accessOpen      = "open"
	accessPresence  = "presence"
	accessRoster    = "roster"
	accessAuthorize = "authorize"
	accessWhitelist = "whitelist"
)

// Other values of options (XEP-0060 section 16.4.4).
const (
	publishPublishers  = "publishers"
	publishSubscribers = "subscribers"
	publishOpen        = "open"

	sendNever      = "never"
	sendOnSub      = "on_sub"
	sendOnPresence = "on_sub_and_presence"

	fullRetract = "retract-oldest"
	fullDiscard = "discard-oldest"
	fullReject  = "reject"

	asMuchAsPossible = "max"
)

// options are how a node is configured. They are kept as JSON, so names must stay. A zero number means as much as the server allows.
type options struct {
	Title       string   `json:"title,omitempty"`
	Description string   `json:"description,omitempty"`
	Language    string   `json:"language,omitempty"`
	Type        string   `json:"type,omitempty"`
	Access      string   `json:"access"`
	Groups      []string `json:"groups,omitempty"`
	Publish     string   `json:"publish"`
	Persist     bool     `json:"persist"`
	MaxItems    int      `json:"max_items"`
	Expire      int      `json:"expire,omitempty"` // seconds
	MaxPayload  int      `json:"max_payload,omitempty"`
	Deliver     bool     `json:"deliver"`
	Payloads    bool     `json:"payloads"`
	Send        string   `json:"send"`
	Headline    bool     `json:"headline"` // and not type normal
	OnConfig    bool     `json:"on_config,omitempty"`
	OnDelete    bool     `json:"on_delete"`
	OnRetract   bool     `json:"on_retract"`
	OnSub       bool     `json:"on_sub,omitempty"`
	Subscribe   bool     `json:"subscribe"`
	Full        string   `json:"full"`
}

// defaults are those of an account's node of that name. XEP-0163 section 5 says most. A node that its standard makes private, or open, is that also when a
// client forgets to say so: bookmarks (XEP-0223, XEP-0402), displayed markers (XEP-0490) and drafts would tell contacts in which
// rooms somebody is, and what they have not said yet.
func defaults(node string) options {
	o := options{
		Access: accessPresence, Publish: publishPublishers, Persist: true, MaxItems: 1, Deliver: true, Payloads: true,
		Send: sendOnPresence, Headline: true, OnDelete: true, OnRetract: true, Subscribe: true, Full: fullRetract,
	}
	switch {
	case node == ns.Bookmarks || node == ns.Displayed || node == ns.Chats:
		o.Access, o.MaxItems, o.Send = accessWhitelist, 0, sendNever
	case node == ns.BookmarksLegacy || node == ns.OpenPGP+":secret-key":
		o.Access = accessWhitelist
	case node == ns.OMEMOBundles:
		o.Access, o.MaxItems = accessOpen, 0
	case node == ns.OMEMODevices || node == ns.OMEMOLegacyDevices || strings.HasPrefix(node, ns.OMEMOLegacyBundles+":"),
		node == ns.OpenPGP+":public-keys" || strings.HasPrefix(node, ns.OpenPGP+":public-keys:"): // XEP-0373 section 4.1
		o.Access = accessOpen
	}
	return o
}

// read takes over what is kept; what it does not say is as for a new node.
func (o *options) read(kept string) error { return json.Unmarshal([]byte(kept), o) }

// kept is o as it is kept.
func (o options) kept() string {
	b, err := json.Marshal(o)
	if err != nil {
		return "{}" // cannot be: there is nothing in it that has no JSON
	}
	return string(b)
}

// sameReaders tells whether two sets of options are for the same people, as far as options say that.
func (o *options) sameReaders(p *options) bool {
	return o.Access == p.Access && slices.Equal(o.Groups, p.Groups)
}

// bySubscription tells whether what somebody may depends on their subscription.
func (o *options) bySubscription() bool {
	return o.Access == accessAuthorize || o.Publish == publishSubscribers
}

// field is one option as clients see it.
type field struct {
	name, label string
	kind        form.FieldType
	choices     []string
	free        bool // other values than the choices will do (XEP-0122 section 3.2.2)
	get         func(o *options) []string
	// set takes values over; false: they are no such values.
	set func(o *options, values []string) bool
}

// one returns the only value, empty when there is none.
func one(values []string) (string, bool) {
	if len(values) == 0 {
		return "", true
	}
	return values[0], len(values) == 1
}

func text(name, label string, at func(*options) *string) field {
	return field{
		name: name, label: label, kind: form.TextSingle, get: func(o *options) []string { return some(*at(o)) },
		set: func(o *options, values []string) bool {
			v, ok := one(values)
			*at(o) = strings.Clone(v)
			return ok && len(v) <= maxText
		},
	}
}

// language is a text that clients expect to be chosen from a list (XEP-0060 section 5.4).
func language(name, label string, at func(*options) *string) field {
	f := text(name, label, at)
	f.kind, f.free = form.ListSingle, true
	return f
}

func some(v string) []string {
	if v == "" {
		return nil
	}
	return []string{v}
}

func truth(name, label string, at func(*options) *bool) field {
	return field{
		name: name, label: label, kind: form.Boolean, get: func(o *options) []string { return []string{form.FormatBool(*at(o))} },
		set: func(o *options, values []string) bool {
			v, err := (&form.Field{Values: values}).Bool()
			*at(o) = v
			return err == nil && len(values) <= 1
		},
	}
}

func choice(name, label string, at func(*options) *string, choices ...string) field {
	return field{
		name: name, label: label, kind: form.ListSingle, choices: choices, get: func(o *options) []string { return []string{*at(o)} },
		set: func(o *options, values []string) bool {
			v, ok := one(values)
			i := slices.Index(choices, v)
			if i >= 0 {
				*at(o) = choices[i]
			}
			return ok && i >= 0
		},
	}
}

// number is a count between 1 and most. More, or the word max, is as much as the server allows.
func number(name, label string, most int, at func(*options) *int) field {
	return field{
		name: name, label: label, kind: form.TextSingle,
		get: func(o *options) []string {
			if *at(o) == 0 {
				return []string{asMuchAsPossible}
			}
			return []string{strconv.Itoa(*at(o))}
		},
		set: func(o *options, values []string) bool {
			v, ok := one(values)
			if v == asMuchAsPossible {
				*at(o) = 0
				return ok
			}
			n, err := strconv.ParseUint(strings.TrimSpace(v), 10, 63)
			if err != nil || n == 0 {
				return false
			}
			*at(o) = 0
			if n < uint64(most) {
				*at(o) = int(n)
			}
			return ok
		},
	}
}

// fixed is an option of which there is one value only.
func fixed(name string, value string) field {
	return field{name: name, set: func(_ *options, values []string) bool {
		v, ok := one(values)
		if value == "0" {
			b, err := (&form.Field{Values: values}).Bool()
			return err == nil && !b && ok
		}
		return ok && v == value
	}}
}

const (
	maxText   = 1024 // bytes of a title and the like
	maxGroups = 50
	longest   = 100 * 366 * 24 * 60 * 60 // seconds: what lives longer does not expire
)

// fieldsOf are all options of nodes of accounts, in the order of forms. Those without get are understood and not shown.
func fieldsOf(c config.Pubsub) []field {
	return []field{
		text("pubsub#title", "A friendly name for the node", func(o *options) *string { return &o.Title }),
		text("pubsub#description", "A description of the node", func(o *options) *string { return &o.Description }),
		language("pubsub#language", "The default language of the node", func(o *options) *string { return &o.Language }),
		text("pubsub#type", "The semantic type information of data in the node", func(o *options) *string { return &o.Type }),
		choice("pubsub#access_model", "Who may subscribe and retrieve items", func(o *options) *string { return &o.Access },
			accessAuthorize, accessOpen, accessPresence, accessRoster, accessWhitelist),
		{
			name: "pubsub#roster_groups_allowed", label: "The roster groups allowed to subscribe and retrieve items", kind: form.ListMulti,
			get: func(o *options) []string { return o.Groups },
			set: func(o *options, values []string) bool {
				o.Groups = nil
				for _, v := range values {
					o.Groups = append(o.Groups, strings.Clone(v))
				}
				slices.Sort(o.Groups)
				o.Groups = slices.Compact(o.Groups)
				return len(values) <= maxGroups && !slices.ContainsFunc(values, func(v string) bool { return len(v) > maxText || v == "" })
			},
		},
		choice("pubsub#publish_model", "The publisher model", func(o *options) *string { return &o.Publish }, publishPublishers, publishSubscribers, publishOpen),
		truth("pubsub#persist_items", "Whether to persist items to storage", func(o *options) *bool { return &o.Persist }),
		number("pubsub#max_items", "The maximum number of items to persist", c.Items, func(o *options) *int { return &o.MaxItems }),
		number("pubsub#item_expire", "Number of seconds after which to purge items", longest, func(o *options) *int { return &o.Expire }),
		choice("pubsub#publish_node_full", "What to do when publishing on a full node", func(o *options) *string { return &o.Full }, fullRetract, fullDiscard, fullReject),
		number("pubsub#max_payload_size", "The maximum payload size in bytes", c.ItemBytes, func(o *options) *int { return &o.MaxPayload }),
		truth("pubsub#deliver_notifications", "Whether to deliver event notifications", func(o *options) *bool { return &o.Deliver }),
		truth("pubsub#deliver_payloads", "Whether to deliver payloads with event notifications", func(o *options) *bool { return &o.Payloads }),
		choice("pubsub#send_last_published_item", "When to send the last published item", func(o *options) *string { return &o.Send },
			sendNever, sendOnSub, sendOnPresence),
		{
			name: "pubsub#notification_type", label: "Specify the delivery style for notifications", kind: form.ListSingle, choices: []string{"normal", "headline"},
			get: func(o *options) []string {
				if o.Headline {
					return []string{"headline"}
				}
				return []string{"normal"}
			},
			set: func(o *options, values []string) bool {
				v, ok := one(values)
				o.Headline = v == "headline"
				return ok && (o.Headline || v == "normal")
			},
		},
		truth("pubsub#notify_config", "Whether to notify subscribers when the node configuration changes", func(o *options) *bool { return &o.OnConfig }),
		truth("pubsub#notify_delete", "Whether to notify subscribers when the node is deleted", func(o *options) *bool { return &o.OnDelete }),
		truth("pubsub#notify_retract", "Whether to notify subscribers when items are removed from the node", func(o *options) *bool { return &o.OnRetract }),
		truth("pubsub#notify_sub", "Whether to notify owners about new subscribers and unsubscribes", func(o *options) *bool { return &o.OnSub }),
		truth("pubsub#subscribe", "Whether to allow subscriptions", func(o *options) *bool { return &o.Subscribe }),
		fixed("pubsub#node_type", "leaf"),
		fixed("pubsub#itemreply", "publisher"), // XEP-0060 section 12.17: items name who has published them
		fixed("pubsub#purge_offline", "0"),
		fixed("pubsub#presence_based_delivery", "0"),
		fixed("pubsub#tempsub", "0"),
	}
}

// form is the node configuration form (XEP-0060 section 8.2), or what disco shows of it.
func (m *Module) form(a home, t form.Type, formType string, o *options) *form.Form {
	var fields []form.Field
	for _, f := range m.fields(a) {
		if f.get == nil {
			continue
		}
		x := form.Field{Var: f.name, Type: f.kind, Label: f.label, Values: f.get(o)}
		if t == form.Prompt {
			for _, c := range f.choices {
				x.Options = append(x.Options, form.Option{Value: c})
			}
			if f.free {
				for _, v := range x.Values {
					x.Options = append(x.Options, form.Option{Value: v})
				}
				x.Validate = "<validate xmlns='" + ns.FormValidate + "' datatype='xs:language'><open/></validate>"
			}
		}
		fields = append(fields, x)
	}
	return form.New(t, formType, fields...)
}

// configured applies a submitted form to o. What nobody knows is no option of ours (XEP-0004 section 3.2) and passed over.
func (m *Module) configured(a home, o options, f *form.Form) (options, *stanza.Error) {
	was := o
	if kind := f.FormType(); kind != "" && kind != ns.PubSubNodeConfig {
		return o, stanza.NewError(stanza.BadRequest, "not a form of node configuration")
	}
	for _, x := range m.fields(a) {
		given := f.Field(x.name)
		if given == nil {
			continue
		}
		if !x.set(&o, given.Values) {
			if x.name == "pubsub#access_model" {
				// XEP-0060 section 8.1.2
				return o, fault(stanza.NotAcceptable, "unsupported-access-model")
			}
			// XEP-0060 section 8.2.5.2
			return o, stanza.NewError(stanza.NotAcceptable, "no such value of "+x.name)
		}
	}
	if a.account == nil {
		return asSpace(was, o, f)
	}
	return o, nil
}

// preconditions checks publish-options against the options of a node that is there, or applies them to those of one to be made (XEP-0060
// section 7.1.5).
func (m *Module) preconditions(a home, o options, f *form.Form, exists bool) (options, *stanza.Error) {
	if f.FormType() != ns.PubSubPublishOptions {
		return o, stanza.NewError(stanza.BadRequest, "not a form of publish-options")
	}
	fields := m.fields(a)
	for _, given := range f.Fields {
		if given.Var == form.FormTypeVar {
			continue
		}
		i := slices.IndexFunc(fields, func(x field) bool { return x.name == given.Var })
		if i < 0 {
			return o, fault(stanza.Conflict, "precondition-not-met")
		}
		x, want := fields[i], o
		if !x.set(&want, given.Values) {
			return o, fault(stanza.Conflict, "precondition-not-met")
		}
		if exists && x.get != nil && !slices.Equal(x.get(&want), x.get(&o)) {
			return o, fault(stanza.Conflict, "precondition-not-met")
		}
		if !exists {
			o = want
		}
	}
	return o, nil
}
