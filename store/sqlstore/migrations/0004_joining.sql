-- Invites and links to set a password, by the hash of their token. owner is whose invite it is, zero for the operator's own, or whose
-- password it sets.
CREATE TABLE invites (
  hash         TEXT NOT NULL PRIMARY KEY,
  id           TEXT NOT NULL,
  domain       TEXT NOT NULL,
  owner        BIGINT NOT NULL,
  kind         TEXT NOT NULL,
  role         TEXT NOT NULL,
  name         TEXT NOT NULL,
  label        TEXT NOT NULL,
  circles_json TEXT NOT NULL,
  befriend     BIGINT NOT NULL,
  uses         BIGINT NOT NULL,
  used         BIGINT NOT NULL,
  created      BIGINT NOT NULL,
  expires      BIGINT NOT NULL
){CLUSTERED};
CREATE UNIQUE INDEX invites_id ON invites (domain, id);
CREATE INDEX invites_owner ON invites (owner);
CREATE INDEX invites_name ON invites (domain, name);

-- Accounts that are leaving, and when they are erased.
CREATE TABLE leavers (
  owner {KEY},
  due   BIGINT NOT NULL
);

-- Names of erased accounts that nobody gets for a while, as hashes.
CREATE TABLE held_names (
  hash  TEXT NOT NULL PRIMARY KEY,
  until BIGINT NOT NULL
){CLUSTERED};

CREATE TABLE circles (
  domain TEXT NOT NULL,
  name   TEXT NOT NULL,
  PRIMARY KEY (domain, name)
){CLUSTERED};

CREATE TABLE circle_members (
  domain TEXT NOT NULL,
  circle TEXT NOT NULL,
  owner  BIGINT NOT NULL,
  PRIMARY KEY (domain, circle, owner)
){CLUSTERED};
CREATE INDEX circle_members_owner ON circle_members (owner);

-- Rosters that have to follow an invite or a circle: what is to be looked at again between an account and a contact.
CREATE TABLE ties (
  owner    BIGINT NOT NULL,
  jid      TEXT NOT NULL,
  befriend BIGINT NOT NULL,
  dropped  TEXT NOT NULL,
  wish     BIGINT NOT NULL,
  PRIMARY KEY (owner, jid, dropped)
){CLUSTERED};
CREATE INDEX ties_order ON ties (befriend DESC, owner, jid);

ALTER TABLE roster_items ADD COLUMN bond BIGINT NOT NULL DEFAULT 0;
