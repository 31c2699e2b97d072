# SPDX-License-Identifier: GPL-2.0-or-later
"""Put our files on a node and take them away again, giving back exactly what stood there.

Names for ip(8) go to the drop-in directories of iproute2, read since its 4.4 (rt_tables.d, commit
13ada95d) and 4.10 (rt_protos.d, 719e331f), which is older than any kernel we run on. Nothing is ever
appended to rt_tables itself: since 6.5 such a file in /etc hides the whole one in /usr (0a0a8f12).
"""

from __future__ import annotations

import os
import sys
import sysconfig
from collections.abc import Collection, Iterator

from vzhooks import __version__
from vzhooks.errors import HostError, UsageError
from vzhooks.install import chain, shim, units
from vzhooks.install.manifest import Manifest
from vzhooks.kernel.apply import Watch
from vzhooks.model import PROTOCOL
from vzhooks.neighbours import follow
from vzhooks.node import files, ini, notes, trust
from vzhooks.node.disk import Disk, Pretend
from vzhooks.node.host import Paths
from vzhooks.node.packed import is_packed
from vzhooks.policy import records, tables
from vzhooks.policy.harden import OFF
from vzhooks.run import reconcile
from vzhooks.run.request import LEAVE, Request
from vzhooks.usage import completion, manual, outline

USUAL_PATH = ("/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin")
WHAT = "rules, routes, guard entries and settings"


def install(paths: Paths, python: str, wrapper: bool = False, dry: bool = False) -> Iterator[str]:
    """Put our files in place, and the hook scripts last; yield a line for each change.

    wrapper: the one of vzctl as well; one that is there already is kept up to date in any case. dry: only
    say so. Below a root (for packagers) it asks nothing of this machine. Over an older version it refreshes
    what that one put. Raises HostError where a file cannot be written, somebody's file is in the way or
    others than root could change what runs, KernelError where this kernel or its nft(8) is too old.
    """
    if not paths.root and not os.path.isdir(paths.conf_dir):
        raise HostError(f"{paths.conf_dir}: not there; is vzctl installed on this node?")
    if not os.path.isabs(python) or not python.isprintable():
        raise UsageError(f"{python!r} cannot be the interpreter; give its absolute path by --python")
    if not paths.root:
        from vzhooks.kernel import asking  # imports pyroute2, which no package build needs
        asking.require_support()
        _require_trust(python)
    lines: list[str] = []
    try:
        for line in _install(paths, python, wrapper, Pretend() if dry else Disk()):
            lines.append(line)
            yield line
    except OSError as error:
        raise HostError(f"{error.filename}: {error.strerror}; mend that, and install as root") from None
    if not paths.root:
        yield from units.start(paths, lines, __version__, dry)
        yield from _hints(paths, lines)


def _require_trust(python: str) -> None:
    faults = trust.untrusted(trust.executed(python), above=False)
    if faults:
        more = f", and {len(faults) - 1} more such" if faults[1:] else ""
        raise HostError(f"{faults[0]}{more}; root would run what others put there: install vzhooks where only "
                        "root can write, such as /opt/vzhooks, and give this command from there")


def _install(paths: Paths, python: str, wrapper: bool, disk: Disk) -> Iterator[str]:
    shim_text = _shim(paths, python, wrapper)
    made, files, links = Manifest(paths, disk), _files(paths, python), _links(paths, python)
    packed = _take_from_package(paths, made, files, links)
    scripts = {path: _script(os.path.basename(path), python) for path in chain.names(paths)}
    # `vzhooks harden` writes to sysctl.d later, which is then known as ours where it was missing.
    folders = [os.path.dirname(path) for path in (*scripts, *([] if paths.root else [paths.sysctl_d]))]
    wrappers = [paths.wrapper] if shim_text else []
    made.claim([*files, *links, *wrappers], folders, wrappers)
    for path, data in files.items():
        yield from made.write(path, data)
    for path, target in links.items():
        yield from made.link(path, target)
    for path in wrappers:
        yield from made.write(path, shim_text, 0o755)
    for folder in folders:
        made.folder(folder)
    for path, script in scripts.items():
        yield from chain.put(path, script, disk)
    yield from made.drop({*paths.all(), *files} - packed - ({paths.metrics_unit} - set(files)))


