"""What is remembered of the kernel is what the kernel says, whatever changes and whoever changes it."""

import random
from dataclasses import replace

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
    for _ in range(40):
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


def hooks(seed, configs):
    """Do hooks at random by what is near their VEs; each makes the changes that it would make by the whole node.

    But for those of the node itself that take something away: they are left to who looks at all.
    """
    from vzhooks.daemon.memory import Memory, near
    from vzhooks.kernel.remembered import Remembered
    from vzhooks.node.host import Paths
    from vzhooks.policy.evidence import Event
    from vzhooks.policy.plan import ADD, address_of
    from vzhooks.run import reconcile
    from vzhooks.run.request import HOOK, Request

    chance, kernel, paths = random.Random(seed), Remembered(), Paths()
    memory, looked = Memory(kernel), 0
    for _ in range(20):
        ctid, name = chance.choice(list(configs)), chance.choice(["mount", "mount", "umount", "postumount", "refused"])
        with open(f"/etc/vz/conf/{ctid}.conf", "w") as file:
            file.write(chance.choice(configs[ctid]))
        request = Request(event=Event(name, ctid), door=HOOK)
        whole = reconcile.run(paths, replace(request, dry_run=True))
        done = reconcile.run(paths, request, near(memory, paths, request))
        if len(done.known) < len(memory.known(paths)):
            looked += 1
            kept = {op for op in whole.ops if address_of(op.item) or op.verb == ADD}
        else:
            kept = set(whole.ops)
        assert set(done.ops) == kept, (ctid, name)
        assert [p for p in done.problems if p.ctid == ctid] == [p for p in whole.problems if p.ctid == ctid]
        assert reconcile.run(paths, Request(door=HOOK), memory).failures == ()
    kernel.close()
    return looked


@pytest.mark.parametrize("seed", range(2))
def test_a_hook_that_looks_at_its_ve_alone_does_what_it_would_by_all(site, seed):
    """VE 103 is a clone that claims 101's address, or 104's."""
    site.both("101", uplink="eth3")
    site.both("102", uplink="eth4")
    site.end_announcers()
    def text(address, uplink):
        return f'IP_ADDRESS="{address}"\nVE_ROOT=/vz/root/$VEID\nUPLINK="{uplink}"\n'
    configs = {c: [text(a, u) for a in addresses for u in ("eth3", "eth4", "", "eth9")] for c, addresses in {
        "103": ["192.168.18.103", "192.168.18.101", "192.168.18.104"], "104": ["192.168.18.104 fd00:18::104"],
        "105": ["192.168.18.105"]}.items()}
    assert site.node.hn.call(hooks, seed, configs) > 5


@pytest.mark.parametrize("seed", range(2))
def test_a_walk_at_random(site, seed):
    site.both("101", uplink="eth3")
    site.end_announcers()
    assert site.node.hn.call(walk, seed) >= {"rules", "routes", "nft", "links"}


def comes_between():
    """Have a device come after the links were read and before the routes are; return how its route is named then."""
    import subprocess

    from vzhooks.kernel.remembered import Remembered

    kernel = Remembered()
    kernel.facts()
    subprocess.run("ip link add x1 type bridge && ip addr add 10.9.0.1/24 dev x1 && ip link set x1 up", shell=True,
                   check=True)
    kernel.main()
    kernel.routes()
    found = [r.dev for r in kernel.facts().main if r.dst == "10.9.0.0/24"]
    kernel.close()
    return found


def test_a_device_that_comes_between_two_reads_is_known_by_its_name(site):
    assert site.node.hn.call(comes_between) == ["x1"]
