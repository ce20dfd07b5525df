package server

import (
	"stonechat/core"
	"stonechat/mod/account"
	"stonechat/mod/activity"
	"stonechat/mod/archive"
	"stonechat/mod/bookmarks"
	"stonechat/mod/bytestreams"
	"stonechat/mod/carbons"
	"stonechat/mod/certificates"
	"stonechat/mod/commands"
	"stonechat/mod/components"
	"stonechat/mod/displayed"
	"stonechat/mod/external"
	"stonechat/mod/inbox"
	"stonechat/mod/info"
	"stonechat/mod/join"
	"stonechat/mod/moderation"
	"stonechat/mod/muc"
	"stonechat/mod/notices"
	"stonechat/mod/places"
	"stonechat/mod/preview"
	"stonechat/mod/profile"
	"stonechat/mod/pubsub"
	"stonechat/mod/push"
	"stonechat/mod/roster"
	"stonechat/mod/strangers"
	"stonechat/mod/tracing"
	"stonechat/mod/upload"
)

// modules are the features of one host. Their order is the order of hooks: `stonechat ctl hooks` prints it.
func (s *Server) modules() ([]core.Module, *commands.Module) {
	services, _ := s.cfg.External.List() // it was checked
	c := commands.New(commands.Stores{
		Accounts: s.db.Accounts, Secrets: s.db.Secrets, Devices: s.db.Devices,
		Kept: commands.Kept{Rosters: s.db.Rosters, Blocks: s.db.Blocks, Personal: s.db.Personal, Nodes: s.db.Nodes, Archive: s.db.Archive},
	}, s.cfg.Login, account.Credentials)
	files := upload.New(upload.Parts{
		Files: s.db.Files, Own: s.db.OwnFiles, Archive: s.db.Archive, Blobs: s.blobs, Config: s.cfg.Upload, Scanner: s.scanner, ScanAll: s.cfg.Files.ScanAll,
		Pictures: s.cfg.Pictures, Maker: s.pictures,
		Key: s.fileKey, Site: s.siteOf, Figures: s.uploads, Obs: s.obs,
	})
	return []core.Module{
		account.New(account.Stores{Accounts: s.db.Accounts, Credentials: s.db.Credentials, Devices: s.db.Devices, Shapes: s.db.Shapes}, s.cfg.Login,
			account.Keys{Names: s.saltSecret, Tokens: s.tokenKey}),
		places.New(s.db.Places, s.saltSecret, s.cfg.Guessing.Places),
		// Before whatever keeps, copies or refuses messages: nobody else is to learn what it takes out of them.
		displayed.New(s.db.Archive, s.obs),
		strangers.New(strangers.Stores{Strangers: s.db.Strangers, Archive: s.db.Archive}, s.cfg.Strangers, s.obs),
		// Before the roster: a subscription with a good token is no request.
		join.New(join.Parts{
			Accounts: s.db.Accounts, Invites: s.db.Invites, Leavers: s.db.Leavers, Circles: s.db.Circles,
			Config: s.cfg, Derive: account.Credentials, Obs: s.obs, Signups: s.signups,
		}),
		roster.New(s.db.Rosters, s.db.Blocks, s.obs),
		// Before the archive: whether it keeps what a client never had for later makes no difference for who is told.
		push.New(s.push),
		archive.New(archive.Stores{Archive: s.db.Archive, Fastenings: s.db.Fastenings, Offline: s.db.Offline, Prefs: s.db.Prefs}, s.cfg.Archive, s.obs).
			WithSearch(archive.Finder{Search: s.db.Search, Count: s.searched}),
		carbons.New(),
		profile.New(s.db.Personal, s.cfg.Personal, s.obs),
		pubsub.New(pubsub.Stores{Personal: s.db.Personal, Nodes: s.db.Nodes, Rooms: s.db.Rooms}, s.cfg.Personal, s.cfg.Pubsub, s.obs),
		bookmarks.New(s.db.Personal, s.cfg.Personal, s.obs),
		inbox.New(inbox.Stores{Chats: s.db.Chats, Nodes: s.db.Nodes}, s.obs),
		moderation.New(moderation.Stores{Reports: s.db.Reports, Archive: s.db.Archive}, s.cfg.Reports, s.obs, s.reported),
		activity.New(s.db.Activity, s.obs),
		muc.New(muc.Stores{
			Rooms: s.db.Rooms, Affiliations: s.db.Affiliations, Occupants: s.db.Occupants, Tombstones: s.db.Tombstones, Personal: s.db.Personal,
		}, s.cfg.Rooms, s.obs),
		files,
		preview.New(preview.Parts{
			Config: s.cfg.Previews, First: s.outbound.First, Maker: s.pictures, Keep: files.Keep, Asked: s.previews, Obs: s.obs,
		}),
		bytestreams.New(s.bytestreams()),
		external.New(services, s.relays, s.cfg.External.Life.D()),
		components.New(s.cfg, s.obs),
		c,
		notices.New(notices.Stores{Secrets: s.db.Secrets, Activity: s.db.Activity}, s.obs),
		certificates.New(s.certs),
		tracing.New(s.obs),
		info.New(s.cfg.Contact, Version),
	}, c
}
