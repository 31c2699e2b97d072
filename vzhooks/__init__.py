# SPDX-License-Identifier: GPL-2.0-or-later
"""Give every OpenVZ container its own way out of the hardware node.

model, errors                   frozen values; what can go wrong, by whose fault
settings (keys), vzconf         text of the ini and of a VE's config -> values
roles, uplinks, tables          which NIC is what; what an UPLINK means here; table numbers
census, policy, harden, plan    who lives; what should be; the changes between
guard, messages                 our nftables tables as text, rtnetlink messages as values, and back
host, vzlock, records, ini      files, our lock and vzctl's, our own notes about VEs
kernel (lean), nft, sysctl      the only three doors to the kernel, and flows to conntrack
reconcile, apply                the one path: lock, read, decide, note down, carry out
terminal, table, interrupt      what a person at a terminal sees, and Ctrl-C
follow, arrival, announce, probe    what neighbours hear and are asked
log, events                     what goes on record
hook, live, cli (commands), status (overview), doctor (examine)    thin doors to it
vzctl (wrapper, spawn, shim)    what `vzctl set --uplink` does around the real vzctl
install (chain, manifest), manual, completion (outline)    files put on a node, and taken away

All above `host` is pure, as are status, table, doctor, wrapper, manual and completion; tests/test_layers.py
holds that.
"""

__version__ = "0.1.0"
