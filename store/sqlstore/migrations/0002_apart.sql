-- With whom owners exchange nothing.
CREATE TABLE blocks (
  owner BIGINT NOT NULL,
  jid   TEXT NOT NULL,
  PRIMARY KEY (owner, jid)
){CLUSTERED};

-- Complaints, for moderators. Closed is zero while a report is open.
CREATE TABLE reports (
  id         {KEY},
  owner      BIGINT NOT NULL,
  reporter   TEXT NOT NULL,
  domain     TEXT NOT NULL,
  about      TEXT NOT NULL,
  reason     TEXT NOT NULL,
  said       TEXT NOT NULL,
  refs       TEXT NOT NULL,
  messages   TEXT NOT NULL,
  closed     BIGINT NOT NULL,
  closed_by  TEXT NOT NULL,
  note       TEXT NOT NULL
);
CREATE INDEX reports_owner ON reports (owner, id);
CREATE INDEX reports_domain ON reports (domain, id);
CREATE INDEX reports_closed ON reports (closed);

CREATE TABLE stranger_prefs (
  owner   {KEY},
  mode    TEXT NOT NULL,
  members BIGINT NOT NULL
);

CREATE TABLE acquaintances (
  owner BIGINT NOT NULL,
  jid   TEXT NOT NULL,
  PRIMARY KEY (owner, jid)
){CLUSTERED};

-- Messages of strangers, until their owner lets them in.
CREATE TABLE stranger_messages (
  owner  BIGINT NOT NULL,
  key    BIGINT NOT NULL,
  sender TEXT NOT NULL,
  stanza {BLOB} NOT NULL,
  PRIMARY KEY (owner, key)
){CLUSTERED};
CREATE INDEX stranger_messages_key ON stranger_messages (key);

CREATE TABLE private_xml (
  owner BIGINT NOT NULL,
  space TEXT NOT NULL,
  local TEXT NOT NULL,
  bytes BIGINT NOT NULL,
  xml   {BLOB} NOT NULL,
  PRIMARY KEY (owner, space, local)
){CLUSTERED};

CREATE TABLE vcards (
  owner {KEY},
  vcard {BLOB} NOT NULL
);
