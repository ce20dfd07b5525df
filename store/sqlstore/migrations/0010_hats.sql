-- What somebody wears in a room (XEP-0317): URIs of hats, separated by spaces.
ALTER TABLE room_affiliations ADD COLUMN hats TEXT NOT NULL DEFAULT '';
