package core

// Standard is one that a part of the server lives up to. Each part has a table of its own beside its code: a module in its method Standards, a door or core in a
// function of that name. docs/xeps.md and docs/stonechat.doap are made of all of them.
type Standard struct {
	// ID is such as "XEP-0045" or "RFC 6121".
	ID    string
	Title string
	// Version is that of the text that was followed; an RFC has none.
	Version string
	// Partial says that something is left out that the standard does not leave to us.
	Partial bool
	// Note says for people what is left out, or in which way it is done.
	Note string
}

// Standards are those that core itself lives up to.
func Standards() []Standard {
	return []Standard{
		{ID: "RFC 7622", Title: "XMPP: Address Format"},
		{ID: "XEP-0004", Title: "Data Forms", Version: "2.13.2"},
		{ID: "XEP-0082", Title: "XMPP Date and Time Profiles", Version: "1.1.1"},
		{ID: "XEP-0175", Title: "Best Practices for Use of SASL ANONYMOUS", Version: "1.2", Note: "guests, when they are configured"},
		{ID: "XEP-0198", Title: "Stream Management", Version: "1.6.3", Note: "with resumption, behind a restart as well"},
		{ID: "XEP-0203", Title: "Delayed Delivery", Version: "2.0"},
		{ID: "XEP-0352", Title: "Client State Indication", Version: "1.0.0"},
	}
}
