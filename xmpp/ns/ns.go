// Package ns names the XML namespaces of XMPP, and those service discovery
// features and FORM_TYPE values that are no plain namespace, as constants.
package ns

// Streams, login and binding.
const (
	// Client: RFC 6120 section 4.8.2, content namespace between client and server.
	Client = "jabber:client"
	// Server: RFC 6120 section 4.8.2, content namespace between servers.
	Server = "jabber:server"
	// Streams: RFC 6120 section 4.8.1, the stream itself.
	Streams = "http://etherx.jabber.org/streams"
	// StreamErrors: RFC 6120 section 4.9.2, conditions of stream errors.
	StreamErrors = "urn:ietf:params:xml:ns:xmpp-streams"
	// StanzaErrors: RFC 6120 section 8.3.2, conditions of stanza errors.
	StanzaErrors = "urn:ietf:params:xml:ns:xmpp-stanzas"
	// TLS: RFC 6120 section 5, STARTTLS.
	TLS = "urn:ietf:params:xml:ns:xmpp-tls"
	// SASL: RFC 6120 section 6, classic SASL profile.
	SASL = "urn:ietf:params:xml:ns:xmpp-sasl"
	// Bind: RFC 6120 section 7, resource binding.
	Bind = "urn:ietf:params:xml:ns:xmpp-bind"
	// Session: RFC 3921 section 3, session request, obsolete but asked for by old clients.
	Session = "urn:ietf:params:xml:ns:xmpp-session"
	// Framing: RFC 7395 section 3.3, WebSocket framing.
	Framing = "urn:ietf:params:xml:ns:xmpp-framing"
	// BOSH: XEP-0124, body wrapper of HTTP binding.
	BOSH = "http://jabber.org/protocol/httpbind"
	// XBOSH: XEP-0206, XMPP attributes of HTTP binding.
	XBOSH = "urn:xmpp:xbosh"
	// SASL2: XEP-0388, extensible SASL profile.
	SASL2 = "urn:xmpp:sasl:2"
	// SASLChannelBinding: XEP-0440, channel-binding types.
	SASLChannelBinding = "urn:xmpp:sasl-cb:0"
	// SASLUpgrade: XEP-0480, upgrade tasks after login.
	SASLUpgrade = "urn:xmpp:sasl:upgrade:0"
	// SCRAMUpgrade: XEP-0480 section 3, data of its SCRAM tasks.
	SCRAMUpgrade = "urn:xmpp:scram-upgrade:0"
	// Bind2: XEP-0386, binding inside SASL2.
	Bind2 = "urn:xmpp:bind:0"
	// Fast: XEP-0484, login with tokens.
	Fast = "urn:xmpp:fast:0"
	// StreamManagement: XEP-0198, acknowledgement and resumption.
	StreamManagement = "urn:xmpp:sm:3"
	// StreamLimits: XEP-0478, size and idle limits announced.
	StreamLimits = "urn:xmpp:stream-limits:0"
	// ClientState: XEP-0352, active and inactive clients.
	ClientState = "urn:xmpp:csi:0"
	// Register: XEP-0077, in-band registration.
	Register = "jabber:iq:register"
	// RegisterFeature: XEP-0077, its stream feature.
	RegisterFeature = "http://jabber.org/features/iq-register"
	// InviteToken: XEP-0445, pre-authenticated registration.
	InviteToken = "urn:xmpp:ibr-token:0"
	// PreAuth: XEP-0379, pre-authenticated roster subscription.
	PreAuth = "urn:xmpp:pars:0"
	// Invite: XEP-0401, root of the invitation command names.
	Invite = "urn:xmpp:invite"
)

// Links between servers, and components.
const (
	// Dialback: XEP-0220, server dialback.
	Dialback = "jabber:server:dialback"
	// DialbackFeature: XEP-0220, its stream feature.
	DialbackFeature = "urn:xmpp:features:dialback"
	// Bidi: XEP-0288, bidirectional server links.
	Bidi = "urn:xmpp:bidi"
	// BidiFeature: XEP-0288, its stream feature.
	BidiFeature = "urn:xmpp:features:bidi"
	// ComponentAccept: XEP-0114, component connects to server.
	ComponentAccept = "jabber:component:accept"
)

