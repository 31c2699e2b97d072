# SPDX-License-Identifier: GPL-2.0-or-later
"""Put our files on a node and take them away again, giving back exactly what stood there.

A hook script of the administrator's is kept beside ours and run by it. What we made is noted in a
manifest, so that uninstall removes that and nothing else.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator

from vzhooks import ini, reconcile, records, shim, tables
from vzhooks.errors import HostError, SettingsError
from vzhooks.harden import OFF
from vzhooks.host import Paths
from vzhooks.model import PROTOCOL
from vzhooks.reconcile import Request
from vzhooks.settings import Settings

HOOKS = ("vps.mount", "vps.umount", "vps.postumount")
MARK = b"# vzhooks hook script"
KEPT = ".before-vzhooks"


def install(paths: Paths, python: str, wrapper: bool = False) -> Iterator[str]:
    """Put hook scripts, config sample and names for ip(8) in place; yield a line for each change.

    wrapper: the one of vzctl as well; one that is there already is kept up to date in any case.
    Raises HostError where a file cannot be written or somebody's file is in the way.
    """
    if not os.path.isdir(paths.conf_dir):
        raise HostError(f"{paths.conf_dir}: not there; is vzctl installed on this node?")
    shim_text = _shim(paths, python, wrapper)
    made = _Manifest(paths)
    try:
        for name in HOOKS:
            yield from _install_hook(os.path.join(paths.conf_dir, name), _script(name, python))
        for path, data in _files(paths, python).items():
            yield from made.write(path, data)
        yield from made.link(paths.boot_want, "../vzhooks-boot.service")
        if shim_text:
            yield from made.write(paths.wrapper, shim_text, 0o755, ours=True)
    except OSError as error:
        raise HostError(f"{error.filename}: {error.strerror}; mend that, and install as root") from None
    finally:
        made.save()  # also half done, so that uninstall finds what was made


def _shim(paths: Paths, python: str, asked: bool) -> bytes:
    if not shim.wants(paths, asked):
        return b""
    vzctl = shim.known(paths, os.environ.get("PATH", ""), asked)
    return shim.text(_data("scripts", "vzctl"), python, vzctl)


def _files(paths: Paths, python: str) -> dict[str, bytes]:
    return {
        paths.ini_sample: _data("conf", "vzhooks.ini"),
        paths.rt_tables: tables.table_names(records.load_tables(paths.tables)).encode(),
        paths.rt_protos: f"{PROTOCOL} vzhooks\n".encode(),
        paths.boot_unit: _data("conf", "vzhooks-boot.service").replace(b"@PYTHON@", os.fsencode(python)),
        paths.networkd: _data("conf", "networkd.conf"),
    }


def _data(kind: str, name: str) -> bytes:
    """Return a file that comes with us: inside the installed package, or beside it in a source tree."""
    here = os.path.dirname(os.path.abspath(__file__))
    for folder in (os.path.join(here, kind), os.path.join(os.path.dirname(here), kind)):
        if os.path.exists(os.path.join(folder, name)):
            return _bytes(os.path.join(folder, name))
    raise HostError(f"{kind}/{name}: not in this installation of vzhooks; install the package anew")


def _script(name: str, python: str) -> bytes:
    quoted = python.replace("'", "'\\''")
    return _data("scripts", name).replace(b"@PYTHON@", os.fsencode(quoted))


def wrong_hooks(paths: Paths) -> dict[str, str]:
    """Return what is wrong with each hook file: missing, replaced, or without its interpreter."""
    found = {}
    for path in (os.path.join(paths.conf_dir, name) for name in HOOKS):
        if not os.path.lexists(path):
            found[path] = "is missing, so vzctl does not call vzhooks"
        elif not _is_ours(path):
            found[path] = "was replaced by somebody, so vzctl does not call vzhooks"
        elif not _has_interpreter(path):
            found[path] = "names a python that is gone, so VEs with an uplink cannot start"
        elif not os.access(path, os.X_OK):
            found[path] = "is not executable, so vzctl fails on it"
    return found


def _has_interpreter(path: str) -> bool:
    line = next((x for x in _bytes(path).splitlines() if x.startswith(b"python=")), b"")
    return os.access(os.fsdecode(line[len(b"python="):].strip(b"'").replace(b"'\\''", b"'")), os.X_OK)


def _install_hook(path: str, script: bytes) -> Iterator[str]:
    if os.path.lexists(path) and not _is_ours(path):
        if os.path.lexists(path + KEPT):
            raise HostError(f"{path + KEPT}: in the way, and {path} is not ours; move one of them and try again")
        # The link first: at no moment is the administrator's script out of vzctl's sight.
        os.link(path, path + KEPT, follow_symlinks=False)
        yield f"kept {path} as {path + KEPT}; ours runs it"
    if not (_is_ours(path) and _bytes(path) == script):
        _replace(path, script, 0o755)
        yield f"put {path}"


def _is_ours(path: str) -> bool:
    return not os.path.islink(path) and os.path.isfile(path) and MARK in _bytes(path)


def _bytes(path: str) -> bytes:
    with open(path, "rb") as file:
        return file.read()


def _replace(path: str, data: bytes, mode: int) -> None:
    with open(path + ".new", "wb") as file:
        os.fchmod(file.fileno(), mode)
        file.write(data)
    os.replace(path + ".new", path)


def uninstall(paths: Paths, force: bool) -> Iterator[str]:
    """Remove all we put and all our state in the kernel; yield a line for each change.

    Raises HostError, nothing being changed, while VEs with an uplink run and `force` is not given.
    """
    if not paths.root:
        _refuse_while_needed(paths, force)
    for name in HOOKS:
        yield from _uninstall_hook(os.path.join(paths.conf_dir, name))
    if not paths.root:
        yield from _empty_kernel(paths)
    made = _Manifest(paths)
    made.claim(paths.wrapper, shim.wants(paths, False))
    yield from made.remove()
    if not paths.root:
        for folder in (os.path.dirname(paths.tables), os.path.dirname(paths.ves)):
            shutil.rmtree(folder, ignore_errors=True)
            yield f"removed {folder}"


def _settings(paths: Paths) -> Settings:
    try:
        return ini.load_for_hook(paths)[0]
    except SettingsError:
        return Settings()


def _refuse_while_needed(paths: Paths, force: bool) -> None:
    report = reconcile.run(paths, _settings(paths), Request(dry_run=True))
    running = [w.ve.ctid for w in report.ways if w.ve.uplink]
    if running and not force:
        raise HostError(f"VEs with an uplink run ({', '.join(running)}) and would fall to main's routes; "
                        "stop them, or give --force")


def _empty_kernel(paths: Paths) -> Iterator[str]:
    report = reconcile.run(paths, _settings(paths), Request(empty=True, harden=OFF))
    if report.failures:
        raise HostError("; ".join(f.text for f in report.failures))
    yield f"removed {len(report.ops)} rules, routes and guard entries"


def _uninstall_hook(path: str) -> Iterator[str]:
    if os.path.lexists(path) and _is_ours(path):
        if os.path.lexists(path + KEPT):
            os.replace(path + KEPT, path)
            yield f"put {path} back"
        else:
            os.unlink(path)
            yield f"removed {path}"
    elif os.path.lexists(path + KEPT):
        yield f"left {path + KEPT}: {path} was replaced by somebody since"


class _Manifest:
    """Hold which files and directories we made, so that only those are removed."""

    def __init__(self, paths: Paths) -> None:
        self.path = paths.manifest
        try:
            with open(self.path, encoding="utf-8") as file:
                self.made: list[str] = [os.fspath(path) for path in _a_list(json.load(file))]
        except FileNotFoundError:
            self.made = []
        except PermissionError:
            raise HostError(f"{self.path}: cannot be read; vzhooks must run as root") from None
        except (OSError, ValueError, TypeError) as error:
            raise HostError(f"{self.path}: cannot be read ({error}); remove it and install again") from None

    def write(self, path: str, data: bytes, mode: int = 0o644, ours: bool = False) -> Iterator[str]:
        """Put a file of ours unless a stranger's stands there; note it and its new directories."""
        if os.path.lexists(path) and path not in self.made and not ours:
            yield f"left {path}: it was there before"
            return
        self._note(path)
        if not os.path.exists(path) or _bytes(path) != data:
            _replace(path, data, mode)
            yield f"put {path}"

    def claim(self, path: str, ours: bool) -> None:
        """Say by what stands there whether a file is ours to remove: somebody may have replaced it."""
        self.made = [p for p in self.made if p != path] + [path] * ours

    def link(self, path: str, target: str) -> Iterator[str]:
        """Put a symbolic link, as `write` does a file."""
        if not os.path.lexists(path):
            self._note(path)
            os.symlink(target, path)
            yield f"put {path}"

    def _note(self, path: str) -> None:
        for folder in _missing_parents(path):
            os.mkdir(folder, 0o755)
            self.made.append(folder)
        self.made += [] if path in self.made else [path]

    def save(self) -> None:
        """Replace the manifest, which notes itself and its directories as well, to be removed last."""
        if self.path not in self.made:
            self.made[:0] = [*_missing_parents(self.path), self.path]
        records.replace(self.path, json.dumps(self.made, indent=1) + "\n", 0o600)

    def remove(self) -> Iterator[str]:
        """Remove what was made, the last first; a directory in use by others stays."""
        for path in reversed(self.made):
            try:
                os.rmdir(path) if os.path.isdir(path) and not os.path.islink(path) else os.unlink(path)
                yield f"removed {path}"
            except FileNotFoundError:
                continue
            except OSError as error:
                if path != os.path.dirname(self.path):
                    yield f"left {path}: {error.strerror}"


def _a_list(data: object) -> list:
    if not isinstance(data, list):
        raise ValueError("no list of files")
    return data


def _missing_parents(path: str) -> list[str]:
    folder, missing = os.path.dirname(path), []
    while not os.path.isdir(folder):
        missing.append(folder)
        folder = os.path.dirname(folder)
    return missing[::-1]
