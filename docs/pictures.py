# SPDX-License-Identifier: GPL-2.0-or-later
"""Draw the pictures of the pages, and put in the tables of figures: `python -m docs.pictures`.

The node before and after is what docs/make.py measured, the flap what docs/flap.py did, the rates what `python -m
bench` found; the numbers of rules come from the code that makes them.
"""

from __future__ import annotations

import json
from pathlib import Path

from docs.flapping import flap
from docs.panels import dashboard
from docs.rates import rates
from docs.svg import box, lines, number, picture, text, way
from docs.tables import filled
from tests.lab.demo import VES
from tests.lab.node import CLIENT, NICS
from vzhooks.policy import priorities

FOLDER = Path(__file__).parent / "pictures"
DATA = Path(__file__).parent / "node.json"
COLOURS = {ctid: colour for (ctid, _, _), colour in zip(VES, ("a", "b"))}
BAND = f"{priorities.BAND.start} to {priorities.BAND.stop - 1}"


def node() -> str:
    """Draw who leaves and comes in by which NIC, without vzhooks and with it."""
    data = json.loads(DATA.read_text("utf-8"))
    return picture(920, 630, "The node without vzhooks and with it", [
        *_panel(20, "Without vzhooks: main's first route decides, and every NIC answers", data["before"]),
        *_panel(330, "With vzhooks: each VE leaves and comes in by its own NIC", data["after"])])


def _panel(top: int, title: str, ways: dict[str, dict[str, str]]) -> list[str]:
    parts = [text(20, top + 16, title, "head"), box(185, top + 30, 425, 250)]
    parts += [text(205, top + 54, "hardware node", "dim"), box(830, top + 30, 70, 250),
              *lines(865, top + 145, ["LAN", "client", f".{CLIENT.rpartition('.')[2]}"], "", "middle")]
    heights = {nic: top + 85 + n * 70 for n, nic in enumerate(NICS)}
    for nic, y in heights.items():
        parts += [box(450, y - 22, 140, 50), text(460, y - 2, nic), text(460, y + 18, NICS[nic][1].partition("/")[0],
                                                                        "dim mono")]
        parts.append(way([(590, y), (830, y)], "dim", head=False))
    for n, (ctid, address, _) in enumerate(VES):
        y = top + 110 + n * 95
        parts += [box(20, y - 25, 140, 54, COLOURS[ctid]), text(30, y - 4, f"VE {ctid}"),
                  text(30, y + 16, address, "mono dim")]
        parts += _ways(ctid, y, heights, ways[ctid], n)
    return parts


def _ways(ctid: str, y: float, heights: dict[str, int], found: dict[str, str], n: int) -> list[str]:
    colour, shift = COLOURS[ctid], 8 * n - 4
    out, back = heights[found["out"]], heights[found["in"]]
    if out == back:
        parts = [way([(160, y), (320, y), (380, out + shift), (450, out + shift)], colour),
                 way([(590, out + shift), (822, out + shift)], colour, both=True)]
    else:
        parts = [way([(160, y - 6), (320, y - 6), (380, out + shift), (450, out + shift)], colour),
                 way([(590, out + shift), (822, out + shift)], colour),
                 way([(822, back + shift), (598, back + shift)], "bad", dashed=True),
                 way([(450, back + shift), (380, back + shift), (320, y + 8), (168, y + 8)], "bad", dashed=True)]
    # Only the first VE's answers are written: a line a NIC, where all answer all alike.
    for nic in found["answers"].split():
        wrong = len(found["answers"].split()) > 1
        if n == 0 or not wrong:
            word = "answers for both VEs" if wrong else f"answers for VE {ctid} alone"
            parts.append(text(712, heights[nic] - 12, word, "", "middle", "bad" if wrong else colour))
    return parts


