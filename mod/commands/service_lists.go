package commands

import (
	"context"
	"strconv"

	"stonechat/core"
	"stonechat/xmpp/form"
	"stonechat/xmpp/stanza"
)

var errDiffer = stanza.NewError(stanza.NotAcceptable, "the two passwords differ")

// mostShown is how many addresses one answer lists.
const mostShown = 1000

// listCommands are XEP-0133 sections 4.13 to 4.22: how many accounts there are of a kind, and which. An account is online while it has a session with a
// line, idle when each of them is (see idle), and else active.
func (m *Module) listCommands() []service {
	registered := func(want func(User) bool) func(context.Context, core.Actor) ([]string, error) {
		return func(ctx context.Context, actor core.Actor) (out []string, err error) {
			return out, m.all(ctx, actor, func(u User) {
				if want(u) {
					out = append(out, u.Address)
				}
			})
		}
	}
	online := func(want func(idle bool) bool) func(context.Context, core.Actor) ([]string, error) {
		return func(ctx context.Context, actor core.Actor) ([]string, error) {
			idle, err := m.online(ctx, actor)
			return sorted(idle, want), err
		}
	}
	var out []service
	for _, kind := range []struct {
		num, list, title   string
		numField, jidField string
		act                core.Action
		which              func(context.Context, core.Actor) ([]string, error)
	}{
		{
			"get-registered-users-num", "get-registered-users-list", "registered users", "registeredusersnum", "registereduserjids",
			core.ActSeeAccounts, registered(func(u User) bool { return !u.Leaving }),
		},
		{
			"get-disabled-users-num", "get-disabled-users-list", "disabled users", "disabledusersnum", "disableduserjids",
			core.ActSeeAccounts, registered(func(u User) bool { return u.Disabled && !u.Leaving }),
		},
		{
			"get-online-users-num", "get-online-users-list", "online users", "onlineusersnum", "onlineuserjids",
			core.ActSeeSessions, online(func(bool) bool { return true }),
		},
		{
			"get-active-users-num", "get-active-users", "active users", "activeusersnum", "activeuserjids",
			core.ActSeeSessions, online(func(idle bool) bool { return !idle }),
		},
		{
			"get-idle-users-num", "get-idle-users", "idle users", "idleusersnum", "activeuserjids", // the text has no field of its own for these
			core.ActSeeSessions, online(func(idle bool) bool { return idle }),
		},
	} {
		out = append(out, service{kind.num, "Count " + kind.title, kind.act, nil, func(ctx context.Context, actor core.Actor, _ *form.Form) (string, error) {
			list, err := kind.which(ctx, actor)
			return xml(result(form.Field{Var: kind.numField, Type: form.TextSingle, Label: "Number of " + kind.title, Values: []string{strconv.Itoa(len(list))}})), err
		}}, service{kind.list, "List " + kind.title, kind.act, []form.Field{howMany()}, func(ctx context.Context, actor core.Actor, f *form.Form) (string, error) {
			most, err := atMost(f)
			if err != nil {
				return failed("max_items", err)
			}
			list, err := kind.which(ctx, actor)
			if len(list) <= most {
				most = len(list)
			}
			answer := xml(result(form.Field{Var: kind.jidField, Type: form.JIDMulti, Label: "The " + kind.title, Values: list[:most]}))
			if most < len(list) {
				answer += note("warn", "these are "+strconv.Itoa(most)+" of "+strconv.Itoa(len(list)))
			}
			return answer, err
		}})
	}
	return out
}

// howMany is XEP-0133 section 4.18.
func howMany() form.Field {
	f := form.Field{Var: "max_items", Type: form.ListSingle, Label: "How many to show", Values: []string{"100"}}
	for _, n := range []string{"25", "50", "75", "100", "150", "200"} {
		f.Options = append(f.Options, form.Option{Label: n, Value: n})
	}
	f.Options = append(f.Options, form.Option{Label: "All", Value: "none"})
	return f
}

// atMost reads it. More than one answer may hold is nobody's.
func atMost(f *form.Form) (int, error) {
	text := f.Field("max_items").Value()
	if text == "" || text == "none" {
		return mostShown, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 {
		return 0, stanza.NewError(stanza.NotAcceptable, "a number, or none")
	}
	return min(n, mostShown), nil
}
