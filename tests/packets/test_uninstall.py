"""Uninstall gives the node back as it was found: every rule, route, entry, table, sysctl and file."""

import time

import pytest

from tests.found import differs, everything, fresh
from tests.lab import ExampleNode
from tests.lab.node import CLIENT6
from tests.site import VE101, VE102, Site
from tests.told import one_line

VE101_6 = "fd00:18::101"
INI = "[node]\nreserved = eth0\n\n[uplink:isp1]\ndevice = eth3\nbackup = isp2\n\n[uplink:isp2]\ndevice = eth4\n"


@pytest.fixture(params=[0, 1, 2], ids=lambda n: f"rp_filter{n}")
def every_bare(request):
    with ExampleNode(request.param) as node:
        yield prepared(node)


@pytest.fixture
def bare():
    with ExampleNode(1) as node:
        yield prepared(node)


def prepared(node):
    """A node that never had vzhooks, its administrator's own files in place; VE 101 ran before."""
    site = Site(node)
    fresh(site)
    hn = node.hn
    hn.write("/etc/vz/conf/vps.mount", "#!/bin/sh\nexit 0\n", 0o750)
    hn.path("/etc/vz/conf/vps.umount").symlink_to("mine.sh")
    hn.write("/etc/vz/vzhooks.ini", INI)
    node.create_ve("101", [VE101, VE101_6])
    node.create_ve("102", [VE102])
    assert site.vzctl.start("101").rc == 0
    assert site.vzctl.stop("101").rc == 0
    return site


def busy_life(site):
    """Do what changes a node most."""
    site.vzhooks("install")
    site.vzhooks("set", "101", "--uplink", "isp1", "--save")
    site.vzhooks("set", "102", "--uplink", "isp2", "--save")
    for ctid in ("101", "102"):
        assert site.vzctl.start(ctid).rc == 0
    site.vzhooks("harden")
    site.vzhooks("set", "101", "--uplink", "isp2", "--save")
    site.leaves_by("101", "eth4")
    assert site.ping("101", CLIENT6) == 3
    site.vzhooks("resync")


def unassigned(site):
    """Give the VEs' configs their old bytes again."""
    for ctid in ("101", "102"):
        site.vzhooks("set", ctid, "--uplink", "none", "--save")


def test_after_a_full_life_the_node_is_as_it_was_found(every_bare):
    before = everything(every_bare)
    busy_life(every_bare)
    every_bare.end_announcers()
    assert differs(before, everything(every_bare)) != []
    for ctid in ("101", "102"):
        assert every_bare.vzctl.stop(ctid).rc == 0
    unassigned(every_bare)
    every_bare.vzhooks("uninstall")
    assert differs(before, everything(every_bare)) == []
    done = every_bare.vzhooks("uninstall")
    assert (done.stdout, done.stderr) == ("", "vzhooks uninstall: nothing to do\n")
    assert differs(before, everything(every_bare)) == []


@pytest.mark.parametrize("flap", [False, True], ids=["steady", "after_a_link_flap"])
def test_running_ves_keep_what_vzctl_made_for_them(bare, flap):
    """A link that went down and up has lost vzctl's entries, and vzhooks restored its own uplink's."""
    for ctid in ("101", "102"):
        assert bare.vzctl.start(ctid).rc == 0
    before = everything(bare)
    configs = {ctid: bare.node.hn.read(f"/etc/vz/conf/{ctid}.conf") for ctid in ("101", "102")}
    bare.vzhooks("install")
    bare.vzhooks("set", "101", "--uplink", "isp1", "--save")
    bare.vzhooks("set", "102", "--uplink", "isp2", "--save")
    if flap:
        for nic in ("eth3", "eth4"):
            bare.node.link(nic, False)
            bare.up(nic)
        bare.vzhooks("resync")
    bare.leaves_by("101", "eth3")
    bare.end_announcers()
    files = everything(bare)
    one_line(bare.vzhooks("uninstall", rc=1).stderr, "(101, 102)", "stop them, or give --force")
    assert differs(files, everything(bare)) == []
    bare.vzhooks("uninstall", "--force")
    for ctid in ("101", "102"):
        bare.node.hn.write(f"/etc/vz/conf/{ctid}.conf", configs[ctid])
    left = differs(before, everything(bare))
    # Link down took vzctl's entries on both NICs and IPv6 routes; of ours nothing may be left.
    assert left == [] or (flap and not [line for line in left if ": left: " in line]), left
    proxies = bare.hn("ip", "neigh", "show", "proxy") + bare.hn("ip", "-6", "neigh", "show", "proxy")
    assert f"{VE101} dev eth3 proxy" in proxies and f"{VE101_6} dev eth3 proxy" in proxies
    assert f"{VE102} dev eth4 proxy" in proxies
    assert "proto" not in proxies
    for ctid in ("101", "102"):
        assert bare.vzctl.stop(ctid).rc == 0
    assert VE101 not in "".join(bare.state().values())


def test_an_entry_that_we_made_before_vzctl_did_stays_with_a_running_ve(bare):
    """OpenVZ 9 makes the route first, at which ours comes, and publishes after that."""
    bare.vzhooks("install")
    bare.vzhooks("set", "101", "--uplink", "isp1", "--save")
    assert bare.vzctl.start("101").rc == 0
    bare.end_announcers()
    published = f"{VE101} dev eth3 proxy"
    bare.hn("ip", "neigh", "del", "proxy", VE101, "dev", "eth3")
    bare.vzhooks("resync")
    assert f"{published} proto 118" in bare.hn("ip", "neigh", "show", "proxy").replace("vzhooks", "118")
    bare.hn("ip", "neigh", "add", "proxy", VE101, "dev", "eth3")
    bare.vzhooks("set", "101", "--uplink", "isp2")
    bare.vzhooks("uninstall", "--force")
    assert f"{published} \n" in bare.hn("ip", "neigh", "show", "proxy")


