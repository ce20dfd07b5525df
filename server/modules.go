package server

import (
	"stonechat/core"
	"stonechat/mod/account"
	"stonechat/mod/archive"
	"stonechat/mod/carbons"
	"stonechat/mod/commands"
	"stonechat/mod/info"
	"stonechat/mod/roster"
)

// modules are the features of one host. Their order is the order of hooks: `stonechat ctl hooks` prints it.
func (s *Server) modules() ([]core.Module, *commands.Module) {
	c := commands.New(commands.Stores{Accounts: s.db.Accounts, Secrets: s.db.Secrets, Devices: s.db.Devices}, s.cfg.Login, account.Credentials)
	return []core.Module{
		account.New(account.Stores{Accounts: s.db.Accounts, Credentials: s.db.Credentials, Devices: s.db.Devices}, s.cfg.Login,
			account.Keys{Names: s.saltSecret, Tokens: s.tokenKey}),
		roster.New(s.db.Rosters, s.obs),
		archive.New(archive.Stores{Archive: s.db.Archive, Offline: s.db.Offline, Prefs: s.db.Prefs}, s.cfg.Archive, s.obs),
		carbons.New(),
		c,
		info.New(s.cfg.Contact, Version),
	}, c
}
