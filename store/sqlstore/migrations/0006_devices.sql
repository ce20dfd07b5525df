-- Installations of clients that have logged in. The id is derived from the one that the client gives itself.
CREATE TABLE devices (
  owner      BIGINT NOT NULL,
  id         TEXT NOT NULL,
  name       TEXT NOT NULL,
  software   TEXT NOT NULL,
  first_seen BIGINT NOT NULL,
  last_seen  BIGINT NOT NULL,
  address    TEXT NOT NULL,
  PRIMARY KEY (owner, id)
){CLUSTERED};

-- Their tokens: slot 0 is the current one, slot 1 the new one that was not used yet. A seed alone is no token.
CREATE TABLE device_tokens (
  owner     BIGINT NOT NULL,
  device    TEXT NOT NULL,
  slot      BIGINT NOT NULL,
  seed      {BLOB} NOT NULL,
  mechanism TEXT NOT NULL,
  issued    BIGINT NOT NULL,
  expires   BIGINT NOT NULL,
  used      BIGINT NOT NULL,
  PRIMARY KEY (owner, device, slot)
){CLUSTERED};
