# SPDX-License-Identifier: GPL-2.0-or-later
"""What else does the work of a mount hook: the hand-written hook with ip(8) and nft(8), by single calls and in batches.

Each does for one VE what there is to do once the node's tables stand, and none looks whether it may.
"""

from __future__ import annotations

from tests.lab import Box

ADD, DEL = "/etc/bench.add", "/etc/bench.del"
BATCH_ADD, BATCH_DEL = "/etc/bench.batch-add", "/etc/bench.batch-del"
ALL, BATCH_ALL = "/etc/bench.all", "/etc/bench.batch-all"
START, STOP = "/etc/bench.start", "/etc/bench.stop"
TABLE = "add table inet bench; add set inet bench exits { type ipv4_addr . ifname; }"

SCRIPTS = {
    ADD: """#!/bin/bash
set -e
. /etc/vz/conf/$VEID.conf
ip rule show | grep -q "from $IP_ADDRESS lookup 1003" || {
    ip rule add to "$IP_ADDRESS" lookup main suppress_prefixlength 31 priority 1000 2>/dev/null || :
    ip rule add from "$IP_ADDRESS" lookup 1003 priority 1010
}
ip route replace 192.168.18.0/24 dev eth3 table 1003
ip route replace default via 192.168.18.1 dev eth3 table 1003
nft add element inet bench exits "{ $IP_ADDRESS . eth3 }"
""",
    DEL: """#!/bin/bash
. /etc/vz/conf/$VEID.conf
ip rule del to "$IP_ADDRESS" priority 1000
ip rule del from "$IP_ADDRESS" priority 1010
nft delete element inet bench exits "{ $IP_ADDRESS . eth3 }"
""",
    BATCH_ADD: """#!/bin/bash
set -e
. /etc/vz/conf/$VEID.conf
ip -batch - <<END
rule add to $IP_ADDRESS lookup main suppress_prefixlength 31 priority 1000
rule add from $IP_ADDRESS lookup 1003 priority 1010
route replace 192.168.18.0/24 dev eth3 table 1003
route replace default via 192.168.18.1 dev eth3 table 1003
END
nft add element inet bench exits "{ $IP_ADDRESS . eth3 }"
""",
    BATCH_DEL: """#!/bin/bash
. /etc/vz/conf/$VEID.conf
ip -batch - <<END
rule del to $IP_ADDRESS priority 1000
rule del from $IP_ADDRESS priority 1010
END
nft delete element inet bench exits "{ $IP_ADDRESS . eth3 }"
""",
    # The VEs given, one after the other.
    ALL: f"""#!/bin/bash
set -e
for VEID; do export VEID; {ADD}; done
""",
    # The VEs given, all in one batch; to be run on a node that has nothing of them.
    BATCH_ALL: """#!/bin/bash
set -e
for VEID; do
    . /etc/vz/conf/$VEID.conf
    echo "rule add to $IP_ADDRESS lookup main suppress_prefixlength 31 priority 1000"
    echo "rule add from $IP_ADDRESS lookup 1003 priority 1010"
    exits+="$IP_ADDRESS . eth3, "
done > /vz/bench.batch
echo "route replace 192.168.18.0/24 dev eth3 table 1003" >> /vz/bench.batch
echo "route replace default via 192.168.18.1 dev eth3 table 1003" >> /vz/bench.batch
ip -batch /vz/bench.batch
nft add element inet bench exits "{ ${exits%, } }"
""",
    # A whole start and stop, as far as the node's network is concerned, with the hook given in its place.
    START: """#!/bin/bash
set -e
"$1"
. /etc/vz/conf/$VEID.conf
ip route add $IP_ADDRESS dev venet0
""",
    STOP: """#!/bin/bash
. /etc/vz/conf/$VEID.conf
ip route del $IP_ADDRESS dev venet0
"$1"
""",
}


def put(hn: Box) -> None:
    """Put the scripts on a node, and the set that they fill."""
    for path, text in SCRIPTS.items():
        hn.write(path, text, 0o755)
    hn.run(["nft", TABLE], check=True)
