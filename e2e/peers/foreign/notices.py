"""Shows the notices of the programs on this message bus, one on a line."""

from gi.repository import Gio, GLib

FACE = Gio.DBusNodeInfo.new_for_xml("""
<node><interface name="org.freedesktop.Notifications">
  <method name="GetCapabilities"><arg type="as" direction="out"/></method>
  <method name="GetServerInformation">
    <arg type="s" direction="out"/><arg type="s" direction="out"/><arg type="s" direction="out"/><arg type="s" direction="out"/>
  </method>
  <method name="Notify">
    <arg type="s" direction="in"/><arg type="u" direction="in"/><arg type="s" direction="in"/><arg type="s" direction="in"/><arg type="s" direction="in"/>
    <arg type="as" direction="in"/><arg type="a{sv}" direction="in"/><arg type="i" direction="in"/><arg type="u" direction="out"/>
  </method>
  <method name="CloseNotification"><arg type="u" direction="in"/></method>
</interface></node>""").interfaces[0]
PATH = "/org/freedesktop/Notifications"
shown = 0


def called(bus, sender, path, face, method, arguments, call):
    global shown
    if method == "Notify":
        _, _, _, summary, body, actions, _, _ = arguments.unpack()
        shown += 1
        print("notice:", summary, "|", body, "|", *actions, flush=True)
        call.return_value(GLib.Variant("(u)", (shown,)))
    elif method == "GetCapabilities":
        call.return_value(GLib.Variant("(as)", (["actions", "body"],)))
    elif method == "GetServerInformation":
        call.return_value(GLib.Variant("(ssss)", ("notices", "nobody", "1", "1.2")))
    else:
        call.return_value(None)


def owned(bus, _):
    bus.register_object(PATH, FACE, called, None, None)
    print("ready", flush=True)


Gio.bus_own_name(Gio.BusType.SESSION, FACE.name, Gio.BusNameOwnerFlags.NONE, owned, None, None)
GLib.MainLoop().run()
