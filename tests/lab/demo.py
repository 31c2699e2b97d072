# SPDX-License-Identifier: GPL-2.0-or-later
"""Show what vzhooks does, on the example node, with real packets: before and after.

The one argument is the generation of OpenVZ: 4 (vzctl 4, the default) or 9.
"""

from __future__ import annotations

import sys
import time
from typing import Union

from tests.lab import ExampleNode, Vzctl4, Vzctl9
from tests.lab.node import CLIENT, MACS
from tests.lab.tap import Tap
from tests.lab.wire import flush_neighbours, ping, who_has

NODE = """
                    the hardware node                              LAN 192.168.18.0/24
  VE 101 .101 --+              +-- eth0 .10 (reserved for the node) --+
                +-- %7s HN +-- eth3 .11 --------------------------+-- switch -- client .129
  VE 102 .102 --+              +-- eth4 .12 --------------------------+              (and gateway .1)
"""
Vzctl = Union[Vzctl4, Vzctl9]
NAMES = {mac: nic for nic, mac in MACS.items()}
VES = (("101", "192.168.18.101", "eth3"), ("102", "192.168.18.102", "eth4"))


def heading(text: str) -> None:
    """Print a heading."""
    print(f"\n== {text}", flush=True)


def exits(node: ExampleNode, ctid: str, address: str) -> tuple[str, str]:
    """Ping the client from a VE; return by which NICs its packets left and the answers came in."""
    with Tap(node.hn, *MACS) as tap:
        ping(node.ve(ctid).box, CLIENT, count=5)
        sent = {f.nic for f in tap.find(outgoing=True, src=address, proto="icmp")}
        back = {f.nic for f in tap.find(outgoing=False, dst=address, proto="icmp")}
    return ", ".join(sorted(sent)) or "none", ", ".join(sorted(back)) or "none"


def show_traffic(node: ExampleNode) -> bool:
    """Print each VE's way out and in; return whether both are by its uplink alone."""
    flush_neighbours(node.client)
    right = True
    for ctid, address, uplink in VES:
        out, back = exits(node, ctid, address)
        print(f"  VE {ctid} ({address}) pings {CLIENT}: leaves by {out}, comes in by {back}")
        right = right and (out, back) == (uplink, uplink)
    return right


def show_answers(node: ExampleNode, addresses: dict[str, str]) -> bool:
    """Print who answers a who-has; return whether each address has the one right answerer."""
    right = True
    for address, nic in addresses.items():
        macs = who_has(node.client, "eth0", address, CLIENT)
        names = ", ".join(f"{NAMES.get(mac, '?')} {mac}" for mac in macs)
        print(f"  who has {address:15}: {len(macs)} answer{'s' * (len(macs) != 1)}: {names}")
        right = right and [NAMES.get(mac) for mac in macs] == [nic]
    return right


def vzhooks(node: ExampleNode, *args: str) -> str:
    """Run a vzhooks command in the HN, showing it; return what it prints."""
    print(f"  # vzhooks {' '.join(args)}")
    done = node.hn.run([sys.executable, "-I", "-m", "vzhooks", *args])
    if done.returncode:
        raise SystemExit(f"vzhooks {' '.join(args)}: exit {done.returncode}: {done.stderr}")
    return done.stdout


def start(vzctl: Vzctl, ctid: str) -> None:
    """Start a VE, showing the command."""
    began = time.monotonic()
    result = vzctl.start(ctid)
    print(f"  # vzctl start {ctid}    ({(time.monotonic() - began) * 1000:.0f} ms)")
    if result.rc:
        raise SystemExit(f"vzctl start {ctid}: exit {result.rc}: {result.stderr}")


def before(node: ExampleNode, vzctl: Vzctl) -> None:
    """Show the node without vzhooks."""
    heading("Before: the node as it is, rp_filter 0")
    for ctid, address, _ in VES:
        node.create_ve(ctid, [address])
        start(vzctl, ctid)
    show_traffic(node)
    show_answers(node, {"192.168.18.11": "eth3", "192.168.18.101": "eth3"})
    for ctid, _, _ in VES:
        vzctl.stop(ctid)


def after(node: ExampleNode, vzctl: Vzctl) -> bool:
    """Show the node with vzhooks; return whether all is as promised."""
    heading("vzhooks is installed, and each VE's config names its uplink")
    vzhooks(node, "install")
    for ctid, address, uplink in VES:
        node.write_conf(ctid, [address], uplink)
        print(f'  /etc/vz/conf/{ctid}.conf: UPLINK="{uplink}"')
        start(vzctl, ctid)
    heading("After")
    right = show_traffic(node)
    own = {"192.168.18.10": "eth0", "192.168.18.11": "eth3", "192.168.18.12": "eth4"}
    right = show_answers(node, {**own, **{address: uplink for _, address, uplink in VES}}) and right
    print(vzhooks(node, "status"), end="")
    return right


def failing(node: ExampleNode) -> bool:
    """Show that nothing of VE 101 leaves by another NIC, whatever is lost."""
    heading("Whatever is lost, no frame of VE 101 leaves by another NIC")
    right = True
    for what, lose, mend in (
        ("eth3 is down", lambda: node.link("eth3", False), lambda: node.link("eth3", True)),
        ("nft flush ruleset", lambda: node.hn.run(["nft", "flush", "ruleset"], check=True), lambda: None),
        ("a /32 in main by eth0", lambda: node.add_route(f"{CLIENT}/32", oif="eth0"),
         lambda: node.del_route(f"{CLIENT}/32", oif="eth0")),
    ):
        lose()
        out, _ = exits(node, "101", "192.168.18.101")
        print(f"  {what}: leaves by {out}")
        right = right and out in ("eth3", "none")
        mend()
        vzhooks(node, "resync")
    out, back = exits(node, "101", "192.168.18.101")
    print(f"  all mended: leaves by {out}, comes in by {back}")
    return right and (out, back) == ("eth3", "eth3")


def stop(node: ExampleNode, vzctl: Vzctl) -> bool:
    """Stop the VEs; return whether nothing of them is left."""
    heading("The VEs stop, and nothing of them is left")
    for ctid, _, _ in VES:
        print(f"  # vzctl stop {ctid}    exit {vzctl.stop(ctid).rc}")
    with node.hn.ipr() as ipr:
        left = [m.get("FRA_SRC") for m in ipr.get_rules(family=2) if m.get("FRA_SRC") in [a for _, a, _ in VES]]
    print(f"  rules from their addresses: {len(left)}")
    return not left


def main() -> int:
    """Run the demo; return 0 where all was as promised."""
    generation = sys.argv[1] if sys.argv[1:] else "4"
    if generation not in ("4", "9"):
        raise SystemExit("demo: give 4 (vzctl 4) or 9 (OpenVZ 9)")
    print(NODE % ("venet0" if generation == "4" else "veth..."))
    with ExampleNode(rp_filter=0, generation=int(generation)) as node:
        vzctl: Vzctl = Vzctl9(node) if generation == "9" else Vzctl4(node)
        before(node, vzctl)
        right = [after(node, vzctl), failing(node), stop(node, vzctl)]
    heading("As promised" if all(right) else "NOT as promised; please report this output")
    return 0 if all(right) else 1


if __name__ == "__main__":
    raise SystemExit(main())
