// Package play performs plays: conversations with a server, written in XMPP's own words, one small file for each thing proved.
//
// # The language
//
// Lines that begin with # are comments. A play begins with comments that say what it proves and by which section of which standard. The line
//
//	# peers: prosody fails, RFC 6121 section 8.5.2.1.1: it bounces instead
//
// notes that a server does not live up to the standard (or lacks the feature); run against that server the play must then indeed fail,
// unless the line says "may fail".
//
// The line
//
//	# streams only: why
//
// leaves a play out of runs over WebSocket, where there is no such thing as it speaks of. Otherwise stream headers, end tags and elements become what RFC 7395 has
// for them.
//
// The cast comes first. Accounts are made for each performance under names that nobody else has, so that plays can run side by side:
//
//	juliet is juliet/balcony                 a client "juliet" of the account juliet, with that resource
//	phone is juliet/phone over direct TLS    one that always takes that way, as do those over STARTTLS and over WebSocket; the others take the way chosen for the run
//	juliet and romeo are contacts            both accounts have each other, subscription both
//	juliet sees romeo                        juliet's entry says "to", romeo's says "from"
//	juliet and romeo are kept apart          one blocks the other: no fence goes between these two clients
//	walter is a guest                        a client without an account (XEP-0175); {walter.bare} and {walter.full} are known when it is bound
//	guests may talk to romeo                 there are guests on this server, and romeo's account is one of those that they may talk to
//	the archive is never                     the default of the archive (XEP-0441); otherwise always
//
// What happens stands one line each, blocks are indented:
//
//	juliet opens a connection                TCP, and TLS with direct TLS; nothing is sent
//	juliet opens a stream                    also stream header and features
//	juliet secures the stream                also STARTTLS; now features stand on a stream with TLS
//	juliet authenticates                     also SASL SCRAM and the stream restart
//	juliet tries a wrong password            SASL SCRAM up to the server's last word, which is left to be received
//	juliet logs in with:                     XEP-0388 with SCRAM, and the block in <authenticate/>; the server's last word is left to be received
//	juliet connects                          also resource binding; no presence, no roster
//	juliet comes online                      also roster and initial presence; what this causes is discarded, everywhere
//	juliet goes offline                      unavailable presence and end of the stream; what this causes is discarded, everywhere
//	juliet sends:                            the text of the block, which need not be good XML
//	juliet receives:                         the next stanzas, in this order; "or:" with another block allows another stanza
//	juliet sees features:                    what the last stream features must be
//	juliet may receive:                      such stanzas are passed over from now on wherever they are not asked for
//	juliet receives nothing                  not a single stanza has come by the time a fence has passed, see below
//	juliet discards everything               whatever has come by then is passed over
//	any order:                               indented "receives:" lines, whose stanzas come in any order
//	juliet enables carbons                   XEP-0280
//	juliet enables stream management         XEP-0198 with resumption
//	juliet makes the room                    XEP-0045: enters {room} under the name of the client and takes it as it is; discarded likewise
//	juliet makes the room with:              the same with the fields of the block in the form of its configuration
//	romeo enters the room                    enters {room} under the name of the client, or with "as juliet" under that one; discarded likewise
//	juliet makes romeo admin                 or owner, member, outcast, moderator, participant, visitor of {room}; discarded likewise
//	juliet answers no acks                   from now on <r/> is not answered by itself
//	juliet cuts the line                     the connection goes, the stream is not closed
//	juliet resumes                           a new connection up to <resumed/>
//	juliet disconnects                       closes the stream and waits for the server to do the same
//	juliet's stream ends                     the server closes stream and connection
//	the server restarts                      SIGTERM, then a start on the same data; the play has a server of its own
//	the server is killed                     SIGKILL, then the same
//
// # XML and patterns
//
// Default namespace is jabber:client, the prefix stream: is known. In what is sent {name} stands for a value; in what is received it must be equal to the value,
// or gets it if it has none yet. {any} is anything, {time} a UTC time (XEP-0082), {number} decimal digits; {stamp:time} keeps it.
// As the value of an attribute {not x} means another value, or no such attribute. Given values:
//
//	{juliet.bare} {juliet.full} {juliet.user} {juliet.resource}   addresses of a client
//	{juliet.sent} {juliet.received}           its counters of XEP-0198
//	{juliet.sm}                               its stream id of XEP-0198
//	{domain} {run}                            the server; the suffix that makes names of this performance unique
//	{rooms} {room}                            its service of rooms; a room there that no other performance uses
//
// and only in what is sent: {repeat 1000 x}, {bytes ff00}, {plain juliet}, {plain juliet as romeo}, {scram juliet} and {token juliet name}, for the token that name
// stands for (initial responses of SASL). A pattern is exact: an
// attribute or child that it does not name must not be there, unless … stands among the attributes or the children. The order of children does not count, nor do
// xml:lang and white space between elements.
//
// # Fences
//
// "receives nothing" does not wait for a time. First each client asks the server for a ping and sends itself a headline, then each sends one to the client in question; a
// server keeps the order of stanzas between two parties (RFC 6120 section 10.1), so whatever they had sent has come before. What the server itself sends, such as a roster
// push, may wait for its disk and come behind; so the fence is repeated after a breath, until two rounds have brought nothing new. Fences are seen by nobody but the runner.
// In a play with {room} they go through the room, too;
// and presence of a room's own address is passed over wherever it is not asked for.
// Between clients that are kept apart there is none: the server's answers to pings alone say that it has read what they sent.
package play
