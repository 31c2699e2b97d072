"""Rules of others are read whole, and what is told to mend them does so."""

from contextlib import closing

import pytest

from tests.lab import ns
from tests.lab.box import Box
from vzhooks.kernel.netlink import Kernel
from vzhooks.policy.foreign import mend

RULES = [
    "from 192.168.18.101/32 lookup 200", "not from all fwmark 0xca6c lookup 51820", "from 10.0.0.0/8 prohibit",
    "from all fwmark 0x1/0xff lookup 100", "from all iif lo ipproto 6 dport 80-90 lookup 77",
    "from all to 192.0.2.4/32 blackhole", "from all lookup main suppress_prefixlength 0", "from all goto 32766",
    "from 192.0.2.0/24 unreachable", "from all oif lo lookup 78", "from all tos 0x10 lookup 79"]
SIX = {"192.168.18.101/32": "fd00::101/128", "192.0.2.4/32": "fd00::4/128", "10.0.0.0/8": "fd01::/16",
       "192.0.2.0/24": "fd02::/32"}


@pytest.fixture
def box():
    ns.become_root()
    with closing(Box("foreign")) as box:
        yield box


def read():
    with Kernel() as kernel:
        return [(r.named, mend(r)) for r in kernel.rules()[1] if not r.kernel]


@pytest.mark.parametrize("six", [False, True])
def test_what_ip_adds_is_read_and_what_is_told_moves_and_removes_it(box, six):
    ip = ["ip", "-6"] if six else ["ip"]
    rules = [" ".join(SIX.get(word, word) if six else word for word in rule.split()) for rule in RULES]
    for n, rule in enumerate(rules):
        box.run([*ip, "rule", "add", *rule.split(), "priority", str(900 + n)], check=True)
    found = box.call(read)
    assert [named for named, _ in found] == [f"{rule} priority {900 + n}" for n, rule in enumerate(rules)]
    for _, told in found:
        box.run(["sh", "-ec", told.split("`")[3]], check=True)
    found = box.call(read)
    assert sorted(named for named, _ in found) == sorted(f"{rule} priority 1100" for rule in rules)
    for _, told in found:
        box.run(["sh", "-ec", told.split("`")[1]], check=True)
    assert box.call(read) == []
