"""`vzhooks check` on a node: what is suspicious here is a warning, and nothing is needed, changed or waited for."""

import json

import pytest

from tests.packets.test_bad_commands import unchanged
from tests.packets.test_hook_scripts import AS_NOBODY, open_to_all
from tests.told import ETH4, INI, ISP1

pytestmark = pytest.mark.generation(4)  # what is read and said is the same on both


def test_what_is_suspicious_here_is_a_warning(busy):
    busy.node.hn.write("/vz/x.ini", "[node]\nreserved = eht0\n[uplink:isp1]\ndevice = eth9\n"
                       "[uplink:isp2]\ndevice = eth3\ngateway = 192.168.18.10\n")
    with unchanged(busy):
        done = busy.vzhooks("check", "/vz/x.ini")
        assert done.stdout.splitlines() == [
            "/vz/x.ini:2: warning: [node] reserved = eht0: no device of this name is on this node; did you mean eth0?",
            "/vz/x.ini:4: warning: [uplink:isp1] device = eth9: no device of this name is on this node; "
            "did you mean eth4?",
            "/vz/x.ini:7: warning: [uplink:isp2] gateway = 192.168.18.10: is this node's own address, on eth0; "
            "name the router's address",
            "/vz/x.ini: warning: [uplink:eth4]: not here, but VE 102 names it and would be cut off"]
        assert done.stderr == "vzhooks check: /vz/x.ini: no error\n"


@pytest.mark.by_rules
def test_the_node_s_own_ini_is_judged_with_who_may_write_it(busy):
    assert busy.vzhooks("check").stdout == f"{INI}: warning: not there, so every key has its default\n"
    busy.ini(ETH4 + ISP1)
    busy.vzhooks("resync")
    assert busy.vzhooks("check").stdout == ""
    busy.ini(ETH4 + ISP1 + "gatway = 1\n")
    assert busy.vzhooks("check", rc=1).stdout.startswith(f"{INI}:4: [uplink:isp1] gatway: unknown key")
    busy.ini(ETH4 + ISP1)
    busy.node.hn.path(INI).chmod(0o666)
    for name in ((), (INI,), ("/etc/../etc/vz/vzhooks.ini",)):
        assert "others than root can write it" in busy.vzhooks("check", *name, rc=1).stdout


def test_it_needs_neither_root_nor_vzctl_nor_the_lock(busy):
    hn = busy.node.hn
    hn.write("/vz/x.ini", ETH4 + "reserve = eth0\n")
    hn.write("/vz/secret.ini", ETH4, 0o600)
    busy.hn("mv", "/etc/vz/conf", "/etc/vz/away")
    holder = hn.popen(["flock", "-F", "/run/vzhooks/lock", "sleep", "60"])
    try:
        command = [*AS_NOBODY, open_to_all(busy), "-I", "-m", "vzhooks", "check"]
        with unchanged(busy):
            done = hn.run([*command, "/vz/x.ini", "--json"], timeout=8)
            assert (done.returncode, done.stderr) == (1, "")
            assert [(f["line"], f["key"]) for f in json.loads(done.stdout)] == [(2, "reserve")]
            done = hn.run([*command, "/vz/secret.ini"])
            assert done.returncode == 1
            assert done.stdout == "/vz/secret.ini: cannot be read (Permission denied); name an ini that can\n"
            done = hn.run([*command, "-"], input=ETH4)
            assert (done.returncode, done.stdout) == (0, "")
    finally:
        holder.kill()
        busy.hn("mv", "/etc/vz/away", "/etc/vz/conf")


@pytest.mark.parametrize("how", [">&-", "| true", ">/dev/full", "<&- >&- 2>&-"])
def test_output_that_goes_nowhere_is_no_traceback(busy, how):
    busy.node.hn.write("/vz/x.ini", "[node]\nreserve = eth0\n")
    for file in ("/vz/x.ini", "-"):
        done = busy.node.hn.run(["bash", "-c", f"{open_to_all(busy)} -I -m vzhooks check {file} {how}"], input="")
        assert "Traceback" not in done.stderr + done.stdout
