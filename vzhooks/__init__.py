# SPDX-License-Identifier: GPL-2.0-or-later
"""Give every OpenVZ container its own way out of the hardware node.

model, addresses, errors, words    frozen values; addresses as text; what can go wrong, by whose fault; plain English
config                  text of the ini and of a VE's config as values, and back
policy                  who lives, what should be, what is ours, the changes between
node                    this machine's files, notes and locks
ask                     the thin door: ask the daemon, from a process that has hardly started
kernel                  the only doors to the kernel
run                     the one path: lock, read, decide, note down, carry out
neighbours              what the LAN hears and is asked
usage                   the command line as data: help, man pages, completion
hooks, wrapper          what vzctl calls; what stands around it
install                 files put on a node, and taken away
status, doctor          who leaves by what, and what would break the node
daemon                  stay: serve hooks and commands, watch the node, mend it
cli                     one function a command

The order is that of the imports: none goes up. CONTRIBUTING has the picture, and where to put what.
"""

__version__ = "0.1.0"
