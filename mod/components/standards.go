package components

import "stonechat/core"

// Standards are those that the module lives up to.
func (m *Module) Standards() []core.Standard {
	return []core.Standard{
		{ID: "XEP-0114", Title: "Jabber Component Protocol", Version: "1.6"},
		{ID: "XEP-0356", Title: "Privileged Entity", Version: "0.4.1", Partial: true, Note: "no requests in the name of accounts, no presence of their contacts"},
	}
}
