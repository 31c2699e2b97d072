# SPDX-License-Identifier: GPL-2.0-or-later
"""Give every OpenVZ container its own way out of the hardware node.

model, errors              frozen values; what can go wrong, by whose fault
settings, vzconf           text of the ini and of a VE's config -> values
census, policy, plan       who lives; what should be; the changes between (pure)
guard                      the nftables table as text and back (pure)
host, records              files, locks, our own notes about VEs
kernel, nft                the only two doors to the kernel
reconcile                  the one path: lock, read, decide, apply
hook, cli, status, install thin doors to it
"""

__version__ = "0.1.0"
