"""Install adds to what stands there and uninstall gives exactly that back."""

import os

import pytest

from tests.unit.installing import HOOKS, KEPT, own, put, take, tree
from vzhooks.errors import HostError


def test_a_second_install_changes_nothing(root):
    own(root)
    assert put(root)
    before = tree(root)
    assert put(root) == []
    assert tree(root) == before


@pytest.mark.parametrize("times", [1, 2])
def test_uninstall_gives_back_exactly_what_stood_there(root, times):
    own(root)
    (root / "etc/vz/conf/vps.umount").symlink_to("mine.sh")
    own(root, "vps.postumount", "no script\r\n", 0o644)
    own(root, "101.mount")
    before = tree(root)
    for _ in range(times):
        put(root)
    assert tree(root) != before
    take(root)
    assert tree(root) == before


def test_uninstall_without_install_changes_nothing(root):
    own(root)
    before = tree(root)
    take(root)
    assert tree(root) == before


def test_what_others_put_is_never_overwritten(root):
    (root / "etc/vz/vzhooks.ini.sample").write_text("mine\n")
    (root / "etc/vz/vzhooks.ini").write_text("[node]\n")
    before = tree(root)
    assert any("vzhooks.ini.sample: it was there before" in line for line in put(root))
    assert before.items() <= {k: v for k, v in tree(root).items() if k in before}.items()
    take(root)
    assert tree(root) == before


def test_an_own_script_that_has_nowhere_to_be_kept_stops_the_install(root):
    own(root)
    own(root, "vps.mount.before-vzhooks", "older\n")
    before = tree(root)
    with pytest.raises(HostError, match="vps.mount.before-vzhooks: in the way.*move one of them"):
        put(root)
    take(root)
    assert tree(root) == before


@pytest.mark.parametrize("name", HOOKS)
def test_a_directory_in_a_hook_s_place_stops_the_install(root, name):
    (root / "etc/vz/conf" / name).mkdir()
    before = tree(root)
    with pytest.raises(HostError, match=name):
        put(root)
    take(root)
    assert tree(root) == before


def test_a_script_that_replaced_ours_stays_and_the_kept_one_is_named(root):
    own(root)
    put(root)
    own(root, text="#!/bin/sh\n# newer\n")
    assert [line for line in take(root) if KEPT in line and "replaced by somebody" in line]
    assert (root / "etc/vz/conf/vps.mount").read_text() == "#!/bin/sh\n# newer\n"
    assert (root / KEPT).read_text() == "#!/bin/sh\nexit 5\n"


def test_a_directory_that_others_use_by_now_stays(root):
    put(root)
    other = next(p for p in (root / "etc").rglob("networkd.conf.d")) / "other.conf"
    other.write_text("mine\n")
    take(root)
    assert other.read_text() == "mine\n"


@pytest.mark.parametrize("text", ["", "{", '{"a": 1}', "[1]", "\xff"])
def test_a_spoilt_manifest_is_an_error_and_removes_nothing(root, text):
    put(root)
    (root / "var/lib/vzhooks/installed.json").write_text(text, encoding="latin-1")
    for act in (put, take):
        with pytest.raises(HostError, match="installed.json: .*remove it and install again"):
            act(root)
    assert (root / "etc/vz/vzhooks.ini.sample").exists()


def test_the_interpreter_s_path_is_quoted(root):
    put(root)
    for name in HOOKS:
        path = root / "etc/vz/conf" / name
        assert "python='/opt/it'\\''s/python'\n" in path.read_text()
        assert path.stat().st_mode & 0o777 == 0o755


# -- the vzctl wrapper ---------------------------------------------------------------------------------


WRAPPER = "usr/local/sbin/vzctl"


def put_wrapper(root, asked=True):
    return put(root, wrapper=asked)


def test_the_wrapper_is_put_when_asked_for_and_refreshed_after_that(root):
    before = tree(root)
    assert put_wrapper(root, False) and not (root / WRAPPER).exists()
    assert f"put {root}/{WRAPPER}" in put_wrapper(root)
    assert (root / WRAPPER).stat().st_mode & 0o777 == 0o755
    text = (root / WRAPPER).read_text()
    assert "python='/opt/it'\\''s/python'\nreal='/usr/sbin/vzctl'\n" in text and "@" not in text.replace('"$@"', "")
    assert put_wrapper(root) == put_wrapper(root, False) == []
    (root / WRAPPER).write_text(text.replace("/opt/", "/old/"))
    assert put_wrapper(root, False) == [f"put {root}/{WRAPPER}"]
    assert (root / WRAPPER).read_text() == text
    take(root)
    assert tree(root) == before


@pytest.mark.parametrize("theirs", ["file", "link", "link to ours", "directory"])
def test_a_vzctl_of_others_in_its_place_stops_the_install(root, theirs):
    path = root / WRAPPER
    path.parent.mkdir(parents=True)
    (root / "ours").write_text("#!/bin/sh\n# vzhooks vzctl wrapper\n")
    if theirs == "file":
        path.write_text("#!/bin/sh\n")
    elif theirs == "directory":
        path.mkdir()
    else:
        path.symlink_to(root / "ours" if theirs == "link to ours" else "/usr/sbin/vzctl")
    before = tree(root)
    with pytest.raises(HostError, match=f"{WRAPPER}: not ours; move it away, or leave out --vzctl-wrapper"):
        put_wrapper(root)
    assert tree(root) == before
    put_wrapper(root, False)
    take(root)
    assert tree(root) == before


