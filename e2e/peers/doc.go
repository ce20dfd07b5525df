// Package peers starts whole servers as child processes: Stonechat itself, and Prosody and ejabberd to compare with. Everything lives in one folder, listens on free
// loopback ports and trusts a certificate made for the occasion, so any number of servers can stand side by side and nothing outside the folder is touched.
//
// The tests of this package drive foreign clients against such a server: slixmpp by a script, Profanity, mcabber and Poezio in terminals, Gajim and Dino on screens that nobody
// sees, and over WebSocket strophe.js, xmpp.js and StanzaJS under Node and Converse.js in Chromium. go test ./e2e/peers -run Foreign -without=false fails for each that is not installed; otherwise it is skipped, under its name.
package peers
