"""The packages: the same bytes each time, from any copy of the tree, with all that a node needs and nothing besides."""

import gzip
import hashlib
import io
import os
import re
import subprocess
import sys
import tarfile

import pytest
from packaging.requirements import Requirement

from pack.deb import SCRIPTS
from pack.release import MAINTAINER, ROOT, bundled, changes, release, required
from pack.tree import DOC, MODULES, PYTHONS
from vzhooks import __version__
from vzhooks.kernel.lean import NEEDED
from vzhooks.node.packed import PREFIX
from vzhooks.usage.outline import outline


def members(deb):
    """Return the parts of a deb, an ar archive."""
    data, found, at = deb.read_bytes(), {}, 8
    assert data.startswith(b"!<arch>\n")
    while at < len(data):
        size = int(data[at + 48:at + 58])
        found[data[at:at + 16].decode().rstrip()] = data[at + 60:at + 60 + size]
        at += 60 + size + size % 2
    return found


def unpacked(data):
    """Return what a tar holds: by path the entry and its content."""
    with tarfile.open(fileobj=io.BytesIO(gzip.decompress(data))) as tar:
        return {i.name.lstrip("."): (i, tar.extractfile(i).read() if i.isfile() else b"") for i in tar}


@pytest.fixture(scope="module")
def deb(built):
    return members(built[0])


@pytest.fixture(scope="module")
def files(deb):
    return unpacked(deb["data.tar.gz"])


@pytest.fixture(scope="module")
def rpm_says(built):
    """What rpm(8) says of the RPM for a query format."""
    return lambda query: subprocess.run(["rpm", "-qp", "--qf", query, str(built[1])], capture_output=True, text=True,
                                        check=True).stdout


def test_a_copy_of_the_tree_makes_the_same_bytes_whatever_the_machine_says(built, copy, tmp_path):
    subprocess.run([sys.executable, "-m", "pack", str(tmp_path / "again")], cwd=copy, check=True, umask=0o077,
                   env={**os.environ, "TZ": "Asia/Tokyo", "LC_ALL": "C.UTF-8", "HOME": str(tmp_path)},
                   capture_output=True)
    again = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in (tmp_path / "again").iterdir()}
    assert again == {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in built}


def test_the_modules_are_those_of_the_tree(files):
    for path in (ROOT / "vzhooks").rglob("*.py"):
        assert files[f"{MODULES}/{path.relative_to(ROOT)}"][1] == path.read_bytes()
    ours = {name for name in files if name.startswith(f"{MODULES}/vzhooks/") and files[name][0].isfile()}
    beside = [p for folder in ("scripts", "conf") for p in (ROOT / folder).iterdir()]
    said = {f"{MODULES}/vzhooks/{p.parent.name}/{p.name}" for p in beside if p.name.startswith(("v", "networkd"))}
    assert ours == said | {f"{MODULES}/{p.relative_to(ROOT)}" for p in (ROOT / "vzhooks").rglob("*.py")}


def test_it_brings_in_their_pinned_versions_all_modules_that_are_needed(files):
    assert set(bundled()) == set(required())
    for name, version in bundled().items():
        assert Requirement(name + required()[name]).specifier.contains(version)
        module = name.replace("-", "_")
        assert f"{MODULES}/{module}-{version}.dist-info/METADATA" in files
        assert {f"{MODULES}/{module}/__init__.py", f"{MODULES}/{module}.py"} & set(files)
    assert required()["pyroute2"] == NEEDED.removeprefix("pyroute2")


def test_the_links_lead_from_each_python_to_the_modules(files):
    oldest = re.search(r'python_requires=">=3\.(\d+)"', (ROOT / "setup.py").read_text()).group(1)
    assert min(PYTHONS) == int(oldest) and sys.version_info[1] in PYTHONS
    for minor in PYTHONS:
        entry = files[f"{PREFIX}/lib/python3.{minor}/site-packages"][0]
        assert os.path.normpath(os.path.join(os.path.dirname(entry.name), entry.linkname)) == MODULES.lstrip("/")


def test_files_are_root_s_and_nobody_else_writes_them(files):
    when = release().epoch
    for name, (entry, _) in files.items():
        assert (entry.uid, entry.gid, entry.mtime) == (0, 0, when), name
        assert entry.issym() or entry.mode in (0o644, 0o755), name
        assert not name.startswith(("/etc", "/var", "/usr/local")) and not name.endswith((".pyc", ".pyo")), name


def test_each_kind_has_command_pages_completion_and_documents(files, rpm_says):
    listed = set(rpm_says("[%{FILENAMES}\n]").splitlines())
    assert listed > {name for name, (entry, _) in files.items() if PREFIX in name and not entry.isdir()}
    for names in (set(files), listed):
        assert {"/usr/sbin/vzhooks", "/usr/share/man/man8/vzhooks.8.gz", f"{DOC}/README.md", f"{DOC}/CHANGELOG.md",
                "/usr/share/bash-completion/completions/vzhooks", f"{DOC}/docs/status-json.md"} <= names
        assert [n for n in names if n.endswith("/_vzhooks")]
    for name in bundled():  # each with its license
        assert f"modules/{name.replace('-', '_')}*\n" in files[f"{DOC}/copyright"][1].decode()
        assert [n for n in listed if n.startswith(f"/usr/share/licenses/vzhooks/{name.replace('-', '_')}/LICENSE")]
    page = gzip.decompress(files["/usr/share/man/man8/vzhooks.8.gz"][1]).decode()
    assert f"vzhooks {__version__}" in page and all(rf"vzhooks {c.name}" in page for c in outline().commands)


def test_each_kind_says_the_same_of_itself(deb, rpm_says):
    control = unpacked(deb["control.tar.gz"])
    fields = dict(re.findall(r"^([\w-]+): (.*)$", control["/control"][1].decode(), re.MULTILINE))
    assert (fields["Package"], fields["Version"], fields["Architecture"]) == ("vzhooks", __version__, "all")
    assert fields["Maintainer"] == MAINTAINER == rpm_says("%{PACKAGER}")
    assert rpm_says("%{NAME} %{VERSION}-%{RELEASE} %{ARCH}") == f"vzhooks {__version__}-1 noarch"
    assert fields["Depends"] == "python3 (>= 3.9), nftables (>= 1.0)"
    assert {"python3 >= 3.9", "nftables >= 1.0"} <= set(rpm_says("[%{REQUIRES} %{REQUIREFLAGS:depflags} "
                                                                 "%{REQUIREVERSION}\n]").splitlines())
    assert rpm_says("%{CHANGELOGTEXT}").startswith(f"- {changes()[0]}")
    assert {name.lstrip("/") for name in control} == {"", "control", "md5sums", *SCRIPTS}


def test_the_sums_of_the_deb_are_right(deb, files):
    sums = unpacked(deb["control.tar.gz"])["/md5sums"][1].decode()
    found = {f"/{name}": digest for digest, name in (line.split("  ") for line in sums.splitlines())}
    assert found == {name: hashlib.md5(data).hexdigest() for name, (entry, data) in files.items() if entry.isfile()}
