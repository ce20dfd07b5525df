-- What push services said lately, a line each, newest first. Jobs: shown is 1 when the device shows one of the topic, pending is 2 when that is all there is.
ALTER TABLE push_targets ADD COLUMN past TEXT NOT NULL DEFAULT '';
ALTER TABLE push_jobs ADD COLUMN shown BIGINT NOT NULL DEFAULT 0;
DROP INDEX push_jobs_due;
CREATE INDEX push_jobs_due ON push_jobs (pending, due);
CREATE INDEX push_jobs_ends ON push_jobs (ends);
