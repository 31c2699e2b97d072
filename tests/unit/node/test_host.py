"""What vzctl's files say is read as data, and what cannot be read is a problem, never nothing."""

import fcntl
import os
import threading
import time

import pytest

from vzhooks.config.vzconf import VeConfig
from vzhooks.errors import HostError, LockBusy, UsageError
from vzhooks.model import Problem
from vzhooks.node import evidence, host
from vzhooks.node.host import Paths

WHOLE = b'ONBOOT="yes"\nUPLINK="eth3"\nIP_ADDRESS="10.0.0.1"\n'


@pytest.fixture
def paths(tmp_path):
    (tmp_path / "etc/vz/conf").mkdir(parents=True)
    return Paths(str(tmp_path))


def conf(paths, ctid="101", data=WHOLE):
    path = os.path.join(paths.conf_dir, f"{ctid}.conf")
    with open(path, "wb") as file:
        file.write(data)
    return path


@pytest.mark.parametrize("ctid", ["1", "101", "6d1b2c3d-0000-4000-8000-000000000001"])
def test_a_ve_s_id_is_a_number_or_a_uuid(ctid):
    assert host.check_ctid(ctid) == ctid


@pytest.mark.parametrize("ctid", ["", "0", "..", "../x", "a/b", ".hidden", "-x", "101\n", "101 ", "a\0", "\x1b", "é"])
def test_nothing_else_is_one(ctid):
    with pytest.raises(UsageError, match="is no VE's id") as error:
        host.check_ctid(ctid)
    assert str(error.value).isprintable()


@pytest.mark.parametrize("data, why", [
    (b"", "mid-save"), (b"ONBOOT", "mid-save"), (b"\0" * 9, "binary"), (b"#" * (2 << 20), "larger than"),
    (WHOLE + b"\n" * (1 << 20), "larger than"),
])
def test_a_config_that_cannot_be_one_is_a_problem_that_refuses(paths, data, why):
    found = host.read_config(paths, "101", conf(paths, data=data))
    assert isinstance(found, Problem) and found.refuses and why in found.text and found.text.isprintable()


@pytest.mark.parametrize("make", [os.mkdir, lambda path: os.symlink(path, path)], ids=["directory", "loop"])
def test_what_is_no_file_is_a_problem_that_refuses(paths, make):
    make(os.path.join(paths.conf_dir, "101.conf"))
    found = host.read_config(paths, "101")
    assert isinstance(found, Problem) and found.refuses and "101.conf: cannot be read" in found.text


def test_a_config_that_is_not_there_is_told_apart(paths):
    os.symlink("/nowhere/101.conf", os.path.join(paths.conf_dir, "101.conf"))
    with pytest.raises(FileNotFoundError):
        host.read_config(paths, "101")
    assert host.read_configs(paths) == {}


def test_a_config_that_is_whole_soon_is_read(paths):
    path = conf(paths, data=b"")
    saved = threading.Timer(0.1, conf, (paths,))
    saved.start()
    assert isinstance(host.read_config(paths, "101", path), VeConfig)
    saved.join()


def test_many_bad_configs_are_waited_for_together(paths):
    """A power loss can empty all of them at once; the lock is held meanwhile."""
    for ctid in range(101, 141):
        conf(paths, ctid, b"")
    began = time.monotonic()
    found = host.read_configs(paths)
    assert len(found) == 40 and all(isinstance(c, Problem) for c in found.values())
    assert 0.4 < time.monotonic() - began < 2


def test_one_that_vzctl_is_writing_is_not_read(paths):
    os.makedirs(paths.conf_lock_dir)
    conf(paths)
    with open(os.path.join(paths.conf_lock_dir, "101.conf.lck"), "w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        found = host.read_config(paths, "101")
    assert isinstance(found, Problem) and "vzctl is writing it" in found.text
    assert isinstance(host.read_config(paths, "101"), VeConfig)


def test_only_configs_of_ves_are_read(paths):
    for name in ("101", "0", "vps.basic", "102.conf.destroyed", "..x", "ve-basic.conf-sample", "$(touch x)"):
        conf(paths, name)
    assert set(host.read_configs(paths)) == {"101"}


def test_a_directory_of_configs_that_is_not_there_is_an_error(paths):
    os.rmdir(paths.conf_dir)
    with pytest.raises(HostError, match="conf: not there; is vzctl installed"):
        host.read_configs(paths)


def test_a_wait_for_the_lock_is_bounded(paths):
    with host.lock(paths.lock, 0):
        began = time.monotonic()
        with pytest.raises(LockBusy, match=rf"is at work for over 0.1 s: .*\(pid {os.getpid()}, running\); try"), \
                host.lock(paths.lock, 0.1):
            pass
    assert 0.1 <= time.monotonic() - began < 5
    with host.lock(paths.lock, 0):
        pass


def test_state_files_of_any_content_are_data(paths):
    for folder, ctid, data in ((paths.veip4, "101", b"10.0.0.1 $(touch /x) \xff\0 fd00::1\n10.0.0.1"),
                               (paths.veip9, "102", b""), (paths.veip4, "..x", b"10.0.0.9")):
        os.makedirs(folder, exist_ok=True)
        with open(os.path.join(folder, ctid), "wb") as file:
            file.write(data)
    for ctid, data in (("101", b"\xff\xfe"), ("102", b"999999999\n"), ("103", b"../1"), ("104", b"")):
        os.makedirs(evidence.lock_dirs(paths, {})[0], exist_ok=True)
        with open(os.path.join(evidence.lock_dirs(paths, {})[0], f"{ctid}.lck"), "wb") as file:
            file.write(data)
    found = evidence.evidence({"101": "/nowhere"}, evidence.veip(paths), evidence.lock_dirs(paths, {}))
    assert found.veip == {"101": ("10.0.0.1", "fd00::1"), "102": ()}
    assert (found.mounted, found.locked, found.looked) == (frozenset(), frozenset(), frozenset({"101"}))


@pytest.mark.parametrize("text, value", [
    ("VE_ROOT=/vz/root/$VEID\n", "/vz/root/$VEID"), ('VE_ROOT="/a"\nVE_ROOT="/b" # the last\n', "/b"),
    ("#VE_ROOT=/x\nMY_VE_ROOT=/y\n", ""), ("", ""),
])
def test_what_vz_conf_says_for_all_ves(paths, text, value):
    with open(paths.vz_conf, "w") as file:
        file.write(text)
    assert evidence.vz_conf(paths).get("VE_ROOT", "") == value


def test_what_is_no_lock_file_of_a_ve_is_not_opened(paths):
    folder = evidence.lock_dirs(paths, {})[0]
    os.makedirs(os.path.join(folder, "vzpkg"))
    os.mkdir(os.path.join(folder, "102.lck"))
    os.mkfifo(os.path.join(folder, "notify"))
    with open(os.path.join(folder, "101.lck"), "w", encoding="ascii") as file:
        file.write(f"{os.getpid()}\n")
    assert evidence.is_locked([folder], "101") and not evidence.is_locked([folder], "102")


def test_a_directory_among_the_addresses_of_ves_is_none_of_theirs(paths):
    os.makedirs(os.path.join(paths.veip9, "backup"))
    assert evidence.evidence({}, evidence.veip(paths), []).veip == {"backup": ()}
