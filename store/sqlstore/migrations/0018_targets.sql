-- Which rows are about another one, such as reactions, edits and receipts: a hash of the name by which they mean it, or zero. They are found by it in an order of
-- their own, which lags behind like the other two. See targets.go.
ALTER TABLE archive ADD COLUMN target BIGINT NOT NULL DEFAULT 0;

CREATE TABLE archive_by_target (
  owner  BIGINT NOT NULL,
  target BIGINT NOT NULL,
  key    BIGINT NOT NULL,
  PRIMARY KEY (owner, target, key)
){CLUSTERED};
