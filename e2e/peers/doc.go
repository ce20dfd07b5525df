// Package peers starts whole servers as child processes: Stonechat itself, and Prosody and ejabberd to compare with. Everything lives in one folder, listens on free
// loopback ports and trusts a certificate made for the occasion, so any number of servers can stand side by side and nothing outside the folder is touched.
//
// The tests of this package drive foreign clients (slixmpp, Profanity, mcabber, Poezio) against such a server: go test ./e2e/peers -run Foreign.
package peers
