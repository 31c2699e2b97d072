"""What is remembered of the kernel is what the kernel says, whatever changes and whoever changes it."""

import random

import pytest

pytestmark = pytest.mark.generation(4)

CHANGES = (
    "ip rule add priority {n} table 77", "ip rule del priority {n}",
    "ip -6 rule add priority {n} table 77 protocol 118", "ip -6 rule del priority {n}",
    "ip rule flush protocol 118", "ip route add 10.{n}.0.0/16 dev eth4",
    "ip route del 10.{n}.0.0/16 dev eth4", "ip route add 192.168.18.{n} dev venet0", "ip link set eth3 down",
    "ip link set eth3 up", "ip addr add 10.{n}.0.1/24 dev eth0", "ip addr del 10.{n}.0.1/24 dev eth0",
    "ip link set eth4 mtu 1400", "ip link add name x{n} type bridge", "ip link del x{n}", "ip route flush proto 118",
    "nft add table inet t{n}", "nft flush ruleset", "nft delete table inet vzhooks",
    "nft flush set inet vzhooks exits4",
    # Of a device that is down the kernel does not tell it (net/core/dev.c, netdev_state_change).
    "ip link property add dev eth0 altname z{n}", "resync", "")


def walk(seed):
    """Change something many times, and compare each time what is remembered with what is there."""
    import subprocess

    from vzhooks.daemon.memory import Memory
    from vzhooks.kernel.netlink import Kernel
    from vzhooks.kernel.remembered import Remembered
    from vzhooks.node.host import Paths
    from vzhooks.run import reconcile
    from vzhooks.run.request import HOOK, Request

    def read(kernel):
        rules, others = kernel.rules()
        facts = kernel.facts()
        return rules, others, kernel.routes(), kernel.guard(), dict(facts.nics), set(facts.main), len(facts.main)

    chance, kernel, told = random.Random(seed), Remembered(), []
    kernel.listen(told.append)
    for _ in range(60):
        change = chance.choice(CHANGES).format(n=chance.randrange(5, 9))
        if change == "resync":
            reconcile.run(Paths(), Request(door=HOOK), Memory(kernel))
        elif change:
            subprocess.run(change.split(), capture_output=True, check=False)
        with Kernel() as fresh:
            assert read(kernel) == read(fresh), change
        kernel.catch_up()
    kernel.close()
    return {t.what for t in told}


@pytest.mark.parametrize("seed", range(3))
def test_a_walk_at_random(site, seed):
    site.both("101", uplink="eth3")
    site.end_announcers()
    assert site.node.hn.call(walk, seed) >= {"rules", "routes", "nft", "links"}
