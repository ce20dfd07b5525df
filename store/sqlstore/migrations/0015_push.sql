-- Where accounts have notifications sent, and what is to be sent. errors are failures without a success between them, said and at the last answer. Of jobs
-- there is one for a topic at most: due is when it may be touched next, version counts its contents, pending is 0 when there is nothing to send.
CREATE TABLE push_targets (
  id      {ID},
  owner   BIGINT NOT NULL,
  service TEXT NOT NULL,
  node    TEXT NOT NULL,
  kind    BIGINT NOT NULL,
  device  TEXT NOT NULL,
  data    {BLOB} NOT NULL,
  enabled BIGINT NOT NULL,
  errors  BIGINT NOT NULL,
  said    TEXT NOT NULL,
  at      BIGINT NOT NULL
);
CREATE UNIQUE INDEX push_targets_owner ON push_targets (owner, service, node);
CREATE TABLE push_jobs (
  target  BIGINT NOT NULL,
  topic   TEXT NOT NULL,
  owner   BIGINT NOT NULL,
  content {BLOB} NOT NULL,
  pending BIGINT NOT NULL,
  due     BIGINT NOT NULL,
  ends    BIGINT NOT NULL,
  version BIGINT NOT NULL,
  tries   BIGINT NOT NULL,
  PRIMARY KEY (target, topic)
){CLUSTERED};
CREATE INDEX push_jobs_owner ON push_jobs (owner, topic);
CREATE INDEX push_jobs_due ON push_jobs (due);