// Roster, presence and blocking.
const (
	// Roster: RFC 6121 section 2, roster.
	Roster = "jabber:iq:roster"
	// RosterVer: RFC 6121 section 2.6, roster versioning feature.
	RosterVer = "urn:xmpp:features:rosterver"
	// PreApproval: RFC 6121 section 3.4, subscription pre-approval feature.
	PreApproval = "urn:xmpp:features:pre-approval"
	// RosterItemExchange: XEP-0144, roster items offered.
	RosterItemExchange = "http://jabber.org/protocol/rosterx"
	// Caps: XEP-0115, entity capabilities.
	Caps = "http://jabber.org/protocol/caps"
	// Caps2: XEP-0390, entity capabilities 2.0.
	Caps2 = "urn:xmpp:caps"
	// Idle: XEP-0319, last user interaction in presence.
	Idle = "urn:xmpp:idle:1"
	// LastActivity: XEP-0012, last activity.
	LastActivity = "jabber:iq:last"
	// Nick: XEP-0172, user nickname.
	Nick = "http://jabber.org/protocol/nick"
	// Blocking: XEP-0191, blocking command.
	Blocking = "urn:xmpp:blocking"
	// BlockingErrors: XEP-0191, error condition blocked.
	BlockingErrors = "urn:xmpp:blocking:errors"
	// Reporting: XEP-0377, abuse reports.
	Reporting = "urn:xmpp:reporting:1"
	// ReportingLegacy: XEP-0377 before version 0.3, abuse reports as older clients send them.
	ReportingLegacy = "urn:xmpp:reporting:0"
	// ReportingLegacySpam: XEP-0377 before version 0.3, feature of who takes reports of unwanted messages.
	ReportingLegacySpam = "urn:xmpp:reporting:reason:spam:0"
	// ReportingLegacyAbuse: XEP-0377 before version 0.3, feature of who takes reports of general abuse.
	ReportingLegacyAbuse = "urn:xmpp:reporting:reason:abuse:0"
	// ReportingSpam: XEP-0377, the reason of a report about unwanted messages.
	ReportingSpam = "urn:xmpp:reporting:spam"
	// ReportingAbuse: XEP-0377, the reason of a report about general abuse.
	ReportingAbuse = "urn:xmpp:reporting:abuse"
)

// Discovery and service queries.
const (
	// DiscoInfo: XEP-0030, identities and features.
	DiscoInfo = "http://jabber.org/protocol/disco#info"
	// DiscoItems: XEP-0030, items of an entity.
	DiscoItems = "http://jabber.org/protocol/disco#items"
	// Ping: XEP-0199, ping.
	Ping = "urn:xmpp:ping"
	// Version: XEP-0092, software version.
	Version = "jabber:iq:version"
	// Time: XEP-0202, entity time.
	Time = "urn:xmpp:time"
	// ExternalServices: XEP-0215, external services such as TURN.
	ExternalServices = "urn:xmpp:extdisco:2"
	// ServerInfo: XEP-0157, FORM_TYPE of contact addresses.
	ServerInfo = "http://jabber.org/network/serverinfo"
	// Outage: XEP-0455, service outage status.
	Outage = "urn:xmpp:sos:0"
	// Commands: XEP-0050, ad-hoc commands.
	Commands = "http://jabber.org/protocol/commands"
	// Admin: XEP-0133, service administration, root of the command names.
	Admin = "http://jabber.org/protocol/admin"
	// Search: XEP-0055, search.
	Search = "jabber:iq:search"
	// Private: XEP-0049, private XML storage.
	Private = "jabber:iq:private"
	// Address: XEP-0033, extended addressing.
	Address = "http://jabber.org/protocol/address"
	// JIDEscaping: XEP-0106 section 6, the feature name of JID escaping.
	JIDEscaping = "jid\\20escaping"
)

