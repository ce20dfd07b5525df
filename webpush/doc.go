// Package webpush closes messages for browsers and phones, and says what the services that bring them want to know: RFC 8030 (requests), RFC 8188 and RFC 8291
// (closing), RFC 8292 (who sends). It sends nothing itself. UnifiedPush endpoints are such endpoints, too.
//
// The cryptography is that of the standard library, put together as the standards say; see decision 30.
package webpush
