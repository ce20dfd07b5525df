-- What a row of a chat is stands in the order of chats, too: what is unread is counted there without reading a message. See chats.go.
ALTER TABLE archive_by_peer ADD COLUMN flags BIGINT NOT NULL DEFAULT 0;

UPDATE archive_by_peer SET flags = (SELECT a.flags FROM archive AS a WHERE a.key = archive_by_peer.key)
WHERE EXISTS (SELECT 1 FROM archive AS a WHERE a.key = archive_by_peer.key AND a.flags <> 0);
