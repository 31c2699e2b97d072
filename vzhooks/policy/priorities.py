# SPDX-License-Identifier: GPL-2.0-or-later
"""The priorities of our rules, in their order, with room for an administrator's own rules between.

1000 what comes from an assigned VE, by its address or by its own device, enters at 1005
1001 all else passes by to 1050: others' rules and main count for it as before
1005 the way in, which is always there; 1050 likewise the way past
1010 to a local VE, by the host route that main has for it and by nothing shorter
1020 from an assigned address to its uplink's table, or nowhere
1030 from an assigned VE's own device, whatever source it uses
1040 from an assigned address, or by an assigned VE's own device, nowhere: tables may have been emptied
In map mode 1000 to 1050 are not there, and in their place:
1000 marked for an uplink, from a venet0 that all share: to its table; a rule that is added without a priority stands
before the first one, so this has to be before our other ones
1002 marked for an uplink, but as if it came in there: to a VE, since a filter of sources (rp_filter) asks so
1003 marked as made by the node in a VE's name: to its uplink's table
1004 likewise, nowhere: tables may have been emptied
1052 what comes in where VEs' packets may leave, by a LAN NIC or from a guest, passes by to 1059
1053 what has no mark goes on at 1058; of VEs without an uplink, or as of what others send to VEs, it passes by to 1059
1054 marked as for a local VE: by the host route that main has for it and by nothing shorter
1055 marked for an uplink: to its table, or nowhere
1056 marked otherwise, from the node itself, passes by to 1059: others may use these bits as well
1057 marked otherwise, nowhere: tables may have been emptied
1058 without a mark, from the VEs' side, nowhere: nftables may have been flushed
1059 the way past
1060, 1061 from the node's own addresses to their LANs
32764, 32765 just before main, behind the rules of others: the node's own addresses by their gateways; and what VEs
without an uplink send where devices are reserved, or the node in their name, goes around main to 32810
32800 all else that main has no route for passes by to 32850
32810 the way in for VEs without an uplink
32815 in map mode, in place of 32830: by host routes of main, with which a filter of sources asks for VEs as well
32820 to where main leads without the reserved devices
32830 to a local VE, by the host route that main has for it and by nothing shorter
32840 nowhere: the last resort of a table may have gone (with lo down IPv6 loses it)
32850 the way past
"""

ENTER, PASS, JOIN, TO_VE, FROM_VE, FROM_DEVICE, NOWHERE, OVER = 1000, 1001, 1005, 1010, 1020, 1030, 1040, 1050
OUT, BACK, MADE, MADE_NOWHERE = ENTER, 1002, 1003, 1004
ARRIVING, UNMARKED, LOCAL_MARK, BY_MARK, OF_NODE, NO_WAY, OUTSIDE, PAST = range(1052, 1060)
OWN_SPECIFIC, OWN_LAN = 1060, 1061
OWN_MAIN, OWN_DEFAULT, UNASSIGNED = 32764, 32765, 32765
REST, BEHIND, NEAR_MARK, KEPT, NEAR, LAST, END = 32800, 32810, 32815, 32820, 32830, 32840, 32850
BAND, LATE = range(1000, 1100), (32764, 32765, REST, BEHIND, NEAR_MARK, KEPT, NEAR, LAST, END)
