"""A VE is mounted where the kernel says so, however many mounts there are and whatever their names."""

import os

import pytest

from vzhooks.node import mounts

LINE = "{n} 1 0:1 {root} {point} rw,relatime shared:1 - tmpfs lab rw\n"
MANY = 20000
REST = [f"/no/{n}" for n in range(mounts.FEW)]


@pytest.fixture
def listed(monkeypatch, tmp_path):
    """Return a function that takes a text for what the kernel says of all mounts."""
    def use(text):
        (tmp_path / "mountinfo").write_text(text)
        monkeypatch.setattr(mounts, "MOUNTS", str(tmp_path / "mountinfo"))
    return use


def mounted(*roots):
    return mounts.points({str(n): root for n, root in enumerate(roots)})


def test_only_the_mount_point_counts(listed):
    listed(LINE.format(n=1, root="/vz/private/1", point="/vz/root/0") + LINE.format(n=2, root="/vz/root/2", point="/x"))
    assert mounted("/vz/root/0", "/vz/private/1", "/vz/root/2", *REST) == {"0"}


def test_odd_names_are_found(listed):
    listed(LINE.format(n=1, root="/", point=r"/vz/a\040b\134c"))
    assert mounted(r"/vz/a b\c", *REST) == {"0"}


def test_the_last_of_many_is_seen(listed):
    """More than a config may be long; what is cut short would be taken for stopped VEs."""
    listed("".join(LINE.format(n=n, root="/", point=f"/vz/root/{n}") for n in range(MANY)))
    assert mounted(f"/vz/root/{MANY - 1}", *REST) == {"0"}


@pytest.mark.parametrize("rest", [[], REST], ids=["few", "many"])
def test_what_is_mounted_here_is_seen_also_through_a_link(tmp_path, rest):
    os.symlink("/proc", tmp_path / "link")
    (tmp_path / "bare").mkdir()
    (tmp_path / "file").write_text("")
    places = ["/proc", *(str(tmp_path / name) for name in ("link", "link/self", "bare", "file/x", "no"))]
    assert mounted(*places, *rest) == {"0", "1"}


@pytest.mark.parametrize("said", [None, "pos:\t0\n", "pos:\t0\nmnt_id:\n"])
def test_where_a_place_cannot_be_asked_for_the_list_counts(listed, monkeypatch, tmp_path, said):
    monkeypatch.setattr(mounts, "OPENED", str(tmp_path))
    for number in range(100 if said else 0):
        (tmp_path / str(number)).write_text(said)
    listed(LINE.format(n=1, root="/", point="/proc"))
    assert mounted("/proc", "/sys") == {"0"}
