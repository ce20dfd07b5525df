-- Uploaded files, and slots for such. due is when a row goes, until what due becomes when it is stored; 0 is never. state is that of store.FileState.
CREATE TABLE files (
  id         TEXT NOT NULL PRIMARY KEY,
  owner      BIGINT NOT NULL,
  state      BIGINT NOT NULL,
  size       BIGINT NOT NULL,
  media_type TEXT NOT NULL,
  name       TEXT NOT NULL,
  purpose    TEXT NOT NULL,
  hash       {BLOB} NOT NULL,
  created    BIGINT NOT NULL,
  due        BIGINT NOT NULL,
  until      BIGINT NOT NULL
){CLUSTERED};
CREATE INDEX files_owner ON files (owner, purpose, due, size);
CREATE INDEX files_hash ON files (hash);
CREATE INDEX files_due ON files (due) WHERE due > 0;