// Payload building blocks.
const (
	// DataForm: XEP-0004, data forms.
	DataForm = "jabber:x:data"
	// FormValidate: XEP-0122, data forms validation.
	FormValidate = "http://jabber.org/protocol/xdata-validate"
	// FormLayout: XEP-0141, data forms layout.
	FormLayout = "http://jabber.org/protocol/xdata-layout"
	// FormMedia: XEP-0221, media in data forms.
	FormMedia = "urn:xmpp:media-element"
	// RSM: XEP-0059, result set management.
	RSM = "http://jabber.org/protocol/rsm"
	// Delay: XEP-0203, delayed delivery.
	Delay = "urn:xmpp:delay"
	// Privilege: XEP-0356, what a component may do in the name of accounts.
	Privilege = "urn:xmpp:privilege:2"
	// Forward: XEP-0297, stanza forwarding.
	Forward = "urn:xmpp:forward:0"
	// Hashes: XEP-0300, hash functions.
	Hashes = "urn:xmpp:hashes:2"
	// OOB: XEP-0066, out of band data.
	OOB = "jabber:x:oob"
)

// Messages.
const (
	// StanzaID: XEP-0359, stanza-id and origin-id.
	StanzaID = "urn:xmpp:sid:0"
	// Archive: XEP-0313, message archive.
	Archive = "urn:xmpp:mam:2"
	// ArchiveExtended: XEP-0313 section 7, feature name of the extended query.
	ArchiveExtended = "urn:xmpp:mam:2#extended"
	// ArchiveGroupchatField: XEP-0313, feature name of the include-groupchat field.
	ArchiveGroupchatField = "urn:xmpp:mam:2#groupchat-field"
	// Carbons: XEP-0280, message carbons.
	Carbons = "urn:xmpp:carbons:2"
	// CarbonRules: XEP-0280, feature name of the recommended rules.
	CarbonRules = "urn:xmpp:carbons:rules:0"
	// Hints: XEP-0334, message processing hints.
	Hints = "urn:xmpp:hints"
	// Receipts: XEP-0184, delivery receipts.
	Receipts = "urn:xmpp:receipts"
	// Markers: XEP-0333, displayed markers.
	Markers = "urn:xmpp:chat-markers:0"
	// ChatStates: XEP-0085, typing notices.
	ChatStates = "http://jabber.org/protocol/chatstates"
	// Correct: XEP-0308, last message correction.
	Correct = "urn:xmpp:message-correct:0"
	// Attention: XEP-0224, attention.
	Attention = "urn:xmpp:attention:0"
	// Fulltext: XEP-0431, full text search in archives.
	Fulltext = "urn:xmpp:fulltext:0"
	// Reactions: XEP-0444, reactions.
	Reactions = "urn:xmpp:reactions:0"
	// ReactionRestrictions: XEP-0444, restricted reactions form.
	ReactionRestrictions = "urn:xmpp:reactions:0:restrictions"
	// Retract: XEP-0424, message retraction.
	Retract = "urn:xmpp:message-retract:1"
	// RetractTombstone: XEP-0424, feature name of archive tombstones.
	RetractTombstone = "urn:xmpp:message-retract:1#tombstone"
	// Moderate: XEP-0425, moderated message retraction.
	Moderate = "urn:xmpp:message-moderate:1"
	// Reply: XEP-0461, message replies.
	Reply = "urn:xmpp:reply:0"
	// Fallback: XEP-0428, fallback indication.
	Fallback = "urn:xmpp:fallback:0"
	// Reference: XEP-0372, references.
	Reference = "urn:xmpp:reference:0"
	// Styling: XEP-0393, message styling.
	Styling = "urn:xmpp:styling:0"
	// FasteningCollation: XEP-0427, MAM fastening collation.
	FasteningCollation = "urn:xmpp:mamfc:0"
	// Inbox: XEP-0430, inbox.
	Inbox = "urn:xmpp:inbox:1"
	// Chats: docs/inbox.md, the node on which an account's clients keep what they know of its chats. It is our own.
	Chats = "urn:stonechat:chats:1"
	// Displayed: XEP-0490, displayed synchronization.
	Displayed = "urn:xmpp:mds:displayed:0"
	// DisplayedAssist: XEP-0490, server-assisted publishing.
	DisplayedAssist = "urn:xmpp:mds:server-assist:0"
	// Push: XEP-0357, push notifications.
	Push = "urn:xmpp:push:0"
	// PushSummary: XEP-0357, FORM_TYPE of the summary.
	PushSummary = "urn:xmpp:push:summary"
	// P1Push: docs/push.md, registrations for push as clients of ProcessOne send them.
	P1Push = "p1:push"
	// P1WebPush: docs/push.md, what those clients ask to subscribe.
	P1WebPush = "p1:push:webpush"
	// Mentions: XEP-0513, explicit mentions.
	Mentions = "urn:xmpp:mentions:0"
	// NotificationSettings: XEP-0492, chat notification settings.
	NotificationSettings = "urn:xmpp:notification-settings:1"
	// OfflineFeature: XEP-0160 section 4, feature name of offline storage.
	OfflineFeature = "msgoffline"
)

