package chaos

import "strings"

// Sets of answers that several tricks share.
var (
	// RFC 6120 section 4.9.3.13 and 11.3: XML that is not well-formed.
	notXML = []string{"stream:not-well-formed", "stream:bad-format", "stream:invalid-xml"}
	// RFC 6120 section 4.9.3.18 and 11.1: XML that XMPP does not allow.
	restricted = []string{"stream:restricted-xml", "stream:not-well-formed", "stream:policy-violation"}
	// RFC 6120 section 13.12: too much of something.
	tooMuch = []string{"stream:policy-violation", "stream:resource-constraint"}
	// RFC 6120 section 4.9.3.12: a stanza before log-in.
	notYet     = []string{"stream:not-authorized", "stream:policy-violation"}
	badRequest = []string{"stanza:bad-request"}
	// RFC 6120 section 8.1.2.1: the server refuses a wrong sender or puts the
	// right one; the receiver of the forgery looks at which.
	overridden = []string{"stream:invalid-from", ignored}
)

const bomb = "<!DOCTYPE x [<!ENTITY a 'aaaaaaaaaa'><!ENTITY b '&a;&a;&a;&a;&a;&a;&a;&a;'><!ENTITY c '&b;&b;&b;&b;&b;&b;&b;&b;'>]>"

func header(attributes string) string {
	return "<?xml version='1.0'?><stream:stream " + attributes + " xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams'>"
}

// headerTricks are played before the stream header.
func headerTricks() []trick {
	return []trick{
		{"an HTTP request", "GET / HTTP/1.1\r\nHost: example.org\r\n\r\n", append(notXML, closed)},
		{"a TLS handshake on the plain port", halfHello + strings.Repeat("\x00", 600), append(notXML, closed)},
		{"zeros", strings.Repeat("\x00", 2000), append(notXML, closed)},
		{"a document type", bomb + header("to='example.org' version='1.0'"), append(restricted, closed)},
		{"a comment before the header", "<!-- x -->" + header("to='example.org' version='1.0'"), append(restricted, closed)},
		{"a processing instruction", "<?php x ?>" + header("to='example.org' version='1.0'"), append(restricted, closed)},
		{"the encoding ISO-8859-1", "<?xml version='1.0' encoding='ISO-8859-1'?>" + streamHeader[len("<?xml version='1.0'?>"):], []string{"stream:unsupported-encoding", "stream:not-well-formed", "stream:restricted-xml"}},
		{"UTF-16", "\xff\xfe<\x00?\x00x\x00m\x00l\x00", append(notXML, "stream:unsupported-encoding", closed)},
		{"another root element", "<?xml version='1.0'?><foo xmlns='jabber:client'>", append(notXML, "stream:invalid-namespace", "stream:unsupported-stanza-type", closed)},
		{"another namespace of streams", "<stream:stream to='example.org' version='1.0' xmlns='jabber:client' xmlns:stream='http://example.com/'>", []string{"stream:invalid-namespace", "stream:bad-namespace-prefix", closed}},
		{"another namespace of content", "<stream:stream to='example.org' version='1.0' xmlns='http://example.com/' xmlns:stream='http://etherx.jabber.org/streams'>", []string{"stream:invalid-namespace", "stream:bad-namespace-prefix"}},
		{"an unbound prefix", "<stream:stream to='example.org' version='1.0' xmlns='jabber:client'>", append(notXML, "stream:bad-namespace-prefix", "stream:invalid-namespace", closed)},
		{"a host that is not here", header("to='elsewhere.example' version='1.0'"), []string{"stream:host-unknown"}},
		{"no host", header("version='1.0'"), []string{"stream:host-unknown", "stream:improper-addressing", passed}},
		{"a host that is no address", header("to='@@/' version='1.0'"), []string{"stream:host-unknown", "stream:improper-addressing"}},
		{"an attribute of 100 kB", header("to='example.org' version='1.0' from='" + strings.Repeat("a", 100_000) + "'"), append(tooMuch, "stream:not-well-formed", "stream:invalid-from", closed)},
		{"2000 attributes", header("to='example.org' version='1.0' " + many(2000, "a%d='' ")), append(tooMuch, "stream:not-well-formed", closed)},
		{"1000 namespaces", header("to='example.org' version='1.0' " + many(1000, "xmlns:a%d='urn:x' ")), append(tooMuch, "stream:not-well-formed", closed)},
		{"the same attribute twice", header("to='example.org' to='example.org' version='1.0'"), append(notXML, closed)},
	}
}

