-- Names of rooms that were destroyed, each under the number that the room had, and who owned it then. buried is when one of them destroyed it, 0 with the others.
CREATE TABLE room_tombstones (
  room      {KEY},
  domain    TEXT NOT NULL,
  local     TEXT NOT NULL,
  until     BIGINT NOT NULL,
  reason    TEXT NOT NULL,
  alternate TEXT NOT NULL
);
CREATE UNIQUE INDEX room_tombstones_name ON room_tombstones (domain, local);
CREATE INDEX room_tombstones_until ON room_tombstones (until, room);

CREATE TABLE room_tombstone_owners (
  room   BIGINT NOT NULL,
  jid    TEXT NOT NULL,
  buried BIGINT NOT NULL,
  PRIMARY KEY (room, jid)
){CLUSTERED};
CREATE INDEX room_tombstone_owners_jid ON room_tombstone_owners (jid, buried, room);
