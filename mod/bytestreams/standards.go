package bytestreams

import "stonechat/core"

// Standards are those that the module lives up to.
func (m *Module) Standards() []core.Standard {
	return []core.Standard{
		{ID: "XEP-0065", Title: "SOCKS5 Bytestreams", Version: "1.8.2", Note: "the proxy, where listen.proxy65 names an address"},
	}
}
