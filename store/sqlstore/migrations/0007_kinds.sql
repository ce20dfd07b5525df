-- What kinds of credentials the accounts of a domain have, and how many accounts are of each, so that nobody has to look at all of them.
-- Accounts are of one kind when their credentials differ in salts and keys alone. The text is told apart, never read.
CREATE TABLE credential_kinds (
  id       {ID},
  domain   TEXT NOT NULL,
  shape    TEXT NOT NULL,
  accounts BIGINT NOT NULL
);
CREATE UNIQUE INDEX credential_kinds_shape ON credential_kinds (domain, shape);

ALTER TABLE accounts ADD COLUMN kind BIGINT NOT NULL DEFAULT 0;

INSERT INTO credential_kinds (domain, shape, accounts)
SELECT s.domain, s.shape, COUNT(*) FROM (
  SELECT a.domain, COALESCE((
    SELECT string_agg(c.mechanism || ' ' || c.iterations || ' ' || LENGTH(c.salt), ';' ORDER BY c.mechanism) FROM credentials AS c WHERE c.account = a.id
  ), '') AS shape FROM accounts AS a
) AS s GROUP BY s.domain, s.shape;

UPDATE accounts SET kind = (
  SELECT k.id FROM credential_kinds AS k WHERE k.domain = accounts.domain AND k.shape = COALESCE((
    SELECT string_agg(c.mechanism || ' ' || c.iterations || ' ' || LENGTH(c.salt), ';' ORDER BY c.mechanism) FROM credentials AS c WHERE c.account = accounts.id
  ), '')
);

-- Finds one account of a kind, one that may log in before others.
CREATE INDEX accounts_kind ON accounts (kind, disabled, id);