// End-to-end encryption.
const (
	// EME: XEP-0380, explicit message encryption.
	EME = "urn:xmpp:eme:0"
	// OMEMO: XEP-0384, OMEMO.
	OMEMO = "urn:xmpp:omemo:2"
	// OMEMODevices: XEP-0384, node of the device list.
	OMEMODevices = "urn:xmpp:omemo:2:devices"
	// OMEMOBundles: XEP-0384, node of the key bundles.
	OMEMOBundles = "urn:xmpp:omemo:2:bundles"
	// OMEMOLegacy: XEP-0384 version 0.3.0, the form that most clients speak.
	OMEMOLegacy = "eu.siacs.conversations.axolotl"
	// OMEMOLegacyDevices: XEP-0384 version 0.3, node of the device list.
	OMEMOLegacyDevices = "eu.siacs.conversations.axolotl.devicelist"
	// OMEMOLegacyBundles: XEP-0384 version 0.3, prefix of the bundle nodes, followed by ":" and the device id.
	OMEMOLegacyBundles = "eu.siacs.conversations.axolotl.bundles"
	// OMEMOLegacyWhitelisted: XEP-0384 version 0.3, feature name that tells that open nodes are honoured.
	OMEMOLegacyWhitelisted = "eu.siacs.conversations.axolotl.whitelisted"
	// OpenPGP: XEP-0373, OpenPGP for XMPP.
	OpenPGP = "urn:xmpp:openpgp:0"
	// OpenPGPLegacy: XEP-0380 section 3.2, name of the old use of OpenPGP.
	OpenPGPLegacy = "jabber:x:encrypted"
	// OTR: XEP-0380 section 3.2, name of OTR.
	OTR = "urn:xmpp:otr:0"
)

