-- What owners have published, by node.
CREATE TABLE nodes (
  owner   BIGINT NOT NULL,
  node    TEXT NOT NULL,
  created BIGINT NOT NULL,
  creator TEXT NOT NULL,
  config  TEXT NOT NULL,
  PRIMARY KEY (owner, node)
){CLUSTERED};

-- seq is the order of publication within the node, and tells when that was, in microseconds. bytes counts id and payload.
CREATE TABLE node_items (
  owner     BIGINT NOT NULL,
  node      TEXT NOT NULL,
  item      TEXT NOT NULL,
  seq       BIGINT NOT NULL,
  bytes     BIGINT NOT NULL,
  publisher TEXT NOT NULL,
  payload   {BLOB} NOT NULL,
  PRIMARY KEY (owner, node, item)
){CLUSTERED};
CREATE INDEX node_items_order ON node_items (owner, node, seq, bytes);

CREATE TABLE node_affiliations (
  owner       BIGINT NOT NULL,
  node        TEXT NOT NULL,
  jid         TEXT NOT NULL,
  affiliation TEXT NOT NULL,
  PRIMARY KEY (owner, node, jid)
){CLUSTERED};
CREATE INDEX node_affiliations_jid ON node_affiliations (jid);

-- bare is the subscriber's bare address, jid where notifications go.
CREATE TABLE node_subscriptions (
  owner BIGINT NOT NULL,
  node  TEXT NOT NULL,
  jid   TEXT NOT NULL,
  bare  TEXT NOT NULL,
  state TEXT NOT NULL,
  PRIMARY KEY (owner, node, jid)
){CLUSTERED};
CREATE INDEX node_subscriptions_bare ON node_subscriptions (bare);
