package server

import (
	"stonechat/core"
	"stonechat/mod/account"
	"stonechat/mod/activity"
	"stonechat/mod/archive"
	"stonechat/mod/carbons"
	"stonechat/mod/commands"
	"stonechat/mod/info"
	"stonechat/mod/roster"
)

// modules are the features of one host. Their order is the order of hooks: `stonechat ctl hooks` prints it.
func (s *Server) modules() ([]core.Module, *commands.Module) {
	c := commands.New(s.db.Accounts, s.db.Secrets, s.cfg.Login, account.Credentials)
	return []core.Module{
		account.New(s.db.Accounts, s.cfg.Login, s.saltSecret),
		roster.New(s.db.Rosters, s.obs),
		archive.New(archive.Stores{Archive: s.db.Archive, Offline: s.db.Offline, Prefs: s.db.Prefs}, s.cfg.Archive, s.obs),
		carbons.New(),
		activity.New(s.db.Activity, s.obs),
		c,
		info.New(s.cfg.Contact, Version),
	}, c
}
