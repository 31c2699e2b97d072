# SPDX-License-Identifier: GPL-2.0-or-later
"""Give every OpenVZ container its own way out of the hardware node.

model, errors                   frozen values; what can go wrong, by whose fault
settings (inifile, keys), vzconf    text of the ini and of a VE's config -> values
roles, facts, uplinks, tables   which device is what, and all the kernel says; what an UPLINK means here; table numbers
census, harden, plan            who lives; the node's own ARP; the changes between
policy (priorities, rules, routes, own, elements)    what should be
consequences, compare           what a run does to VEs that live, and to those who asked for nothing
guard, messages                 our nftables tables as text, rtnetlink messages as values, and back
foreign, nat, gateways          rules and translations of others; gateways that cannot be
drift, words                    what is missing or wrong, in words
host, vzlock, records, ini      files, our lock and vzctl's, our own notes about VEs
kernel (lean, asking), nft, sysctl    the only three doors to the kernel, and flows to conntrack
reconcile (request, inputs, keep), apply    the one path: lock, read, decide, note down, carry out
terminal, table, interrupt      what a person at a terminal sees, and Ctrl-C
follow, arrival, announce, probe (probe_arp, probe_nd)    what neighbours hear and are asked
log, events                     what goes on record
hook, live, cli (commands), status (overview, view, verdict)    thin doors to it
doctor (examine, findings, doctor_node, doctor_ves, doctor_rules)    one more
vzctl (wrapper, spawn, shim)    what `vzctl set --uplink` does around the real vzctl
install (chain, manifest, disk, trust), manual, completion (outline)    files put on a node, and taken away

All above `host` is pure, as are view, verdict, status, table, doctor and its checks, wrapper, manual and completion;
tests/test_layers.py holds that.
"""

__version__ = "0.1.0"
