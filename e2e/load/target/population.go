package target

import (
	"fmt"
	"iter"
)

// groupSize is the number of accounts that all know each other, so that each
// has groupSize-1 contacts.
const groupSize = 21

// Population describes the accounts of a run by their numbers.
//
//   - u0, u1 …: no contacts; idle sessions, message pairs, room occupants
//   - r0, r1 …: 20 contacts each, in groups that all know each other
//   - c0, c1 …: contacts of the star accounts, and nobody else's
//   - star500, star1000: as many contacts among c0 …
//   - sparse: contacts of which one in a hundred (c0 …) ever comes online
//   - a0, a1 …: owners and senders of archives; o0, o1 …: absent users
type Population struct {
	Idle    int   // accounts u
	Grouped int   // accounts r
	Stars   []int // contact counts of the star accounts
	Sparse  int   // contacts of the sparse account
	Others  int   // accounts a and o, each
}

// Account is one account and its mutual contacts (user names).
type Account struct {
	Name     string
	Contacts []string
}

// Name returns the name of the i-th account of a family.
func Name(family string, i int) string { return fmt.Sprintf("%s%d", family, i) }

// JID returns the bare address of a user name.
func JID(name string) string { return name + "@" + Host }

// SparseOnline is how many contacts of the sparse account come online.
func (p Population) SparseOnline() int { return p.Sparse / 100 }

// star names the star account with n contacts.
func star(n int) string { return Name("star", n) }

// contacts is the number of accounts c.
func (p Population) contacts() int {
	most := p.SparseOnline()
	for _, n := range p.Stars {
		most = max(most, n)
	}
	return most
}

// sparseRest is how many accounts r the sparse account knows; they stay away.
func (p Population) sparseRest() int { return min(p.Sparse-p.SparseOnline(), p.Grouped) }

// Accounts yields every account with its contacts.
func (p Population) Accounts() iter.Seq[Account] {
	return func(yield func(Account) bool) {
		for _, family := range []func(func(Account) bool) bool{p.loners, p.groups, p.starContacts, p.stars} {
			if !family(yield) {
				return
			}
		}
	}
}

func (p Population) loners(yield func(Account) bool) bool {
	for _, family := range []struct {
		name  string
		count int
	}{{"u", p.Idle}, {"a", p.Others}, {"o", p.Others}} {
		for i := range family.count {
			if !yield(Account{Name: Name(family.name, i)}) {
				return false
			}
		}
	}
	return true
}

func (p Population) groups(yield func(Account) bool) bool {
	for i := range p.Grouped {
		first := i / groupSize * groupSize
		account := Account{Name: Name("r", i)}
		for j := first; j < min(first+groupSize, p.Grouped); j++ {
			if j != i {
				account.Contacts = append(account.Contacts, Name("r", j))
			}
		}
		if i < p.sparseRest() {
			account.Contacts = append(account.Contacts, "sparse")
		}
		if !yield(account) {
			return false
		}
	}
	return true
}

func (p Population) starContacts(yield func(Account) bool) bool {
	for i := range p.contacts() {
		account := Account{Name: Name("c", i)}
		for _, n := range p.Stars {
			if i < n {
				account.Contacts = append(account.Contacts, star(n))
			}
		}
		if i < p.SparseOnline() {
			account.Contacts = append(account.Contacts, "sparse")
		}
		if !yield(account) {
			return false
		}
	}
	return true
}

func (p Population) stars(yield func(Account) bool) bool {
	for _, n := range p.Stars {
		account := Account{Name: star(n)}
		for i := range n {
			account.Contacts = append(account.Contacts, Name("c", i))
		}
		if !yield(account) {
			return false
		}
	}
	account := Account{Name: "sparse"}
	for i := range p.SparseOnline() {
		account.Contacts = append(account.Contacts, Name("c", i))
	}
	for i := range p.sparseRest() {
		account.Contacts = append(account.Contacts, Name("r", i))
	}
	return yield(account)
}
