"""An install over an older version, or over one that was cut short, ends as a fresh one does."""

import json
import os
import signal

import pytest

from tests.unit.installing import HOOKS, KEPT, own, put, take, tree
from vzhooks.errors import HostError
from vzhooks.install import chain
from vzhooks.node.host import Paths


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
    assert not (root / KEPT).exists()


def test_a_script_that_only_mentions_us_is_an_administrator_s(root):
    own(root, text="#!/bin/sh\n# see also:\n# vzhooks hook script for vzctl\n")
    before = tree(root)
    put(root)
    assert (root / KEPT).exists()
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


def as_kept_before(root):
    """Make an installation look like one of a version that kept a script behind a longer name."""
    for name in HOOKS:
        kept = root / "etc/vz/conf/before-vzhooks" / name
        if os.path.lexists(kept):
            old = root / "etc/vz/conf" / f"{name}.before-vzhooks"
            if kept.is_symlink():
                old.symlink_to(os.readlink(kept)[len("../"):])
                kept.unlink()
            else:
                kept.rename(old)
    (root / "etc/vz/conf/before-vzhooks").rmdir()
    as_older_version(root)


def test_a_script_kept_by_an_older_version_moves_to_where_it_keeps_its_name(root):
    own(root)
    (root / "etc/vz/conf/vps.umount").symlink_to("mine.sh")
    before = tree(root)
    put(root)
    new = tree(root)
    as_kept_before(root)
    assert [line for line in put(root) if line.startswith(f"kept {root}/etc/vz/conf/vps.mount.before-vzhooks as ")]
    assert tree(root) == new
    as_kept_before(root)
    take(root)
    assert tree(root) == before


def test_another_script_where_the_old_one_is_to_be_kept_stops_the_install(root):
    own(root)
    put(root)
    (root / KEPT).rename(root / "etc/vz/conf/vps.mount.before-vzhooks")
    (root / KEPT).write_text("another\n")
    before = tree(root)
    with pytest.raises(HostError, match="before-vzhooks/vps.mount: in the way.*move one of them"):
        put(root)
    assert tree(root) == before


@pytest.mark.parametrize(("line", "cautioned"), [
    (". $(dirname $0)/my.conf", True), ('. "$(dirname "$0")"/x', True), ("cd ${0%/*}", True),
    ("case $(basename $0) in vps.mount) ;; esac", False), (". /etc/vz/vz.conf", False)])
def test_a_script_that_looks_beside_itself_is_told_of(root, line, cautioned):
    own(root, text=f"#!/bin/sh\n{line}\n")
    assert [("give it full paths" in said) for said in put(root) if said.startswith("kept")] == [cautioned]


CHANGES = ("open", "replace", "mkdir", "symlink", "link", "unlink", "rmdir", "chmod", "fchmod")


def runs_kept(root, text):
    """Tell whether the script of ours that stands there, of this version or the one before, runs what was kept."""
    return (root / KEPT).exists() or b"state" in text and (root / "etc/vz/conf/vps.mount.before-vzhooks").exists()


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


@pytest.mark.parametrize("older", [None, as_older_version, as_kept_before], ids=["fresh", "upgrade", "kept-before"])
@pytest.mark.parametrize("act", [put, take])
def test_a_crash_at_any_step_is_mended_by_the_next_install_or_uninstall(tmp_path, act, older):
    """And at each of them vzctl finds a script under the name it calls, the administrator's or ours."""
    steps, died, stride = 0, True, 1 if act is put and not older else 3
    while died:
        root = tmp_path / str(steps)
        (root / "etc/vz/conf").mkdir(parents=True)
        (root / "var/lib").mkdir(parents=True)
        own(root)
        (root / "etc/vz/conf/vps.umount").symlink_to("mine.sh")
        before = tree(root)
        if older or act is take:
            put(root)
            (older or as_older_version)(root)
        died = dies(act, root, steps)
        text = (root / "etc/vz/conf/vps.mount").read_bytes()
        assert text == b"#!/bin/sh\nexit 5\n" or runs_kept(root, text)
        if steps % 2:
            put(root)
            assert put(root) == []
        take(root)
        assert tree(root) == before, steps
        steps += stride
    assert steps > 20
