-- What somebody wears in a room (XEP-0317), URIs separated by spaces; and whether they have ever been there, as a member.
ALTER TABLE room_affiliations ADD COLUMN hats TEXT NOT NULL DEFAULT '';
ALTER TABLE room_affiliations ADD COLUMN been BIGINT NOT NULL DEFAULT 0;