def _take_from_package(paths: Paths, made: Manifest, files: dict[str, bytes], links: dict[str, str]) -> frozenset[str]:
    """Leave out what a package brings, if we are from one; return what of it an earlier install may have put.

    Where both have the same place the file there is the package's by now.
    """
    if paths.root or not is_packed():
        return frozenset()
    pages = [path for path in files if os.path.dirname(path) in map(os.path.dirname, (paths.man8, paths.man5))]
    same, moved = (paths.bash, paths.fish), (paths.zsh, paths.command, *pages)
    for path in same:
        made.judge(path, False)
    for path in (*same, *moved):
        files.pop(path, b"")
        links.pop(path, "")
    return frozenset(moved)


def _links(paths: Paths, python: str) -> dict[str, str]:
    """Return our symbolic links: systemd's, and the command's where its directory is on nobody's PATH."""
    here = os.path.realpath(python) == os.path.realpath(sys.executable)
    folder = sysconfig.get_path("scripts") if here and not paths.root else os.path.dirname(python)
    command = os.path.join(folder, "vzhooks")
    wanted = folder not in USUAL_PATH and (paths.root or os.access(command, os.X_OK))
    return {paths.boot_want: "../vzhooks-boot.service", paths.daemon_want: "../vzhooks.service",
            paths.socket_want: "../vzhooks.socket", **({paths.command: command} if wanted else {})}


def _shim(paths: Paths, python: str, asked: bool) -> bytes:
    if not shim.wants(paths, asked):
        return b""
    vzctl = shim.known(paths, os.environ.get("PATH", ""), asked)
    return shim.text(_data("scripts", "vzctl"), python, vzctl)


def _files(paths: Paths, python: str) -> dict[str, bytes]:
    line = outline.outline()
    # Its content is this node's own, so no package has it.
    names = {} if paths.root else {paths.rt_tables: tables.table_names(notes.load_tables(paths.tables)).encode()}
    return {
        **names,
        paths.ini_sample: _data("conf", "vzhooks.ini"),
        paths.rt_protos: f"{PROTOCOL} vzhooks\n".encode(),
        paths.boot_unit: units.text(_data("conf", "vzhooks-boot.service"), python),
        paths.daemon_unit: units.text(_data("conf", "vzhooks.service"), python),
        paths.socket_unit: _data("conf", "vzhooks.socket"),
        **({} if paths.root or not ini.has_metrics(paths) else {paths.metrics_unit: units.METRICS}),
        paths.networkd: _data("conf", "networkd.conf"),
        **{_page(paths, name): page.encode() for name, page in manual.pages(line, __version__).items()},
        paths.bash: completion.bash(line).encode(),
        paths.zsh: completion.zsh(line).encode(),
        paths.fish: completion.fish(line).encode(),
    }


def _page(paths: Paths, name: str) -> str:
    return os.path.join(os.path.dirname(paths.man5 if name.endswith(".5") else paths.man8), name)


def _data(kind: str, name: str) -> bytes:
    """Return a file that comes with us: inside the installed package, or beside it in a source tree."""
    package = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    for folder in (os.path.join(package, kind), os.path.join(os.path.dirname(package), kind)):
        if os.path.exists(os.path.join(folder, name)):
            return files.content(os.path.join(folder, name))
    raise HostError(f"{kind}/{name}: not in this installation of vzhooks; install the package anew")


def _script(name: str, python: str) -> bytes:
    quoted = python.replace("'", "'\\''")
    package = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    ask = files.content(os.path.join(package, "ask", "thin.py")).rstrip()
    text = _data("scripts", name).replace(b"@ASK@", ask).replace(b"@VERSION@", __version__.encode())
    return text.replace(b"@PYTHON@", os.fsencode(quoted))