def test_a_vzctl_that_replaced_the_wrapper_stays(root):
    put_wrapper(root)
    (root / WRAPPER).write_text("#!/bin/sh\n# mine\n")
    take(root)
    assert (root / WRAPPER).read_text() == "#!/bin/sh\n# mine\n"


def test_a_wrapper_that_the_manifest_does_not_know_is_taken_away(root):
    put_wrapper(root)
    (root / "var/lib/vzhooks/installed.json").write_text("[]")
    take(root)
    assert not (root / WRAPPER).exists()


# -- for packagers --------------------------------------------------------------------------------------


def packed(root, umask):
    before = os.umask(umask)
    try:
        put(root, "/usr/bin/python3")
    finally:
        os.umask(before)
    return tree(root)


def test_what_is_packed_depends_on_nothing_but_the_version(tmp_path):
    one = packed(tmp_path / "one", 0o022)
    assert packed(tmp_path / "and another", 0o077) == one
    assert b"tmp_path" not in b"".join(c for _, c in one.values() if isinstance(c, bytes))
    files = {name: mode & 0o7777 for name, (mode, content) in one.items() if isinstance(content, bytes)}
    assert {n for n, mode in files.items() if mode != 0o644} == {
        *(f"etc/vz/conf/{name}" for name in HOOKS), "var/lib/vzhooks/installed.json"}
    folders = {name: mode & 0o7777 for name, (mode, content) in one.items() if content is None}
    assert {name for name, mode in folders.items() if mode != 0o755} == {"var/lib/vzhooks"}
    assert take(tmp_path / "one") and tree(tmp_path / "one") == {}


def test_all_that_runs_names_the_interpreter_of_run_time(tmp_path):
    put(tmp_path, '/opt/50% "q"/python')
    assert b'ExecStart="/opt/50%% \\"q\\"/python" -I' in (
        tmp_path / "etc/systemd/system/vzhooks-boot.service").read_bytes()
    assert b"python='/opt/50% \"q\"/python'\n" in (tmp_path / "etc/vz/conf/vps.mount").read_bytes()


def test_what_a_package_put_already_is_not_ours(root):
    package = root.parent / "package"
    put(package)
    for name in ("usr/share/man/man8/vzhooks.8", "etc/systemd/system/vzhooks-boot.service"):
        (root / name).parent.mkdir(parents=True)
        (root / name).write_bytes((package / name).read_bytes())
    before = tree(root)
    assert [line for line in put(root) if line.startswith("left")] == []
    take(root)
    assert tree(root) == before


# -- the command on PATH --------------------------------------------------------------------------------


COMMAND = "usr/local/sbin/vzhooks"


def test_the_command_beside_the_interpreter_is_linked_onto_path(root):
    before = tree(root)
    assert f"put {root}/{COMMAND}" in put(root)
    assert os.readlink(root / COMMAND) == "/opt/it's/vzhooks"
    assert put(root) == []
    assert f"put {root}/{COMMAND}" in put(root, "/opt/new/python")
    assert os.readlink(root / COMMAND) == "/opt/new/vzhooks"
    assert f"removed {root}/{COMMAND}" in take(root)
    assert tree(root) == before


@pytest.mark.parametrize("python", ["/usr/bin/python3", "/usr/local/bin/python3"])
def test_a_command_that_is_on_path_already_is_not_linked(root, python):
    put(root, python)
    assert not (root / "usr/local").exists() or not os.path.lexists(root / COMMAND)


@pytest.mark.parametrize("theirs", ["file", "link", "directory"])
@pytest.mark.parametrize("since", [False, True], ids=["before", "since"])
def test_a_vzhooks_of_others_on_path_stays(root, theirs, since):
    if since:
        put(root)
        (root / COMMAND).unlink()
    path = root / COMMAND
    path.parent.mkdir(parents=True, exist_ok=True)
    if theirs == "link" and not since:
        path.symlink_to("/opt/mine")
    elif theirs == "directory":
        path.mkdir()
        (path / "mine").write_text("mine")
    else:
        path.write_text("#!/bin/sh\n# mine\n")
    before = tree(path.parent)
    assert f"left {path}: it was there before" in put(root)
    assert tree(path.parent) == before
    take(root)
    assert tree(path.parent) == before


# -- a dry run ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("more", [{}, {"wrapper": True}])
def test_a_dry_run_says_what_the_real_one_does_and_changes_nothing(root, more):
    own(root)
    (root / "etc/vz/conf/vps.umount").symlink_to("mine.sh")
    for act, options in ((put, more), (take, {})):
        before = tree(root)
        said = act(root, dry=True, **options)
        assert tree(root) == before
        assert said == act(root, **options) and len(said) > 10
        assert act(root, dry=True, **options) == []


def test_a_dry_run_names_the_root_that_is_not_there_and_makes_none(tmp_path):
    said = put(tmp_path / "new", dry=True)
    assert f"put {tmp_path}/new/etc/vz/conf/vps.mount" in said and list(tmp_path.iterdir()) == []
