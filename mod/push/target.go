package push

import (
	"encoding/json"
	"net/url"

	"stonechat/core"
	"stonechat/store"
)

// target is a registration of an account.
type target struct {
	store.PushTarget
	wants
}

// wants is what a client said when it registered a device, as it is kept.
type wants struct {
	// Resource of the session that registered; it stands for the device where the client has no name for it.
	Resource string `json:"resource,omitempty"`
	// Options is the form of XEP-0357 section 5 as XML that stands alone.
	Options string `json:"options,omitempty"`
	// Key and Auth are the device's half of RFC 8291.
	Key  string `json:"p256dh,omitempty"`
	Auth string `json:"auth,omitempty"`
	// Names and Bodies: who said what may stand in the notification, which nobody but the device can read.
	Names  bool `json:"names,omitempty"`
	Bodies bool `json:"bodies,omitempty"`
	// NoRooms: what is said in rooms is not told.
	NoRooms bool `json:"norooms,omitempty"`
	// Withdraw: the client takes notifications back when it is told to. Browsers do not forgive others that nothing is shown.
	Withdraw bool `json:"withdraw,omitempty"`
	// Identity is the type of the client (XEP-0030), for rules that depend on it (XEP-0492 section 2.2).
	Identity string `json:"identity,omitempty"`
}

func (w *wants) encode() ([]byte, error) { return json.Marshal(w) }

// newTarget reads what is kept. What cannot be read is as if nothing had been said; sending fails then, and says so.
func newTarget(t store.PushTarget) target {
	x := target{PushTarget: t}
	if json.Unmarshal(t.Data, &x.wants) != nil {
		x.wants = wants{}
	}
	return x
}

// sits tells whether a session is of the device that registered.
func (t *target) sits(s *core.Session) bool {
	if t.Device != "" && s.Device != "" {
		return t.Device == s.Device
	}
	return t.Resource == s.JID.Resource()
}

// place is where notifications go, for people: the address of an endpoint is a secret but for its host.
func place(t *store.PushTarget) string {
	if t.Kind == store.PushApp {
		return t.Service
	}
	if u, err := url.Parse(t.Service); err == nil {
		return u.Host
	}
	return ""
}