// plainTricks are played inside a stream that is not yet protected.
func plainTricks() []trick {
	return append(beforeLogin(),
		trick{
			"PLAIN without TLS", "<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>AHVzZXIwAHg=</auth>",
			[]string{"sasl:encryption-required", "sasl:invalid-mechanism", "sasl:mechanism-too-weak", "sasl:not-authorized", "stream:policy-violation", "stream:not-authorized", "stream:unsupported-stanza-type"},
		},
		trick{"a second stream header", streamHeader, append(notXML, "stream:restricted-xml", "stream:not-authorized", "stream:policy-violation")},
	)
}

// loginTricks are played inside TLS, before log-in.
func loginTricks() []trick {
	sasl := func(rest string) string { return "<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' " + rest }
	// user2, and user3 whose password is not known: authzid user1.
	const plainAs = "dXNlcjFAZXhhbXBsZS5vcmcAdXNlcjMAeA=="
	refused := []string{"sasl:not-authorized", "sasl:invalid-authzid", "sasl:invalid-mechanism", "sasl:malformed-request", "sasl:incorrect-encoding"}
	return append(beforeLogin(),
		trick{"an unknown mechanism", sasl("mechanism='X-FOO'/>"), []string{"sasl:invalid-mechanism"}},
		trick{"no mechanism", sasl("/>"), []string{"sasl:invalid-mechanism", "sasl:malformed-request"}},
		trick{"SCRAM with no base64", sasl("mechanism='SCRAM-SHA-1'>%%%</auth>"), []string{"sasl:incorrect-encoding", "sasl:malformed-request"}},
		trick{"SCRAM with nonsense", sasl("mechanism='SCRAM-SHA-1'>Zm9v</auth>"), []string{"sasl:malformed-request", "sasl:not-authorized", "sasl:incorrect-encoding"}},
		trick{"SCRAM in another's name", sasl("mechanism='SCRAM-SHA-1'>bixhPXVzZXIxQGV4YW1wbGUub3JnLG49dXNlcjIscj1hYmNkZWZnaGlqa2xtbm9w</auth>") +
			"<response xmlns='urn:ietf:params:xml:ns:xmpp-sasl'>eA==</response>", refused},
		trick{"PLAIN in another's name", sasl("mechanism='PLAIN'>" + plainAs + "</auth>"), refused},
		trick{"SCRAM of 60 kB", sasl("mechanism='SCRAM-SHA-1'>" + strings.Repeat("QUFB", 15_000) + "</auth>"), append(tooMuch, "sasl:malformed-request", "sasl:not-authorized", "sasl:incorrect-encoding")},
		trick{"a response without a start", "<response xmlns='urn:ietf:params:xml:ns:xmpp-sasl'/>", append(refused, "stream:not-authorized", "stream:policy-violation", "stream:unsupported-stanza-type")},
		trick{"0198 before log-in", "<enable xmlns='urn:xmpp:sm:3'/>", append(notYet, failed+"unexpected-request", "stream:unsupported-stanza-type")},
		trick{"resumption before log-in", "<resume xmlns='urn:xmpp:sm:3' previd='x' h='0'/>", append(notYet, failed+"unexpected-request", failed+"item-not-found", "stream:unsupported-stanza-type")},
		trick{"STARTTLS inside TLS", startTLS, []string{"stream:policy-violation", "stream:not-authorized", "stream:unsupported-stanza-type", "sasl:no condition", closed}},
		trick{"a megabyte of white space", strings.Repeat(" ", 1<<20), append(tooMuch, "stream:not-well-formed", closed)},
	)
}

