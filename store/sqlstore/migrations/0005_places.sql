-- From which networks accounts have logged in, the newest few of each.
CREATE TABLE places (
  owner   BIGINT NOT NULL,
  network {BLOB} NOT NULL,
  seen    BIGINT NOT NULL,
  PRIMARY KEY (owner, network)
){CLUSTERED};
