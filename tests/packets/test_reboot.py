"""What a reboot brings back, and what an uninstall leaves."""

import time

from tests.site import unordered


def test_after_a_reboot_all_is_as_it_was(hard):
    """Table numbers as well, also where /var/lib did not survive."""
    before = hard.state()
    for ctid, uplink in (("101", "eth3"), ("102", "eth4")):
        hard.both(ctid, uplink=uplink)
    running = hard.state()
    reboot(hard)
    hard.vzhooks("resync")
    assert unordered(hard.state()) == unordered(before)
    for ctid in ("101", "102"):
        assert hard.vzctl.start(ctid).rc == 0
    hard.leaves_by("101", "eth3")
    hard.leaves_by("102", "eth4")
    assert unordered(hard.state()) == unordered(running)


def reboot(site):
    """Take away what a reboot does: VEs, mounts, what the kernel held, /run; and the table numbers besides."""
    site.end_announcers()
    for ctid in ("101", "102"):
        assert site.vzctl.stop(ctid, skip_hooks=True).rc == 0
    site.flush("rules")
    site.flush("nft")
    site.hn("sh", "-c", "rm /run/vzhooks/* /var/lib/vzhooks/tables.json; for f in -4 -6; do "
            "ip $f -o route show table all proto 118 | while read r; do ip $f route del $r; done; done")
    site.take_any_source()


def test_uninstall_refuses_while_a_ve_needs_it(hard):
    hard.both("101", uplink="eth3")
    hard.end_announcers()
    before, files = hard.state(), listing(hard)
    assert "101" in hard.vzhooks("uninstall", rc=1).stderr
    assert (hard.state(), listing(hard)) == (before, files)
    hard.leaves_by("101", "eth3")


def test_uninstall_gives_back_what_was_found(site):
    """Forced while a VE runs as well: that one goes by main then, as one started without vzhooks."""
    site.vzhooks("uninstall")
    site.both("101", uplink="eth3")
    found, files = site.state(), listing(site)
    assert site.vzctl.stop("101").rc == 0
    site.vzhooks("install")
    assert site.vzctl.start("101").rc == 0
    site.leaves_by("101", "eth3")
    site.end_announcers()
    site.vzhooks("uninstall", "--force")
    assert site.state() == found
    assert listing(site) == files
    site.leaves_by("101", "eth0")


def test_nothing_comes_back_after_an_uninstall_during_a_start(site):
    """What the mount hook left to wait for the VE's route must not act on it any more."""
    site.vzhooks("uninstall")
    site.both("101", uplink="eth3")
    found = site.state()
    assert site.vzctl.stop("101").rc == 0
    site.vzhooks("install")
    site.vzhooks("harden")
    site.end_announcers()
    assert site.vzctl.start("101", before_network=lambda: site.vzhooks("uninstall", "--force")).rc == 0
    while len(site.node.hn.processes()) > 1:
        time.sleep(0.05)
    assert site.state() == found
    assert not site.node.hn.exists("/run/vzhooks/ves.json")


def listing(site):
    """Return every file that vzhooks may touch, with its mode and checksum."""
    where = "/etc /run/vzhooks /var/lib/vzhooks /usr/local/sbin /usr/libexec/libvzctl/script.d"
    return site.hn("sh", "-c", f"find {where} ! -name lock -printf '%p %m %l\\n' 2>/dev/null | sort; "
                               f"find {where} -type f ! -name lock -exec cksum {{}} + 2>/dev/null | sort")