// beforeLogin are tricks of every stage before log-in.
func beforeLogin() []trick {
	return []trick{
		{"a message", "<message to='user1@example.org'><body>x</body></message>", notYet},
		{"presence", "<presence/>", notYet},
		{"binding", "<iq type='set' id='trick'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/></iq>", append(notYet, "stanza:not-authorized", "stanza:not-allowed")},
		{"an unknown element", "<foo xmlns='urn:example:foo'/>", append(notYet, "stream:unsupported-stanza-type", "stream:invalid-namespace")},
		{"an element of 20 kB", "<message><body>" + strings.Repeat("x", 20_000) + "</body></message>", append(tooMuch, "stream:not-authorized")},
		{"an element without end", "<message><body>" + strings.Repeat("x", 300_000), append(tooMuch, "stream:not-authorized")},
		{"depth 300", "<message>" + deep(300) + "</message>", append(tooMuch, "stream:not-authorized", "stream:not-well-formed")},
		{"an open tag without end", "<message " + many(20_000, "a%d='' "), append(tooMuch, "stream:not-well-formed")},
		{"a document type", bomb + "<message/>", restricted},
		{"a comment", "<!-- x -->", restricted},
		{"bytes that are not UTF-8", "<message><body>\xff\xfe</body></message>", append(notXML, "stream:unsupported-encoding")},
		{"text outside of elements", "hello", append(notXML, "stream:not-authorized", "stream:policy-violation")},
	}
}

// xmlTricks are played in a bound session and end it.
func xmlTricks() []trick {
	message := func(inside string) string {
		return "<message to='user3@example.org' id='trick'><body>x</body>" + inside + "</message>"
	}
	return []trick{
		{"a comment", message("<!-- x -->"), restricted},
		{"a processing instruction", message("<?x y?>"), restricted},
		{"a document type", bomb + message(""), restricted},
		{"an entity of its own", message("<x>&foo;</x>"), append(restricted, notXML...)},
		{"a CDATA section without end", message("<x><![CDATA[" + strings.Repeat("x", 400_000)), append(tooMuch, restricted...)},
		{"tags that do not match", "<message to='user3@example.org'><body>x</subject></message>", notXML},
		{"a closing tag too many", message("</body>"), notXML},
		{"an attribute without quotes", message("<x a=b/>"), notXML},
		{"an attribute twice", message("<x a='' a=''/>"), notXML},
		{"an attribute twice by namespace", message("<x xmlns:p='u' xmlns:q='u' p:a='' q:a=''/>"), append(notXML, "stream:bad-namespace-prefix")},
		{"'<' in an attribute", message("<x a='<'/>"), notXML},
		{"an unbound prefix", message("<p:x/>"), append(notXML, "stream:bad-namespace-prefix")},
		{"an unbound prefix of an attribute", message("<x p:a=''/>"), append(notXML, "stream:bad-namespace-prefix")},
		{"the prefix xmlns bound", message("<x xmlns:xmlns='u'/>"), append(notXML, "stream:bad-namespace-prefix")},
		{"a prefix bound to nothing", message("<x xmlns:p=''/>"), append(notXML, "stream:bad-namespace-prefix")},
		{"bytes that are not UTF-8", message("<x>\xc3\x28</x>"), append(notXML, "stream:unsupported-encoding")},
		{"UTF-8 longer than needed", message("<x>\xc0\xaf</x>"), append(notXML, "stream:unsupported-encoding")},
		{"a surrogate in UTF-8", message("<x>\xed\xa0\x80</x>"), append(notXML, "stream:unsupported-encoding")},
		{"a character beyond Unicode", message("<x>\xf5\x80\x80\x80</x>"), append(notXML, "stream:unsupported-encoding")},
		{"a reference to a control character", message("<x>&#1;</x>"), notXML},
		{"a reference to zero", message("<x>&#0;</x>"), notXML},
		{"a reference beyond Unicode", message("<x>&#x110000;</x>"), notXML},
		{"a control character", message("<x>\x01</x>"), notXML},
		{"the character U+FFFF", message("<x>\xef\xbf\xbf</x>"), notXML},
		{"']]>' in text", message("<x>]]></x>"), notXML},
		{"a stanza of 300 kB", message("<x>" + strings.Repeat("x", 300_000) + "</x>"), append(tooMuch, "stanza:policy-violation")},
		{"depth 300", message(deep(300)), append(tooMuch, "stanza:policy-violation", "stream:not-well-formed")},
		{"depth 30000", message(deep(30_000)), append(tooMuch, "stanza:policy-violation", "stream:not-well-formed")},
		{"1000 attributes", message("<x " + many(1000, "a%d='' ") + "/>"), append(tooMuch, "stanza:policy-violation", "stream:not-well-formed")},
		{"500 namespaces", message("<x " + many(500, "xmlns:a%d='u' ") + "/>"), append(tooMuch, "stanza:policy-violation", "stream:not-well-formed")},
		{"a name of 100 kB", message("<" + strings.Repeat("n", 100_000) + "/>"), append(tooMuch, "stanza:policy-violation", "stream:not-well-formed", ignored)},
		{"an unknown element", "<foo/>", []string{"stream:unsupported-stanza-type"}},
		{"a stanza of another namespace", "<message xmlns='urn:example:foo' to='user3@example.org'/>", []string{"stream:unsupported-stanza-type", "stream:invalid-namespace"}},
		{"a stanza of servers", "<message xmlns='jabber:server' to='user3@example.org'/>", []string{"stream:unsupported-stanza-type", "stream:invalid-namespace"}},
		{"text outside of stanzas", "hello", append(notXML, "stream:policy-violation", "stream:unsupported-stanza-type")},
		{"a stream header", streamHeader, append(notXML, "stream:restricted-xml", "stream:unsupported-stanza-type", "stream:policy-violation", "stream:invalid-namespace", "stream:conflict")},
		{"STARTTLS", startTLS, []string{"stream:unsupported-stanza-type", "stream:policy-violation", "sasl:no condition", "stream:invalid-namespace"}},
		{
			"a second log-in", "<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='SCRAM-SHA-1'>Zm9v</auth>",
			[]string{"stream:unsupported-stanza-type", "stream:policy-violation", "stream:not-authorized", "sasl:not-authorized", "sasl:aborted", "stream:invalid-namespace"},
		},
		{"another's address", "<message from='user3@example.org' to='user1@example.org'><body>" + forgery + "</body></message>", overridden},
		{"another resource's address", "<message from='user2@example.org/elsewhere' to='user1@example.org'><body>" + forgery + "</body></message>", overridden},
		// XEP-0198 section 4: the client cannot have got what was not sent.
		{"0198: acknowledging too much", "<a xmlns='urn:xmpp:sm:3' h='99999'/>", []string{"stream:undefined-condition"}},
	}
}

