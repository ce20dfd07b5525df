package jid

import "strings"

// MaxPart is the largest size of one part of an address in bytes, counted
// after preparation (RFC 7622 sections 3.2, 3.3 and 3.4).
const MaxPart = 1023

// MaxSize is the largest size of a whole address in bytes: three parts and two
// separators.
const MaxSize = 3*MaxPart + 2

// maxRaw bounds a part before preparation. Preparation can shorten text (a
// full-width letter goes from three bytes to one), but not without end, and
// an attacker should not make us normalise megabytes.
const maxRaw = 4 * MaxPart

// split cuts s at its separators without looking at the parts. A separator
// with nothing on its outer side is an error.
func split(s string) (local, domain, resource string, err error) {
	domain = s
	// RFC 7622 section 3.2: first the resourcepart is taken away, from the
	// first '/' on, because it may contain '@' and '/' itself.
	if i := strings.IndexByte(domain, '/'); i >= 0 {
		domain, resource = domain[:i], domain[i+1:]
		if resource == "" {
			return "", "", "", &Error{Part: ResourcePart, Err: ErrEmpty}
		}
	}
	if i := strings.IndexByte(domain, '@'); i >= 0 {
		local, domain = domain[:i], domain[i+1:]
		if local == "" {
			return "", "", "", &Error{Part: LocalPart, Err: ErrEmpty}
		}
	}
	return local, domain, resource, nil
}

// Parse reads an address and prepares it. Errors are of type *Error.
//
// It accepts what RFC 7622 lets a receiver accept: upper case and full-width
// letters are mapped, A-labels become U-labels, one trailing dot of the domain
// is removed. The result shares memory with s when s was already prepared.
func Parse(s string) (JID, error) {
	if j, ok := parsePlain(s); ok {
		return j, nil
	}
	local, domain, resource, err := split(s)
	if err != nil {
		return JID{}, err
	}
	return build(s, local, domain, resource)
}

// New prepares the three parts and makes an address of them. An empty local or
// resource means that the address has none; domain must not be empty. Errors
// are of type *Error.
func New(local, domain, resource string) (JID, error) {
	return build("", local, domain, resource)
}

// MustParse is Parse for addresses written in the program's own text, such as
// constants and tests; it panics when s is not an address.
func MustParse(s string) JID {
	j, err := Parse(s)
	if err != nil {
		panic(err)
	}
	return j
}

// build prepares the parts and joins them. When the joined text equals whole,
// whole itself is kept.
func build(whole, local, domain, resource string) (JID, error) {
	var err error
	if local != "" {
		if local, err = prepareLocal(local); err != nil {
			return JID{}, err
		}
	}
	if domain, err = prepareDomain(domain); err != nil {
		return JID{}, err
	}
	if resource != "" {
		if resource, err = prepareResource(resource); err != nil {
			return JID{}, err
		}
	}
	return join(whole, local, domain, resource), nil
}

// join puts prepared parts together.
func join(whole, local, domain, resource string) JID {
	j := JID{local: uint16(len(local)), domain: uint16(len(domain))}
	j.s = domain
	if local != "" {
		j.s = local + "@" + domain
	}
	if resource != "" {
		j.s += "/" + resource
	}
	if j.s == whole {
		j.s = whole
	}
	return j
}
