"""Install adds to what stands there and uninstall gives exactly that back."""

import json
import os
import signal

import pytest

from vzhooks import chain, install
from vzhooks.errors import HostError
from vzhooks.host import Paths

HOOKS = ("vps.mount", "vps.umount", "vps.postumount")


@pytest.fixture
def root(tmp_path):
    (tmp_path / "etc/vz/conf").mkdir(parents=True)
    (tmp_path / "etc/iproute2/rt_tables.d").mkdir(parents=True)
    return tmp_path


def tree(root):
    """Return every file, link and directory with its mode and content."""
    found = {}
    for path in sorted(root.rglob("*")):
        content = os.readlink(path) if path.is_symlink() else path.read_bytes() if path.is_file() else None
        found[str(path.relative_to(root))] = (path.lstat().st_mode, content)
    return found


def put(root, python="/opt/it's/python"):
    return list(install.install(Paths(str(root)), python))


def take(root):
    return list(install.uninstall(Paths(str(root)), False))


def own(root, name="vps.mount", text="#!/bin/sh\nexit 5\n", mode=0o750):
    path = root / "etc/vz/conf" / name
    path.write_text(text)
    path.chmod(mode)
    return path


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
    assert [line for line in take(root) if "vps.mount.before-vzhooks" in line and "replaced by somebody" in line]
    assert (root / "etc/vz/conf/vps.mount").read_text() == "#!/bin/sh\n# newer\n"
    assert (root / "etc/vz/conf/vps.mount.before-vzhooks").read_text() == "#!/bin/sh\nexit 5\n"


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
    return list(install.install(Paths(str(root)), "/opt/it's/python", asked))


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


# -- over an older version ------------------------------------------------------------------------------


def as_older_version(root):
    """Make an installation look like one of another version, with a file that we do not have any more."""
    manifest = root / "var/lib/vzhooks/installed.json"
    (root / "etc/vz/old.conf").write_text("old\n")
    manifest.write_text(json.dumps([*json.loads(manifest.read_text()), "/etc/vz/old.conf"]))
    for name in HOOKS:
        path = root / "etc/vz/conf" / name
        path.write_text(path.read_text().replace("status", "state"))
    (root / "usr/share/man/man8/vzhooks.8").write_text("old\n")
    (root / "usr/share/man/man5/vzhooks.ini.5").unlink()


def test_an_older_version_is_refreshed_in_place(root):
    own(root)
    before = tree(root)
    put(root)
    new = tree(root)
    as_older_version(root)
    lines = put(root)
    assert f"removed {root}/etc/vz/old.conf: of an older version" in lines
    assert not any("kept" in line for line in lines)
    manifest = "var/lib/vzhooks/installed.json"
    assert json.loads(tree(root)[manifest][1]) == json.loads(new[manifest][1])
    assert tree(root) == new
    take(root)
    assert tree(root) == before


def test_another_version_s_copy_of_our_script_is_not_chained(root):
    put(root)
    text = (root / "etc/vz/conf/vps.mount").read_text()
    take(root)
    own(root, text=text.replace("status", "state"), mode=0o755)
    put(root)
    assert (root / "etc/vz/conf/vps.mount").read_text() == text
    assert not (root / "etc/vz/conf/vps.mount.before-vzhooks").exists()


def test_a_script_that_only_mentions_us_is_an_administrator_s(root):
    own(root, text="#!/bin/sh\n# see also:\n# vzhooks hook script for vzctl\n")
    before = tree(root)
    put(root)
    assert (root / "etc/vz/conf/vps.mount.before-vzhooks").exists()
    take(root)
    assert tree(root) == before


def test_a_package_that_puts_the_kept_script_back_is_no_hindrance(root):
    """Its upgrade overwrites ours with the very script that ours runs."""
    own(root)
    before = tree(root)
    put(root)
    new = tree(root)
    (root / "etc/vz/conf/vps.mount").unlink()
    own(root)
    assert "replaced by somebody" in chain.wrong(Paths(str(root)))[f"{root}/etc/vz/conf/vps.mount"]
    put(root)
    assert tree(root) == new
    take(root)
    assert tree(root) == before


# -- cut short ------------------------------------------------------------------------------------------


CHANGES = ("open", "replace", "mkdir", "symlink", "link", "unlink", "rmdir", "chmod", "fchmod")


def dies(act, root, steps):
    """Tell whether a process that is killed before its change number `steps` had still more to do."""
    child = os.fork()
    if not child:
        left = [steps]

        def limited(change):
            def step(*args, **more):
                if not left[0]:
                    os.kill(os.getpid(), signal.SIGKILL)
                left[0] -= 1
                return change(*args, **more)
            return step
        for name in CHANGES:
            setattr(os, name, limited(getattr(os, name)))
        act(root)
        os._exit(0)
    return os.WIFSIGNALED(os.waitpid(child, 0)[1])


@pytest.mark.parametrize("older", [False, True], ids=["fresh", "upgrade"])
@pytest.mark.parametrize("act", [put, take])
def test_a_crash_at_any_step_is_mended_by_the_next_install_or_uninstall(tmp_path, act, older):
    """And at each of them vzctl finds a script under the name it calls, the administrator's or ours."""
    steps, died, stride = 0, True, 1 if act is put and not older else 3
    while died:
        root = tmp_path / str(steps)
        (root / "etc/vz/conf").mkdir(parents=True)
        (root / "var/lib").mkdir(parents=True)
        own(root)
        before = tree(root)
        if older or act is take:
            put(root)
            as_older_version(root)
        died = dies(act, root, steps)
        text = (root / "etc/vz/conf/vps.mount").read_bytes()
        assert text == b"#!/bin/sh\nexit 5\n" or (root / "etc/vz/conf/vps.mount.before-vzhooks").exists()
        if steps % 2:
            put(root)
            assert put(root) == []
        take(root)
        assert tree(root) == before, steps
        steps += stride
    assert steps > 20
