"""A hook on a node with many VEs looks only at what its own has to do with, and does what it would by all."""

import random
from dataclasses import replace

import pytest

from vzhooks.run.near import FEW

pytestmark = [pytest.mark.generation(4), pytest.mark.by_rules]
MANY = range(1000, 1000 + FEW + 1)


def text(address, uplink, root="VE_ROOT=/vz/root/$VEID"):
    return f'ONBOOT=yes\nIP_ADDRESS="{address}"\n{root}\nUPLINK="{uplink}"\n'


def neighbours(uplink):
    """Write configs of many VEs with this uplink, and the ip(8) batch that gives each its route: then it lives."""
    with open("/etc/vz/vz.conf", "w"), open("/vz/batch", "w") as batch:
        for n in MANY:
            with open(f"/etc/vz/conf/{n}.conf", "w") as config:
                config.write(text(f"10.66.{n >> 8}.{n & 255}", uplink, ""))
            batch.write(f"route replace 10.66.{n >> 8}.{n & 255}/32 dev venet0\n")


@pytest.fixture(params=["rule", "map"])
def many(site, request):
    """The node with more VEs by eth3 than all are looked at for one, and one that runs by eth4, in either datapath."""
    site.ini(f"[node]\ndatapath = {request.param}\n")
    site.node.hn.call(neighbours, "eth3")
    site.hn("ip", "-batch", "/vz/batch")
    site.both("102", uplink="eth4")
    site.end_announcers()
    site.vzhooks("resync")
    return site


def hooks(seed, configs):
    """Do hooks at random, each by what is near; return how many looked at less than all."""
    from vzhooks.node import notes
    from vzhooks.node.host import Paths
    from vzhooks.policy.evidence import Event
    from vzhooks.run import near, reconcile
    from vzhooks.run.request import HOOK, Request

    chance, paths, looked = random.Random(seed), Paths(), 0
    for _ in range(16):
        ctid, name = chance.choice(list(configs)), chance.choice(["mount", "mount", "umount", "postumount", "refused"])
        with open(f"/etc/vz/conf/{ctid}.conf", "w") as file:
            file.write(chance.choice(configs[ctid]))
        request = Request(event=Event(name, ctid), door=HOOK)
        whole = reconcile.run(paths, replace(request, dry_run=True))
        done = near.run(paths, request)
        looked += len(done.known) < len(whole.known)
        assert set(done.ops) == set(whole.ops) and not done.failures, (ctid, name)
        assert {p for p in done.problems if p.ctid == ctid} == {p for p in whole.problems if p.ctid == ctid}
        assert notes.load_ves(paths.ves).keys() == whole.records.keys()
        left = reconcile.run(paths, Request(door=HOOK, dry_run=True))
        assert not left.ops, (ctid, name)
    return looked


def test_a_hook_that_looks_at_its_ve_alone_leaves_nothing_to_change(many):
    """VE 103 is a clone that claims 102's address, or 104's, or that of one of the many."""
    configs = {c: [text(a, u) for a in addresses for u in ("eth3", "eth4", "", "eth9", "eth3,eth4")]
               for c, addresses in {
                   "103": ["192.168.18.103", "192.168.18.102", "192.168.18.104", "10.66.3.240"],
                   "104": ["192.168.18.104 fd00:18::104"], "105": ["192.168.18.105"]}.items()}
    assert many.node.hn.call(hooks, 1, configs) > 8