def _hints(paths: Paths, lines: Collection[str]) -> Iterator[str]:
    """Say what takes effect only when its reader is told; nothing where that does not run here."""
    if f"put {paths.networkd}" in lines and os.path.exists("/run/systemd/netif/state"):
        yield "now run: systemctl restart systemd-networkd && vzhooks resync"


def next_steps(paths: Paths) -> list[str]:
    """Return what to do after the first install, and what to know."""
    lines = [f"warning: {fault}, who can so change what root runs" for fault in trust.untrusted(trust.executed())]
    return [*lines, "nothing leaves by another NIC yet; `vzhooks doctor` tells what would break this node",
            "a VE gets its way out by `vzhooks set VE --uplink NIC --save`; `man vzhooks` tells the rest"]


def uninstall(paths: Paths, force: bool, watch: Watch | None = None, dry: bool = False) -> Iterator[str]:
    """Remove all we put and all our state in the kernel; yield a line for each change. dry: only say so.

    Raises HostError, nothing being changed, while VEs with an uplink run and `force` is not given.
    """
    disk = Pretend() if dry else Disk()
    made, notes = Manifest(paths, disk), _notes(paths)
    if not paths.root:
        _refuse_while_needed(paths, force)
        yield from units.stop(dry)
    try:
        for path in chain.names(paths):
            yield from chain.take_away(path, disk)
        if not paths.root:
            yield from _empty_kernel(paths, watch or Watch(), dry)
        made.judge(paths.wrapper, shim.wants(paths, False))
        replaced = os.path.lexists(paths.command) and not os.path.islink(paths.command)
        made.judge(paths.command, made.is_ours(paths.command) and not replaced)
        yield from made.remove()
        for folder, held in notes.items():
            disk.rmtree(folder)
            yield from [f"removed {folder}"] if held else []
        if not paths.root:
            units.forget(dry)
    except OSError as error:
        raise HostError(f"{error.filename}: {error.strerror}; mend that, and uninstall as root") from None


def _refuse_while_needed(paths: Paths, force: bool) -> None:
    if not os.path.isdir(paths.conf_dir):  # without vzctl no VE runs
        return
    # With --force as well: what cannot be read now cannot be removed, and the hooks must not go alone.
    report = reconcile.run(paths, Request(dry_run=True, door=LEAVE))
    # An address that vzctl was about to give keeps a VE among the ways for a while after its stop.
    over = {c for c, record in notes.load_ves(paths.ves).items() if record.phase == records.STOPPING}
    running = dict.fromkeys(w.ve.ctid for w in report.ways if (w.ve.uplink or w.uplink)
                            and (w.ve.ctid not in over or set(report.facts.local).intersection(w.ve.addresses)))
    if running and not force:
        raise HostError(f"VEs with an uplink run ({', '.join(running)}) and would fall to main's routes; "
                        "stop them, or give --force")


def _empty_kernel(paths: Paths, watch: Watch, dry: bool) -> Iterator[str]:
    report = reconcile.run(paths, Request(dry_run=dry, empty=True, harden=OFF, watch=watch, door=LEAVE))
    yield from map(str, report.moves)
    if not dry:
        follow.announce_moved(report)
    if report.failures:
        raise HostError("; ".join(f.text for f in report.failures))
    count = len(report.ops)
    if count:
        yield f"removed {count} {'rule, route, guard entry or setting' if count == 1 else WHAT}"


def _notes(paths: Paths) -> dict[str, bool]:
    """Return the directories of our notes, and whether anything but locks is in them."""
    folders = [] if paths.root else [os.path.dirname(paths.tables), os.path.dirname(paths.ves)]
    lock = {os.path.basename(path) for path in (paths.lock, paths.daemon_lock, paths.socket)}
    return {folder: os.path.isdir(folder) and bool(set(os.listdir(folder)) - lock) for folder in folders}
