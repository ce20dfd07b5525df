-- Whoever owns kept things. Ids are never given twice.
CREATE TABLE owners (
  id   {ID},
  kind TEXT NOT NULL
);

CREATE TABLE accounts (
  id       {KEY},
  domain   TEXT NOT NULL,
  local    TEXT NOT NULL,
  role     TEXT NOT NULL,
  disabled BIGINT NOT NULL,
  created  BIGINT NOT NULL
);
CREATE UNIQUE INDEX accounts_name ON accounts (domain, local);

CREATE TABLE credentials (
  account    BIGINT NOT NULL,
  mechanism  TEXT NOT NULL,
  salt       {BLOB} NOT NULL,
  iterations BIGINT NOT NULL,
  stored_key {BLOB} NOT NULL,
  server_key {BLOB} NOT NULL,
  PRIMARY KEY (account, mechanism)
){CLUSTERED};

-- Owners that are gone and whose rows are still being erased.
CREATE TABLE erasures (
  owner {KEY}
);

CREATE TABLE rosters (
  owner   {KEY},
  version BIGINT NOT NULL,
  floor   BIGINT NOT NULL
);

CREATE TABLE roster_items (
  owner        BIGINT NOT NULL,
  jid          TEXT NOT NULL,
  name         TEXT NOT NULL,
  subscription TEXT NOT NULL,
  ask          BIGINT NOT NULL,
  approved     BIGINT NOT NULL,
  groups_json  TEXT NOT NULL,
  version      BIGINT NOT NULL,
  PRIMARY KEY (owner, jid)
){CLUSTERED};

-- Removed contacts, the newest few of each roster.
CREATE TABLE roster_gone (
  owner   BIGINT NOT NULL,
  jid     TEXT NOT NULL,
  version BIGINT NOT NULL,
  PRIMARY KEY (owner, jid)
){CLUSTERED};

CREATE TABLE roster_pending (
  owner  BIGINT NOT NULL,
  jid    TEXT NOT NULL,
  stanza {BLOB} NOT NULL,
  since  BIGINT NOT NULL,
  PRIMARY KEY (owner, jid)
){CLUSTERED};

-- Every kept message, in the order of arrival.
CREATE TABLE archive (
  key      {KEY},
  owner    BIGINT NOT NULL,
  peer     TEXT NOT NULL,
  resource TEXT NOT NULL,
  flags    BIGINT NOT NULL,
  origin   BIGINT NOT NULL,
  stanza   {BLOB} NOT NULL
);

-- The two orders in which archives are read. They lag behind the table: they are whole up to archive_state.indexed.
CREATE TABLE archive_by_owner (
  owner  BIGINT NOT NULL,
  key    BIGINT NOT NULL,
  origin BIGINT NOT NULL,
  flags  BIGINT NOT NULL,
  PRIMARY KEY (owner, key)
){CLUSTERED};

CREATE TABLE archive_by_peer (
  owner    BIGINT NOT NULL,
  peer     TEXT NOT NULL,
  key      BIGINT NOT NULL,
  resource TEXT NOT NULL,
  PRIMARY KEY (owner, peer, key)
){CLUSTERED};

CREATE TABLE archive_state (
  id      {KEY},
  indexed BIGINT NOT NULL
);
INSERT INTO archive_state (id, indexed) VALUES (1, 0);

CREATE TABLE archive_prefs (
  owner       {KEY},
  standard    TEXT NOT NULL,
  always_json TEXT NOT NULL,
  never_json  TEXT NOT NULL
);

-- Incoming messages that their owner wants in no archive, until somebody has got them.
CREATE TABLE offline_rows (
  owner    BIGINT NOT NULL,
  key      BIGINT NOT NULL,
  peer     TEXT NOT NULL,
  resource TEXT NOT NULL,
  stanza   {BLOB} NOT NULL,
  PRIMARY KEY (owner, key)
){CLUSTERED};

CREATE TABLE offline_marks (
  owner     {KEY},
  delivered BIGINT NOT NULL
);

CREATE TABLE secrets (
  name  TEXT NOT NULL PRIMARY KEY,
  value {BLOB} NOT NULL
){CLUSTERED};
