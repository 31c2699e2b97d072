"""While vzctl works on a VE, of either generation, we do not; and it does not while we do."""

import fcntl
import os
import threading
from contextlib import contextmanager
from pathlib import Path

import pytest

from vzhooks.config.vzconf import VeConfig
from vzhooks.errors import LockBusy
from vzhooks.node import vzlock
from vzhooks.node.host import Paths

DEAD = "4194999"  # above the greatest number a process can have


@pytest.fixture
def paths(tmp_path):
    """A node with vzctl 4."""
    for folder in ("etc/vz", "vz/lock", "vz/private/101"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "etc/vz/vz.conf").write_text("VE_PRIVATE=/vz/private/$VEID\nLOCKDIR=/vz/lock\n")
    return Paths(str(tmp_path))


@pytest.fixture
def nine(paths, monkeypatch):
    """A node with OpenVZ 9."""
    os.makedirs(paths.veip9)
    monkeypatch.setattr(vzlock, "WAIT_S", 0.2)
    return paths


def pid_file(paths, text=None):
    path = f"{paths.root}/vz/lock/101.lck"
    if text is not None:
        with open(path, "w", encoding="ascii") as file:
            file.write(text)
    return path


@contextmanager
def flocked(path):
    with open(path, "w", encoding="ascii") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def hold(paths, private=""):
    return vzlock.of_the_ve(paths, VeConfig("101", private=private))


def test_ours_names_us_and_is_gone_afterwards(paths):
    with hold(paths):
        assert Path(pid_file(paths)).read_text() == f"{os.getpid()}\nset\n"
        assert os.listdir(f"{paths.root}/vz/private/101") == []
    assert not os.path.exists(pid_file(paths))


@pytest.mark.parametrize("text", [f"{os.getpid()}\n", f"{os.getppid()}\nset\n", "", "\n", "what?\n"],
                         ids=["ours", "parent", "empty", "blank", "odd"])
def test_a_live_or_unreadable_lock_is_busy_and_stays(paths, text):
    path = pid_file(paths, text)
    with pytest.raises(LockBusy, match="vzctl is at work on VE 101.*try again") as error, hold(paths):
        pytest.fail("went on")
    assert error.value.exit_code == 75 and Path(path).read_text() == text


def test_a_lock_of_a_dead_process_is_taken(paths):
    pid_file(paths, f"{DEAD}\n")
    with hold(paths):
        assert str(os.getpid()) in Path(pid_file(paths)).read_text()


def test_a_directory_in_its_place_is_busy(paths):
    os.mkdir(pid_file(paths))
    with pytest.raises(LockBusy), hold(paths):
        pytest.fail("went on")


@pytest.mark.parametrize("text, busy", [(f"{DEAD}\n", False), (f"{os.getpid()}\n", True)], ids=["dead", "live"])
def test_an_empty_lock_is_read_again_when_vzctl_has_written_it(paths, text, busy):
    pid_file(paths, "")
    timer = threading.Timer(0.08, pid_file, (paths, text))
    timer.start()
    try:
        with hold(paths):
            assert not busy
    except LockBusy:
        assert busy
    timer.join()


@pytest.mark.parametrize("private", ["", "/vz/private/101", "/elsewhere/101"])
def test_openvz_9_s_lock_is_in_the_private_area(nine, private):
    folder = nine.root + (private or "/vz/private/101")
    os.makedirs(folder, exist_ok=True)
    with flocked(f"{folder}/.lck"), pytest.raises(LockBusy, match="try again"), hold(nine, private):
        pytest.fail("went on")
    pid_file(nine, "")  # nobody else can be writing it
    with hold(nine, private), open(f"{folder}/.lck", encoding="ascii") as other, pytest.raises(BlockingIOError):
        fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)
    assert not os.path.exists(pid_file(nine))


def test_a_short_work_of_openvz_9_is_waited_for(nine):
    lock = os.open(f"{nine.root}/vz/private/101/.lck", os.O_RDWR | os.O_CREAT, 0o644)
    fcntl.flock(lock, fcntl.LOCK_EX)
    timer = threading.Timer(0.08, os.close, (lock,))
    timer.start()
    with hold(nine):
        pass
    timer.join()


def test_a_config_is_saved_under_libvzctl_s_lock(nine):
    path = os.path.join(nine.conf_lock_dir, "101.conf.lck")
    with vzlock.of_the_config(nine, "101"), open(path, encoding="ascii") as other, pytest.raises(BlockingIOError):
        fcntl.flock(other, fcntl.LOCK_SH | fcntl.LOCK_NB)
    with flocked(path), pytest.raises(LockBusy), vzlock.of_the_config(nine, "101"):
        pytest.fail("went on")
