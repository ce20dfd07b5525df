package upload

import "stonechat/core"

// Standards are those that the module lives up to.
func (m *Module) Standards() []core.Standard {
	return []core.Standard{
		{ID: "XEP-0363", Title: "HTTP File Upload", Version: "1.2.0"},
		{ID: "XEP-0446", Title: "File metadata element", Version: "0.2.0", Note: "told to who has uploaded a file"},
	}
}
