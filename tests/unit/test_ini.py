"""An ini that cannot be used or trusted is an error; hooks then go by the last good copy."""

import os

import pytest

from vzhooks import ini
from vzhooks.errors import SettingsError
from vzhooks.host import Paths
from vzhooks.settings import Settings

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root's ini is trusted")

GOOD = "[node]\nreserved = eth0\n[uplink:isp1]\ndevice = eth3\n"


@pytest.fixture
def paths(tmp_path):
    (tmp_path / "etc/vz").mkdir(parents=True)
    return Paths(str(tmp_path))


def write(paths, data):
    with open(paths.ini, "wb") as file:
        file.write(data if isinstance(data, bytes) else data.encode())


def replaced(change):
    """Return what puts something else in the ini's place."""
    def act(paths):
        os.unlink(paths.ini)
        change(paths.ini)
    return act


BAD = {
    "an unknown key": (lambda p: write(p, "[node]\nreserve = eth0\n"), "unknown key; allowed: unassigned"),
    "an unknown section": (lambda p: write(p, "[isp1]\n"), "unknown section; allowed: "),
    "no section": (lambda p: write(p, "device = eth3\n"), "not a valid ini: .*correct that line"),
    "two lines in a value": (lambda p: write(p, "[node]\narp = auto\n  off\n"), "not allowed; allowed: auto, off"),
    "an unprintable key": (lambda p: write(p, "[node]\n\x1b[31mred = 1\n"), "unknown key"),
    "a byte order mark": (lambda p: write(p, "\ufeff" + GOOD), "not a valid ini"),
    "no UTF-8": (lambda p: write(p, b"[node]\narp = \xff\n"), "not UTF-8 text; write it anew"),
    "binary": (lambda p: write(p, bytes(range(128)) * 9), "not a valid ini"),
    "empty": (lambda p: write(p, ""), "empty, though it was not before"),
    "blank": (lambda p: write(p, "\n \n"), "empty, though it was not before"),
    "a directory": (replaced(os.mkdir), "cannot be read .Is a directory."),
    "a dangling link": (replaced(lambda path: os.symlink("/nowhere/ini", path)), "the link leads nowhere"),
    "a looping link": (replaced(lambda path: os.symlink(path, path)), "cannot be read .Too many levels"),
    "writable by the group": (lambda p: os.chmod(p.ini, 0o664), "others than root can write it; chown root and chmod"),
    "writable by others": (lambda p: os.chmod(p.ini, 0o646), "others than root can write it"),
    "in a directory others write": (lambda p: os.chmod(os.path.dirname(p.ini), 0o777), "/etc/vz: others than root"),
    "owned by another": (lambda p: os.chown(p.ini, 65534, 0), "others than root can write it"),
    "in another's directory": (lambda p: os.chown(os.path.dirname(p.ini), 65534, 0), "/etc/vz: others than root"),
}
WITHOUT_COPY = {k: v for k, v in BAD.items() if k not in ("empty", "blank")}


@pytest.mark.parametrize("spoil, why", BAD.values(), ids=BAD)
def test_hooks_go_by_the_last_good_copy_of_an_ini_that_is(paths, spoil, why):
    write(paths, GOOD)
    good = ini.load(paths)
    spoil(paths)
    with pytest.raises(SettingsError, match=why) as error:
        ini.load(paths)
    assert str(error.value).isprintable() and str(error.value).startswith(paths.root)
    found, warnings = ini.load_for_hook(paths)
    assert found == good and good.uplinks
    assert len(warnings) == 1 and warnings[0].isprintable() and warnings[0].endswith("the last good copy until then")


@pytest.mark.parametrize("spoil, why", WITHOUT_COPY.values(), ids=WITHOUT_COPY)
def test_without_a_copy_a_hook_has_no_settings_by_an_ini_that_is(paths, spoil, why):
    write(paths, GOOD)
    spoil(paths)
    with pytest.raises(SettingsError, match=why):
        ini.load_for_hook(paths)
    assert not os.path.exists(paths.good_ini)


def test_the_good_copy_is_root_s_alone_and_follows_the_ini(paths):
    for text in (GOOD, GOOD.replace("eth3", "eth4")):
        write(paths, text)
        ini.load(paths)
        with open(paths.good_ini, encoding="utf-8") as copy:
            assert copy.read() == text
    assert os.stat(paths.good_ini).st_mode & 0o777 == 0o600
    assert os.stat(os.path.dirname(paths.good_ini)).st_mode & 0o777 == 0o700


def test_an_ini_that_was_removed_leaves_the_defaults_and_no_copy(paths):
    write(paths, GOOD)
    ini.load(paths)
    os.unlink(paths.ini)
    assert ini.load_for_hook(paths) == (Settings(), [])
    assert not os.path.exists(paths.good_ini)


def test_without_any_ini_the_defaults_count(paths):
    assert ini.load(paths) == Settings()


def test_a_copy_that_cannot_be_written_stops_nobody(paths):
    write(paths, GOOD)
    os.makedirs(os.path.join(paths.good_ini, "in the way"))
    assert ini.load(paths).uplinks and ini.load_for_hook(paths)[1] == []