def packet() -> str:
    """Draw how a packet of a VE is decided, step by step, with the priorities of the rules."""
    p = priorities
    steps = [
        (f"rules {p.ENTER}, {p.PASS}", "Does it come from a VE that has an uplink?",
         "by its source address, or by the VE's own device", "no", f"it goes on behind {p.OVER}: your own rules, main"),
        (f"rule {p.TO_VE}", "Is it for a VE of this node?", "by the host route that main has for it", "yes",
         "it stays on the node, whatever the uplinks"),
        (f"rules {p.FROM_VE}, {p.FROM_DEVICE}", "Has the uplink's own table a route?",
         "the table is a copy of main's routes by that NIC", "no", "the table's last route: unreachable"),
        (f"rule {p.NOWHERE}", "Was the table emptied by somebody?", "then nothing matched so far", "yes",
         "unreachable: it never falls to main"),
        ("nftables, forward", "Is source and NIC a pair of the guard's list?",
         "asked after routing, whatever rules and tables say", "no", "dropped and counted"),
    ]
    parts, y = [text(20, 34, "How a packet of a VE is decided", "head")], 70
    for n, (where, question, hint, answer, outcome) in enumerate(steps, 1):
        parts += [*number(34, y + 30, n), box(60, y, 380, 62), text(74, y + 25, question),
                  text(74, y + 47, hint, "dim"), text(250, y - 8, where, "mono dim", "middle")]
        parts += [way([(440, y + 31), (520, y + 31)], "bad" if n > 2 else "dim"), text(470, y + 23, answer, "dim"),
                  box(520, y + 6, 360, 50, "bad" if n > 2 else ""), text(534, y + 36, outcome)]
        parts.append(way([(250, y + 62), (250, y + 92 if n < len(steps) else y + 84)], "a"))
        y += 110
    parts += [box(60, y - 24, 380, 46, "a"), text(74, y + 5, "It leaves by its uplink's NIC."),
              text(250, y - 32, "", "dim")]
    return picture(900, y + 40, "How a packet of a VE is decided", parts)


LANES = {"vzctl": 90, "vps.mount (vzhooks)": 345, "kernel": 610, "LAN": 850}
MOUNT = [
    ("vzctl", "vps.mount (vzhooks)", "the VE is mounted: vps.mount, before anything of it runs"),
    ("vps.mount (vzhooks)", "vps.mount (vzhooks)", "a script of yours runs first; its veto counts"),
    ("vps.mount (vzhooks)", "kernel", "lock, then read once: ini, config, notes; rules, routes, guard"),
    ("vps.mount (vzhooks)", "vzctl", "UPLINK that cannot be: exit 1 with one line, the VE does not start"),
    ("vps.mount (vzhooks)", "kernel", "guard first, then table, then rules: closed to all other NICs"),
    ("vps.mount (vzhooks)", "vzctl", "exit 0: vzctl starts the VE"),
    ("vzctl", "kernel", "vzctl routes the address, and publishes it on every NIC"),
    ("kernel", "LAN", "the guard lets its uplink's NIC alone answer"),
    ("vps.mount (vzhooks)", "LAN", "vzhooks tells the neighbours, as soon as the route is there"),
]


def mount() -> str:
    """Draw what happens at the start of a VE, in its order."""
    height = 120 + len(MOUNT) * 58
    parts = [text(20, 34, "The way of a mount hook: what happens when a VE starts", "head")]
    for name, x in LANES.items():
        parts += [box(x - 80, 52, 160, 34), text(x, 74, name, "", "middle"),
                  way([(x, 86), (x, height - 16)], "dim", dashed=True, head=False)]
    for n, (source, target, words) in enumerate(MOUNT, 1):
        parts += _step(n, LANES[source], LANES[target], words, 70 + n * 58, source == "vps.mount (vzhooks)" and n == 4)
    return picture(950, height, "The way of a mount hook", parts)


def _step(n: int, source: int, target: int, words: str, y: float, refuses: bool) -> list[str]:
    colour = "bad" if refuses else "a"
    line = [(source, y + 18), (target, y + 18)] if source != target else [
        (source + 12, y + 14), (source + 60, y + 14), (source + 60, y + 28), (source + 4, y + 28)]
    left = min(source, target) + 22
    wide = len(words) * 7.1
    return [way(line, colour), f'<rect class="paper" x="{left - 4}" y="{y - 8}" width="{wide:g}" height="18"/>',
            *number(left - 22, y + 2, n), text(left, y + 6, words)]


PICTURES = {"node": node, "packet": packet, "mount": mount, "flap": flap, "rates": rates,
            "dashboard": dashboard}


def main() -> None:
    """Write all pictures and tables."""
    FOLDER.mkdir(exist_ok=True)
    for name, draw in PICTURES.items():
        (FOLDER / f"{name}.svg").write_text(draw(), "utf-8")
    for path in FOLDER.parent.glob("*.md"):
        path.write_text(filled(path.read_text("utf-8")), "utf-8")


if __name__ == "__main__":
    main()
