package muc

import "strconv"

// Status is a code that a room tells an occupant (sections 11 and 15.6).
type Status uint16

// The codes of section 15.6.2, each with the section that says when it is told.
const (
	StatusNonAnonymous    Status = 100 // section 7.2.3: everybody here sees your address
	StatusAffiliation     Status = 101 // section 14.1: your affiliation changed while you were away
	StatusShowsAbsent     Status = 102 // section 15.6.2: the room shows members that are away
	StatusHidesAbsent     Status = 103 // section 15.6.2: it does so no more
	StatusConfiguration   Status = 104 // section 10.2.1: the configuration changed, but nothing of privacy
	StatusSelf            Status = 110 // section 7.2.2: this presence is your own
	StatusLogged          Status = 170 // sections 7.2.12, 10.2.1: what is said here is kept
	StatusNotLogged       Status = 171 // section 10.2.1: it is kept no more
	StatusNowNonAnonymous Status = 172 // section 10.2.1: everybody sees addresses from now on
	StatusNowSemi         Status = 173 // section 10.2.1: only moderators see addresses from now on
	StatusCreated         Status = 201 // section 10.1.1: the room is new, and locked
	StatusNickAssigned    Status = 210 // sections 7.2.2, 7.6: the service chose the nick
	StatusBanned          Status = 301 // section 9.1
	StatusNickChanged     Status = 303 // section 7.6: the item tells the new nick
	StatusKicked          Status = 307 // section 8.2
	StatusAffiliationGone Status = 321 // section 9.4: no member any more, in a room for members only
	StatusMembersOnly     Status = 322 // section 10.2: the room is for members only from now on
	StatusShutdown        Status = 332 // section 11.2: the service ends
	StatusTechnical       Status = 333 // section 11.1: removed because of an error
)

// AppendXML appends the code as a <status/> element for the inside of <x/>.
func (s Status) AppendXML(dst []byte) []byte {
	dst = append(dst, "<status code='"...)
	dst = strconv.AppendUint(dst, uint64(s), 10)
	return append(dst, "'/>"...)
}