// Publish-subscribe and personal data.
const (
	// PubSub: XEP-0060, requests.
	PubSub = "http://jabber.org/protocol/pubsub"
	// PubSubEvent: XEP-0060, notifications.
	PubSubEvent = "http://jabber.org/protocol/pubsub#event"
	// PubSubOwner: XEP-0060, owner requests.
	PubSubOwner = "http://jabber.org/protocol/pubsub#owner"
	// PubSubErrors: XEP-0060, error conditions.
	PubSubErrors = "http://jabber.org/protocol/pubsub#errors"
	// PubSubNodeConfig: XEP-0060, FORM_TYPE of node configuration.
	PubSubNodeConfig = "http://jabber.org/protocol/pubsub#node_config"
	// PubSubPublishOptions: XEP-0060, FORM_TYPE of publish options.
	PubSubPublishOptions = "http://jabber.org/protocol/pubsub#publish-options"
	// PubSubSubscribeOptions: XEP-0060, FORM_TYPE of subscription options.
	PubSubSubscribeOptions = "http://jabber.org/protocol/pubsub#subscribe_options"
	// PubSubSubscribeAuthorization: XEP-0060, FORM_TYPE of subscription approval.
	PubSubSubscribeAuthorization = "http://jabber.org/protocol/pubsub#subscribe_authorization"
	// PubSubMetaData: XEP-0060, FORM_TYPE of node data.
	PubSubMetaData = "http://jabber.org/protocol/pubsub#meta-data"
	// Bookmarks: XEP-0402, bookmarks as PEP items.
	Bookmarks = "urn:xmpp:bookmarks:1"
	// BookmarksCompat: XEP-0402, feature name of conversion with private storage.
	BookmarksCompat = "urn:xmpp:bookmarks:1#compat"
	// BookmarksCompatPEP: XEP-0402, feature name of conversion with old PEP bookmarks.
	BookmarksCompatPEP = "urn:xmpp:bookmarks:1#compat-pep"
	// BookmarksConversion: XEP-0411, feature name of conversion between private storage and old PEP bookmarks.
	BookmarksConversion = "urn:xmpp:bookmarks-conversion:0"
	// BookmarksLegacy: XEP-0048, bookmarks in one document.
	BookmarksLegacy = "storage:bookmarks"
	// BookmarksPinning: XEP-0469, pinned chats.
	BookmarksPinning = "urn:xmpp:bookmarks-pinning:0"
	// AvatarData: XEP-0084, user avatar, image.
	AvatarData = "urn:xmpp:avatar:data"
	// AvatarMetadata: XEP-0084, user avatar, description.
	AvatarMetadata = "urn:xmpp:avatar:metadata"
	// AvatarConversion: XEP-0398, feature name of avatar conversion.
	AvatarConversion = "urn:xmpp:pep-vcard-conversion:0"
	// VCardTemp: XEP-0054, vcard-temp.
	VCardTemp = "vcard-temp"
	// VCardUpdate: XEP-0153, avatar hash in presence.
	VCardUpdate = "vcard-temp:x:update"
	// VCard4: XEP-0292, node of the vCard4.
	VCard4 = "urn:xmpp:vcard4"
	// VCard4Element: RFC 6351, vCard 4 in XML.
	VCard4Element = "urn:ietf:params:xml:ns:vcard-4.0"
)

// Rooms.
const (
	// MUC: XEP-0045, joining, and the feature.
	MUC = "http://jabber.org/protocol/muc"
	// MUCUser: XEP-0045, what occupants see.
	MUCUser = "http://jabber.org/protocol/muc#user"
	// MUCAdmin: XEP-0045, roles and affiliations.
	MUCAdmin = "http://jabber.org/protocol/muc#admin"
	// MUCOwner: XEP-0045, configuration and destruction.
	MUCOwner = "http://jabber.org/protocol/muc#owner"
	// MUCRoomConfig: XEP-0045, FORM_TYPE of configuration.
	MUCRoomConfig = "http://jabber.org/protocol/muc#roomconfig"
	// PubSubFilter: XEP-0462, which nodes of a service are listed.
	PubSubFilter = "urn:xmpp:pubsub-filter:0"
	// Spaces: XEP-0503, the type of a node that is one, and FORM_TYPE of what is in one.
	Spaces = "urn:xmpp:spaces:0"
	// MUCRoomInfo: XEP-0045, FORM_TYPE of disco data.
	MUCRoomInfo = "http://jabber.org/protocol/muc#roominfo"
	// MUCRequest: XEP-0045, FORM_TYPE of voice requests.
	MUCRequest = "http://jabber.org/protocol/muc#request"
	// MUCRegister: XEP-0045, FORM_TYPE of registration.
	MUCRegister = "http://jabber.org/protocol/muc#register"
	// MUCStableID: XEP-0045, feature name of kept message ids.
	MUCStableID = "http://jabber.org/protocol/muc#stable_id"
	// MUCSelfPing: XEP-0410, feature name of the self-ping rule.
	MUCSelfPing = "http://jabber.org/protocol/muc#self-ping-optimization"
	// MUCActivity: XEP-0502, activity indicator.
	MUCActivity = "urn:xmpp:muc-activity"
	// MUCAffiliations: XEP-0463, affiliation versions.
	MUCAffiliations = "urn:xmpp:muc:affiliations:1"
	// ChannelSearch: XEP-0433, search of rooms.
	ChannelSearch = "urn:xmpp:channel-search:0:search"
	// ChannelSearchParams: XEP-0433, FORM_TYPE of what is searched for.
	ChannelSearchParams = "urn:xmpp:channel-search:0:search-params"
	// ChannelSearchErrors: XEP-0433, conditions of its errors.
	ChannelSearchErrors = "urn:xmpp:channel-search:0:error"
	// ChannelSearchOrder: XEP-0433, names of orders.
	ChannelSearchOrder = "urn:xmpp:channel-search:0:order"
	// ChannelSearchAnonymity: XEP-0433, values of the anonymity mode.
	ChannelSearchAnonymity = "urn:xmpp:channel-search:0:anonymity"
	// Conference: XEP-0249, direct invitation.
	Conference = "jabber:x:conference"
	// OccupantID: XEP-0421, occupant identifiers.
	OccupantID = "urn:xmpp:occupant-id:0"
	// Hats: XEP-0317, hats.
	Hats = "urn:xmpp:hats:0"
	// HatsLegacy: XEP-0317, hats as servers and clients had them before; clients still show them.
	HatsLegacy = "xmpp:prosody.im/protocol/hats:1"
)

