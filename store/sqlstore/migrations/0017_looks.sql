-- What a file's content is known to be: pixels of a picture as it is shown, milliseconds of sound. thumb is the hash of a smaller picture in hexadecimal, waveform one byte
-- for each part, too; 0 and empty: not known.
ALTER TABLE files ADD COLUMN width BIGINT NOT NULL DEFAULT 0;
ALTER TABLE files ADD COLUMN height BIGINT NOT NULL DEFAULT 0;
ALTER TABLE files ADD COLUMN duration BIGINT NOT NULL DEFAULT 0;
ALTER TABLE files ADD COLUMN blurhash TEXT NOT NULL DEFAULT '';
ALTER TABLE files ADD COLUMN waveform TEXT NOT NULL DEFAULT '';
ALTER TABLE files ADD COLUMN thumb TEXT NOT NULL DEFAULT '';
ALTER TABLE files ADD COLUMN thumb_type TEXT NOT NULL DEFAULT '';
ALTER TABLE files ADD COLUMN thumb_width BIGINT NOT NULL DEFAULT 0;
ALTER TABLE files ADD COLUMN thumb_height BIGINT NOT NULL DEFAULT 0;
CREATE INDEX files_thumb ON files (thumb) WHERE thumb > '';
