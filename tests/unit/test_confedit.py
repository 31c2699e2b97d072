"""One line of a VE's config changes, and every other byte stays."""

import pytest

from vzhooks.confedit import with_uplink
from vzhooks.vzconf import parse

ODD = b'ONBOOT="yes"\n# UPLINK="no"\n\n\xff\xfe junk without equals\nUPLINKS=x\nDESCRIPTION="a\\"b"   \n'


@pytest.mark.parametrize(("before", "after"), [
    (ODD, ODD + b'UPLINK="isp2"\n'),
    (ODD[:-1], ODD + b'UPLINK="isp2"\n'),
    (b'A=1\nUPLINK="isp1"  # why\nB=2\n', b'A=1\nUPLINK="isp2"\nB=2\n'),
    (b"A=1\r\nUPLINK=isp1\r\nB=2\r\n", b'A=1\r\nUPLINK="isp2"\r\nB=2\r\n'),
    (b"UPLINK=a\nUPLINK=b\nB=2", b'UPLINK=a\nUPLINK="isp2"\nB=2'),
    (b"A=1\nUPLINK=b", b'A=1\nUPLINK="isp2"'),
    (b"", b'UPLINK="isp2"\n'),
])
def test_the_line_is_changed_or_appended(before, after):
    assert with_uplink(before, "isp2") == after
    assert with_uplink(after, "isp2") == after


@pytest.mark.parametrize(("before", "after"), [
    (ODD, ODD), (b"A=1\nUPLINK=a\nB=2\n  UPLINK='b'\n", b"A=1\nB=2\n"), (b"A=1\nUPLINK=b", b"A=1\n"), (b"", b""),
])
def test_none_removes_every_uplink_line(before, after):
    assert with_uplink(before, "") == after


def test_what_is_written_is_what_is_read():
    assert parse(with_uplink(ODD, "isp2.x:1-y"), "101", "c").uplink == "isp2.x:1-y"
