"""All rules of map mode, as ip(8) would show them."""

from dataclasses import replace

import pytest

from tests.unit.example import NICS, facts, nic, table_of, wanted
from vzhooks.model import Rule, Ve
from vzhooks.policy.foreign import Other
from vzhooks.policy.priorities import BACK
from vzhooks.policy.tables import LESS

A, B, C = "192.168.18.101", "192.168.18.102", "192.168.18.105"
VES = Ve("101", (A, "fd00:18::101"), "eth3"), Ve("102", (B,), "eth4"), Ve("105", (C,))
KNOWN = facts(*NICS, nic("docker0", 9, "172.17.0.1/16", kind="bridge", members=("v",)),
              nic("v", 10, kind="veth", master="docker0"), nic("tun7", 11, kind="tun"), local=[A, B, C])

RULES = """\
shared     1000  from all fwmark 0x290000/0xbf0000 iif venet0 lookup eth3
shared     1000  from all fwmark 0x280000/0xbf0000 iif venet0 lookup eth4
-          1003  from all fwmark 0x690000/0xff0000 iif lo lookup eth3
-          1003  from all fwmark 0x680000/0xff0000 iif lo lookup eth4
-          1004  from all fwmark 0x690000/0xff0000 iif lo unreachable
-          1004  from all fwmark 0x680000/0xff0000 iif lo unreachable
-          1004  from all fwmark 0x7e0000/0xff0000 iif lo unreachable
4          1002  from all fwmark 0x290000/0x3f0000 iif eth3 lookup main suppress_prefixlength 31
4          1002  from all fwmark 0x280000/0x3f0000 iif eth4 lookup main suppress_prefixlength 31
-          1052  from all iif docker0 goto 1059
-          1052  from all iif eth0 goto 1059
-          1052  from all iif eth3 goto 1059
-          1052  from all iif eth4 goto 1059
-          1053  from all fwmark 0x0/0x3f0000 goto 1058
-          1053  from all fwmark 0x3d0000/0x3f0000 goto 1059
-          1053  from all fwmark 0x3f0000/0x3f0000 goto 1059
-          1054  from all fwmark 0x800000/0x800000 lookup main suppress_prefixlength NEAR
-          1054  from all iif lo lookup main suppress_prefixlength NEAR
-          1055  from all fwmark 0x290000/0x3f0000 lookup eth3
-          1055  from all fwmark 0x280000/0x3f0000 lookup eth4
-          1056  from all iif lo goto 1059
-          1057  from all unreachable
-          1058  from all iif venet0 unreachable
-          1059  from all nop
reserved   32765 from all fwmark 0x3f0000/0x3f0000 goto 32810
reserved   32800 from all goto 32850
reserved   32810 from all nop
reserved   32815 from all lookup main suppress_prefixlength NEAR
reserved   32820 from all lookup less
reserved   32840 from all unreachable
reserved   32850 from all nop
"""


def expected(family, ini, shared):
    """Return the lines that hold there; the tables of uplinks by their numbers."""
    names = {"eth3": "uplink:eth3", "eth4": "uplink:eth4", "less": LESS}
    for line in RULES.splitlines():
        where, priority, text = line.split(None, 2)
        if {"-": True, "shared": shared, "4": family == 4, "reserved": "reserved" in ini}[where]:
            words = [str(table_of(names[w], *VES, ini=ini, known=KNOWN)) if last == "lookup" and w in names else w
                     for last, w in zip(["", *text.split()], text.split())]
            yield f"{' '.join(words).replace('NEAR', '31' if family == 4 else '127')} priority {priority} protocol 118"


@pytest.mark.parametrize("family", [4, 6])
@pytest.mark.parametrize("ini", ["", "reserved=eth0\n"])
@pytest.mark.parametrize("shared", [True, False])
def test_they_are_these_and_no_others(family, ini, shared):
    ini = f"[node]\ndatapath=map\n{ini}"
    found = wanted(*VES, ini=ini, known=replace(KNOWN, shared=shared))
    assert sorted(str(i) for i in found.items if isinstance(i, Rule) and i.family == family) == sorted(
        expected(family, ini, shared))


def test_what_a_ve_is_sent_meets_rules_of_others_first():
    def back(*others):
        found = wanted(*VES, ini="[node]\ndatapath=map\n", known=replace(KNOWN, others=others))
        return [i for i in found.items if isinstance(i, Rule) and i.priority == BACK]
    assert len(back()) == len(back(Other(4, 32766, "lookup main", 254, protocol=2))) == 2
    assert back(Other(4, 2000, "lookup 100", 100, dst="192.168.18.101/32")) == []