def published(site):
    return sorted((site.hn("ip", "neigh", "show", "proxy")
                   + site.hn("ip", "-6", "neigh", "show", "proxy")).splitlines())


def test_on_openvz_9_a_running_ve_stays_published_as_without_us():
    with ExampleNode(1, generation=9) as node:
        site = Site(node)
        node.create_ve("101", [VE101, VE101_6])
        assert site.vzctl.start("101").rc == 0
        found = published(site)
        assert f"{VE101} dev eth3 proxy " in found
        assert site.vzctl.stop("101").rc == 0
        assert "put /usr/libexec/libvzctl/script.d/vz-netns_dev_add" in site.vzhooks("install").stdout
        site.vzhooks("set", "101", "--uplink", "eth3", "--save")
        assert site.vzctl.start("101").rc == 0
        site.leaves_by("101", "eth3")
        site.vzhooks("set", "101", "--uplink", "eth4")
        site.leaves_by("101", "eth4")
        site.end_announcers()
        site.vzhooks("uninstall", "--force")
        assert published(site) == found
        assert site.hn("ls", "-A", "/usr/libexec/libvzctl/script.d") == ""


def test_our_own_entry_on_a_nic_that_vzctl_leaves_out_goes(bare):
    bare.node.hn.write("/etc/vz/vz.conf", bare.node.hn.read("/etc/vz/vz.conf").replace("=all", '="list:eth0"'))
    assert bare.vzctl.start("101").rc == 0
    bare.hn("ip", "neigh", "del", "proxy", VE101, "dev", "eth3")
    before = everything(bare)
    bare.vzhooks("install")
    bare.vzhooks("set", "101", "--uplink", "isp1")
    bare.end_announcers()
    assert f"{VE101} dev eth3 proxy" in bare.hn("ip", "neigh", "show", "proxy")
    bare.vzhooks("uninstall", "--force")
    assert differs(before, everything(bare)) == []


def test_after_harden_undo_as_well(bare):
    before = everything(bare)
    bare.vzhooks("install")
    bare.vzhooks("harden")
    bare.vzhooks("harden", "--undo")
    bare.vzhooks("uninstall")
    assert differs(before, everything(bare)) == []


def test_hardening_a_node_without_sysctl_d_leaves_none(bare):
    bare.hn("rm", "-r", "/etc/sysctl.d")
    before = everything(bare)
    bare.vzhooks("install")
    bare.vzhooks("harden")
    assert bare.node.hn.path("/etc/sysctl.d").stat().st_mode & 0o777 == 0o755
    bare.vzhooks("uninstall")
    assert differs(before, everything(bare)) == []


def test_a_disk_that_filled_up_since_does_not_hold_up_an_uninstall(bare):
    before = everything(bare)
    bare.hn("sh", "-c", "mkdir /var/lib/vzhooks && mount -t tmpfs -o size=64k,mode=700 none /var/lib/vzhooks")
    busy_life(bare)
    bare.end_announcers()
    bare.node.hn.run(["sh", "-c", "cat /dev/zero >/var/lib/vzhooks/fill"])
    for ctid in ("101", "102"):
        assert bare.vzctl.stop(ctid).rc == 0
    unassigned(bare)
    bare.vzhooks("uninstall")
    bare.hn("sh", "-c", "umount /var/lib/vzhooks && rmdir /var/lib/vzhooks")
    assert differs(before, everything(bare)) == []


def test_vzctl_removed_before_vzhooks_does_not_hold_up_the_uninstall(bare):
    bare.vzhooks("install")
    bare.vzhooks("harden")
    bare.hn("rm", "-r", "/etc/vz/conf")
    before = everything(bare)
    bare.vzhooks("uninstall")
    assert not bare.node.hn.exists("/var/lib/vzhooks")
    assert bare.hn("nft", "list", "ruleset") == ""
    assert differs(before, everything(bare)) != []


def test_a_hook_that_waited_for_an_uninstall_puts_nothing_back(bare):
    bare.vzhooks("install")
    bare.vzhooks("set", "101", "--uplink", "isp1", "--save")
    found = bare.state()
    holder = bare.node.hn.popen(["flock", "/run/vzhooks/lock", "sh", "-c", "echo held; sleep 1; rm /run/vzhooks/lock"],
                                stdout=-1)
    holder.stdout.readline()
    refused = bare.vzctl.start("101")
    assert refused.rc == 79 and "uninstalled while this waited" in refused.stderr
    assert bare.state() == found


def test_an_announcer_that_waits_for_a_route_leaves_nothing_after_an_uninstall(site):
    site.ini("[node]\nunassigned = main\n")
    site.node.create_ve("101", [VE101], "eth3")
    assert site.vzctl.start("101", before_network=lambda: site.vzhooks("uninstall", "--force")).rc == 0
    deadline = time.monotonic() + 15
    while set(site.node.hn.processes()) - {site.node.hn.pid} and time.monotonic() < deadline:
        time.sleep(0.1)
    assert site.hn("find", "/var/lib/vzhooks", "/run/vzhooks", "-type", "f") == ""
