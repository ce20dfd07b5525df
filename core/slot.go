package core

// Slot is a module's private state on every account, session or room of one host: typed, made on first use, freed with its holder.
type Slot[T any] struct{ index int }

// NewSlot reserves a slot. Call it from Install.
func NewSlot[T any](h *Host) Slot[T] {
	h.slots++
	return Slot[T]{h.slots - 1}
}

// holder is what carries slots; Account, Session and Room embed it.
type holder struct{ slots []any }

// Holder is an Account, a Session or a Room.
type Holder interface{ slotsOf() *[]any }

func (h *holder) slotsOf() *[]any { return &h.slots }

// Of returns the state of x, made zero on first use. Only in a turn of x.
func (s Slot[T]) Of(x Holder) *T {
	slots := x.slotsOf()
	if len(*slots) <= s.index {
		*slots = append(*slots, make([]any, s.index+1-len(*slots))...)
	}
	v, ok := (*slots)[s.index].(*T)
	if !ok {
		v = new(T)
		(*slots)[s.index] = v
	}
	return v
}

// Has tells whether x has the state already, without making it.
func (s Slot[T]) Has(x Holder) (*T, bool) {
	slots := *x.slotsOf()
	if len(slots) <= s.index {
		return nil, false
	}
	v, ok := slots[s.index].(*T)
	return v, ok
}
