-- Sessions without a connection whose queues are on disk.
CREATE TABLE sessions (
  owner    BIGINT NOT NULL,
  id       {BLOB} NOT NULL,
  resource TEXT NOT NULL,
  ends     BIGINT NOT NULL,
  state    {BLOB} NOT NULL,
  PRIMARY KEY (owner, id)
);

-- Whether the process that had the sessions last ended in order: only then their rows are the truth.
CREATE TABLE sessions_state (
  id      {KEY},
  orderly BIGINT NOT NULL
);
INSERT INTO sessions_state (id, orderly) VALUES (1, 1);

CREATE TABLE last_seen (
  owner  {KEY},
  at     BIGINT NOT NULL,
  status TEXT NOT NULL,
  shown  TEXT NOT NULL
);
