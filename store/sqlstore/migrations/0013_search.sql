-- Rows of archives that were replaced since their words were noted. What is noted lies elsewhere: see search.go.
CREATE TABLE search_changes (
  id    {ID},
  owner BIGINT NOT NULL,
  key   BIGINT NOT NULL
);
CREATE INDEX search_changes_owner ON search_changes (owner);
