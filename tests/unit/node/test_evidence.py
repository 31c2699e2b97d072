"""A VE is mounted where the kernel says so, however many mounts there are and whatever their names."""

import pytest

from vzhooks.node import evidence

LINE = "{n} 1 0:1 {root} {point} rw,relatime shared:1 - tmpfs lab rw\n"
MANY = 20000


@pytest.fixture
def mounts(monkeypatch, tmp_path):
    """Return a function that takes a text for what the kernel says."""
    def use(text):
        (tmp_path / "mountinfo").write_text(text)
        monkeypatch.setattr(evidence, "MOUNTS", str(tmp_path / "mountinfo"))
    return use


def mounted(*roots):
    roots = {str(n): root for n, root in enumerate(roots)}
    return evidence.evidence(roots, {}, []).mounted


@pytest.mark.parametrize("more", [0, evidence.FEW])
def test_only_the_mount_point_counts(mounts, more):
    others = [f"/no/{n}" for n in range(more)]
    mounts(LINE.format(n=1, root="/vz/private/1", point="/vz/root/0") + LINE.format(n=2, root="/vz/root/2", point="/x"))
    assert mounted("/vz/root/0", "/vz/private/1", "/vz/root/2", *others) == {"0"}


@pytest.mark.parametrize("more", [0, evidence.FEW])
def test_odd_names_are_found(mounts, more):
    mounts(LINE.format(n=1, root="/", point=r"/vz/a\040b\134c"))
    assert mounted(r"/vz/a b\c", *[f"/no/{n}" for n in range(more)]) == {"0"}


def test_the_last_of_many_is_seen(mounts):
    """More than a config may be long; what is cut short would be taken for stopped VEs."""
    mounts("".join(LINE.format(n=n, root="/", point=f"/vz/root/{n}") for n in range(MANY)))
    assert mounted(f"/vz/root/{MANY - 1}") == {"0"}