// Files, calls.
const (
	// HTTPUpload: XEP-0363, HTTP file upload.
	HTTPUpload = "urn:xmpp:http:upload:0"
	// HTTPUploadPurpose: XEP-0363, purpose of an upload.
	HTTPUploadPurpose = "urn:xmpp:http:upload:purpose:0"
	// FileMetadata: XEP-0446, file metadata.
	FileMetadata = "urn:xmpp:file:metadata:0"
	// FileSharing: XEP-0447, stateless file sharing.
	FileSharing = "urn:xmpp:sfs:0"
	// RDF: XEP-0511, what a description of a link is in.
	RDF = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"
	// OpenGraph: XEP-0511, the words of such a description.
	OpenGraph = "https://ogp.me/ns#"
	// Thumbs: XEP-0264, thumbnails.
	Thumbs = "urn:xmpp:thumbs:1"
	// Bytestreams: XEP-0065, SOCKS5 bytestreams.
	Bytestreams = "http://jabber.org/protocol/bytestreams"
	// Jingle: XEP-0166, Jingle.
	Jingle = "urn:xmpp:jingle:1"
	// JingleErrors: XEP-0166, error conditions.
	JingleErrors = "urn:xmpp:jingle:errors:1"
	// JingleMessage: XEP-0353, Jingle message initiation.
	JingleMessage = "urn:xmpp:jingle-message:0"
	// JingleRTP: XEP-0167, RTP sessions.
	JingleRTP = "urn:xmpp:jingle:apps:rtp:1"
	// JingleICE: XEP-0176, ICE-UDP transport.
	JingleICE = "urn:xmpp:jingle:transports:ice-udp:1"
	// JingleDTLS: XEP-0320, DTLS-SRTP.
	JingleDTLS = "urn:xmpp:jingle:apps:dtls:0"
	// JingleFileTransfer: XEP-0234, file transfer.
	JingleFileTransfer = "urn:xmpp:jingle:apps:file-transfer:5"
	// CallInvites: XEP-0482, call invites.
	CallInvites = "urn:xmpp:call-invites:0"
)

// XML itself.
const (
	// XML: Namespaces in XML 1.0 section 3 (W3C), bound to the prefix xml.
	XML = "http://www.w3.org/XML/1998/namespace"
	// XMLNS: Namespaces in XML 1.0 section 3 (W3C), bound to the prefix xmlns.
	XMLNS = "http://www.w3.org/2000/xmlns/"
)
