-- Rooms. What a room keeps hangs on its number among the owners, as with accounts.
CREATE TABLE rooms (
  owner     {KEY},
  domain    TEXT NOT NULL,
  local     TEXT NOT NULL,
  creator   TEXT NOT NULL,
  created   BIGINT NOT NULL,
  listed    BIGINT NOT NULL,
  temporary BIGINT NOT NULL,
  config    {BLOB} NOT NULL,
  subject   {BLOB} NOT NULL,
  secret    {BLOB} NOT NULL
);
CREATE UNIQUE INDEX rooms_name ON rooms (domain, local);
CREATE INDEX rooms_creator ON rooms (domain, creator);
CREATE INDEX rooms_listed ON rooms (domain, listed, local);
CREATE INDEX rooms_temporary ON rooms (domain, temporary);

CREATE TABLE room_affiliations (
  owner  BIGINT NOT NULL,
  jid    TEXT NOT NULL,
  kind   TEXT NOT NULL,
  nick   TEXT NOT NULL,
  reason TEXT NOT NULL,
  PRIMARY KEY (owner, jid)
){CLUSTERED};
CREATE INDEX room_affiliations_jid ON room_affiliations (jid);

-- Who was in rooms when the process ended in order: one row for each room with somebody in it, as its module writes it.
CREATE TABLE room_occupants (
  owner     {KEY},
  occupants {BLOB} NOT NULL
);
