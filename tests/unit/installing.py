"""What tests of install share: a root to install below, and what an administrator has there."""

import os

from vzhooks.install import install
from vzhooks.node.host import Paths

HOOKS = ("vps.mount", "vps.umount", "vps.postumount")
KEPT = "etc/vz/conf/before-vzhooks/vps.mount"


def tree(root):
    """Return every file, link and directory with its mode and content."""
    found = {}
    for path in sorted(root.rglob("*")):
        content = os.readlink(path) if path.is_symlink() else path.read_bytes() if path.is_file() else None
        found[str(path.relative_to(root))] = (path.lstat().st_mode, content)
    return found


def put(root, python="/opt/it's/python", **more):
    return list(install.install(Paths(str(root)), python, **more))


def take(root, **more):
    return list(install.uninstall(Paths(str(root)), False, **more))


def own(root, name="vps.mount", text="#!/bin/sh\nexit 5\n", mode=0o750):
    path = root / "etc/vz/conf" / name
    path.write_text(text)
    path.chmod(mode)
    return path
