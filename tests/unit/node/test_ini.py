"""An ini that cannot be used or trusted is an error; hooks then go by the last good copy."""

import os

import pytest

from vzhooks.config.settings import Settings
from vzhooks.errors import SettingsError
from vzhooks.node import ini
from vzhooks.node.host import Paths

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
    "an unknown key": (lambda p: write(p, "[node]\nreserve = eth0\n"),
                       "ini:2: .node. reserve: unknown key; did you mean reserved"),
    "an unknown section": (lambda p: write(p, "[isp1]\n"), "unknown section; allowed: "),
    "no section": (lambda p: write(p, "device = eth3\n"), "ini:1: device = eth3: stands before the first section"),
    "two lines in a value": (lambda p: write(p, "[node]\narp = auto\n  off\n"), "not allowed; .*allowed: auto, off"),
    "an unprintable key": (lambda p: write(p, "[node]\n\x1b[31mred = 1\n"), "unknown key"),
    "no UTF-8": (lambda p: write(p, "[node]\n# ü\r\narp = ".encode() + b"\xff\n"),
                 "ini:3: byte 7 .0xff. is not UTF-8; write that line anew"),
    "binary": (lambda p: write(p, bytes(range(128)) * 9), "ini:1: byte 1 is binary"),
    "empty": (lambda p: write(p, ""), "empty, though it was not before"),
    "blank": (lambda p: write(p, "\n \n"), "empty, though it was not before"),
    "blank but for a byte order mark": (lambda p: write(p, "\ufeff\n"), "empty, though it was not before"),
    "a directory": (replaced(os.mkdir), "cannot be read .Is a directory."),
    "a dangling link": (replaced(lambda path: os.symlink("/nowhere/ini", path)), "the link leads nowhere"),
    "a looping link": (replaced(lambda path: os.symlink(path, path)), "cannot be read .Too many levels"),
    "writable by the group": (lambda p: os.chmod(p.ini, 0o664), "others than root can write it; chown root and chmod"),
    "writable by others": (lambda p: os.chmod(p.ini, 0o646), "others than root can write it"),
    "in a directory others write": (lambda p: os.chmod(os.path.dirname(p.ini), 0o777), "/etc/vz: others than root"),
    "owned by another": (lambda p: os.chown(p.ini, 65534, 0), "others than root can write it"),
    "in another's directory": (lambda p: os.chown(os.path.dirname(p.ini), 65534, 0), "/etc/vz: others than root"),
}
WITHOUT_COPY = {k: v for k, v in BAD.items() if "empty" not in v[1]}


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


TYPO = "[uplink:isp1]\ndevice = eth3\ngatway = 10.0.0.1\n"


def test_hooks_go_by_the_last_good_copy_of_an_uplink_that_is_broken(paths):
    write(paths, GOOD)
    ini.load(paths)
    write(paths, "[node]\nreserved = eth9\n[uplink:isp2]\n" + TYPO + "[uplink:isp3]\ntable = 0\n")
    plain = ini.load(paths)
    assert list(plain.broken) == ["isp1", "isp3"] and list(plain.uplinks) == ["isp2"]
    found, warnings = ini.load_for_hook(paths)
    assert found.reserved == ("eth9",) and list(found.broken) == ["isp3"]
    assert {n: u.device for n, u in found.uplinks.items()} == {"isp1": "eth3", "isp2": "isp2"}
    assert warnings == [f"{plain.broken['isp1']}; going by the last good copy of uplink isp1 until then"]
    with open(paths.good_ini, encoding="utf-8") as copy:
        assert copy.read() == GOOD


@pytest.mark.parametrize("before, after", [
    ("", TYPO), (GOOD, "[node]\nreserved = eth3\n" + TYPO),
    (GOOD + "table = 1003\n", "[uplink:isp2]\ntable = 1003\n" + TYPO),
], ids=["never good", "its device is reserved now", "its table is another's now"])
def test_an_uplink_stays_broken_that_was(paths, before, after):
    if before:
        write(paths, before)
        ini.load(paths)
    write(paths, after)
    found, warnings = ini.load_for_hook(paths)
    assert found == ini.load(paths) and "isp1" in found.broken and warnings == []


def test_an_ini_with_a_broken_uplink_makes_no_good_copy(paths):
    write(paths, TYPO)
    assert ini.load(paths).broken and ini.load_for_hook(paths)[0].broken
    assert not os.path.exists(paths.good_ini)


@pytest.mark.parametrize("text", ["\ufeff" + GOOD, GOOD.replace("\n", "\r\n"), GOOD.replace("\n", "\r")],
                         ids=["a byte order mark", "CRLF", "CR"])
def test_an_ini_of_another_editor_is_read_the_same(paths, text):
    write(paths, GOOD)
    good = ini.load(paths)
    write(paths, text)
    assert ini.load(paths) == good


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
