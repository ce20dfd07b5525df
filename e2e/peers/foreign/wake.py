"""Tells the programs on this message bus that the machine has woken up, in the place of the log-in manager that would say so on a system bus."""

from gi.repository import Gio, GLib

REPLACE_EXISTING = 2

bus = Gio.bus_get_sync(Gio.BusType.SESSION)
bus.call_sync(
    "org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus", "RequestName",
    GLib.Variant("(su)", ("org.freedesktop.login1", REPLACE_EXISTING)), None, Gio.DBusCallFlags.NONE, -1,
)
bus.emit_signal(None, "/org/freedesktop/login1", "org.freedesktop.login1.Manager", "PrepareForSleep", GLib.Variant("(b)", (False,)))
bus.flush_sync()