// stanzaTricks are played in a bound session that goes on afterwards.
func stanzaTricks() []trick {
	iq := func(attributes, payload string) string { return "<iq " + attributes + ">" + payload + "</iq>" }
	roster := func(items string) string {
		return iq("type='set' id='trick'", "<query xmlns='jabber:iq:roster'>"+items+"</query>")
	}
	archive := func(inside string) string {
		return iq("type='set' id='trick'", "<query xmlns='urn:xmpp:mam:2'>"+inside+"</query>")
	}
	const field = "<x xmlns='jabber:x:data' type='submit'><field var='FORM_TYPE'><value>urn:xmpp:mam:2</value></field><field var='%'><value>x</value></field></x>"
	const ping = "<ping xmlns='urn:xmpp:ping'/>"
	away := []string{"stanza:remote-server-not-found", "stanza:remote-server-timeout", "stanza:service-unavailable", "stanza:not-allowed"}
	foreign := []string{"stanza:forbidden", "stanza:not-allowed", "stanza:service-unavailable", "stanza:not-authorized"}
	return []trick{
		{"an IQ without id", iq("type='get'", ping), append(badRequest, "stream:bad-format", "stream:invalid-xml")},
		{"an IQ without type", iq("id='trick'", ping), badRequest},
		{"an IQ of unknown type", iq("type='foo' id='trick'", ping), badRequest},
		{"an IQ without payload", iq("type='get' id='trick'", ""), badRequest},
		{"an IQ with two payloads", iq("type='get' id='trick'", ping+ping), badRequest},
		{"an IQ that nobody knows", iq("type='get' id='trick'", "<x xmlns='urn:example:x'/>"), []string{"stanza:service-unavailable", "stanza:feature-not-implemented"}},
		{"an IQ to nobody", iq("type='get' id='trick' to='nobody@example.org'", "<x xmlns='urn:example:x'/>"), []string{"stanza:service-unavailable"}},
		{"an IQ to an absent resource", iq("type='get' id='trick' to='user3@example.org/none'", ping), []string{"stanza:service-unavailable"}},
		{"a result that nobody wants", iq("type='result' id='nothing'", ""), []string{ignored}},
		{"an error that nobody wants", "<iq type='error' id='nothing' to='user3@example.org'><error type='cancel'/></iq>", []string{ignored}},
		{"a message to no address", "<message to='@@@' id='trick'><body>x</body></message>", []string{"stanza:jid-malformed", "stream:improper-addressing"}},
		{"a message to a long address", "<message to='" + strings.Repeat("a", 2000) + "@example.org' id='trick'><body>x</body></message>", []string{"stanza:jid-malformed", "stream:improper-addressing"}},
		{"a message to far away", "<message to='someone@nowhere.invalid' id='trick'><body>x</body></message>", append(away, ignored)},
		{"presence of unknown type", "<presence type='foo' id='trick'/>", badRequest},
		{"presence of impossible priority", "<presence id='trick'><priority>999</priority></presence>", append(badRequest, ignored, result)},
		{"two contacts at once", roster("<item jid='a@example.org'/><item jid='b@example.org'/>"), badRequest},
		{"a contact without address", roster("<item name='x'/>"), append(badRequest, "stanza:jid-malformed")},
		{"a contact of impossible address", roster("<item jid='@@'/>"), append(badRequest, "stanza:jid-malformed")},
		{"no contact at all", roster(""), badRequest},
		{"a contact with a name of 100 kB", roster("<item jid='a@example.org' name='" + strings.Repeat("x", 100_000) + "'/>"), append(badRequest, "stanza:not-acceptable", "stanza:resource-constraint", "stanza:policy-violation")},
		{"removing a contact that is not there", roster("<item jid='nobody@example.org' subscription='remove'/>"), []string{"stanza:item-not-found"}},
		{"another's contacts", iq("type='get' id='trick' to='user1@example.org'", "<query xmlns='jabber:iq:roster'/>"), foreign},
		{"another's archive", iq("type='set' id='trick' to='user1@example.org'", "<query xmlns='urn:xmpp:mam:2'/>"), foreign},
		{"an archive page after nothing", archive("<set xmlns='http://jabber.org/protocol/rsm'><after>nothing</after></set>"), []string{"stanza:item-not-found"}},
		{"an archive page of -1", archive("<set xmlns='http://jabber.org/protocol/rsm'><max>-1</max></set>"), append(badRequest, "stanza:not-acceptable", result)},
		{"an archive page of 10^30", archive("<set xmlns='http://jabber.org/protocol/rsm'><max>1000000000000000000000000000000</max></set>"), append(badRequest, "stanza:not-acceptable", result)},
		{"an archive field that nobody knows", archive(strings.Replace(field, "%", "unknown", 1)), []string{"stanza:feature-not-implemented", "stanza:bad-request"}},
		{"an archive time that is none", archive(strings.Replace(field, "%", "start", 1)), append(badRequest, "stanza:jid-malformed")},
		{"an archive partner that is none", archive(strings.Replace(strings.Replace(field, "%", "with", 1), "<value>x<", "<value>@@<", 1)), append(badRequest, "stanza:jid-malformed")},
		{"binding a second time", iq("type='set' id='trick'", "<bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/>"), []string{"stanza:not-allowed", "stanza:bad-request", "stanza:conflict", "stanza:service-unavailable", "stanza:resource-constraint", "stanza:feature-not-implemented", "stanza:unexpected-request"}},
		{"0198: enabling twice", "<enable xmlns='urn:xmpp:sm:3'/>", []string{failed + "unexpected-request", "stream:policy-violation", "stream:unsupported-stanza-type", "stream:undefined-condition"}},
		{"0198: resuming while bound", "<resume xmlns='urn:xmpp:sm:3' previd='x' h='0'/>", []string{failed + "unexpected-request", failed + "item-not-found", "stream:policy-violation", "stream:unsupported-stanza-type"}},
		{"0198: a count that is none", "<a xmlns='urn:xmpp:sm:3' h='x'/>", []string{ignored, "stream:bad-format", "stream:undefined-condition", "stream:policy-violation", "stream:invalid-xml", "stream:unsupported-stanza-type"}},
	}
}
