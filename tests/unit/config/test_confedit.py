"""One line of a VE's config changes, and every other byte stays."""

import pytest

from vzhooks.config.confedit import with_uplink
from vzhooks.config.vzconf import parse

ODD = b'ONBOOT="yes"\n# UPLINK="no"\n\n\xff\xfe junk without equals\nUPLINKS=x\nDESCRIPTION="a\\"b"   \n'


def test_several_are_written_with_blanks_between():
    assert with_uplink(b"UPLINK=a\n", "isp1,isp2") == b'UPLINK="isp1 isp2"\n'


@pytest.mark.parametrize(("before", "after"), [
    (ODD, ODD + b'UPLINK="isp2"\n'),
    (ODD[:-1], ODD + b'UPLINK="isp2"\n'),
    (b'A=1\nUPLINK="isp1"  # why\nB=2\n', b'A=1\nUPLINK="isp2"\nB=2\n'),
    (b"A=1\r\nUPLINK=isp1\r\nB=2\r\n", b'A=1\r\nUPLINK="isp2"\r\nB=2\r\n'),
    (b"UPLINK=a\nUPLINK=b\nB=2", b'UPLINK=a\nUPLINK="isp2"\nB=2'),
    (b"A=1\nUPLINK=b", b'A=1\nUPLINK="isp2"'),
    (b"", b'UPLINK="isp2"\n'),
    (b'A=1\nUPLINK="isp1"\r', b'A=1\nUPLINK="isp2"\r'),
    (b"A=1\rUPLINK=isp1\rB=2\r", b'A=1\rUPLINK="isp2"\rB=2\r'),
    (b"A=1\n export Uplink = isp1 # why\nB=2\n", b'A=1\nUPLINK="isp2"\nB=2\n'),
    (b"UPLINK=a\nuplink=b\n", b'UPLINK=a\nUPLINK="isp2"\n'),
    (b'\xef\xbb\xbfUPLINK="isp1"\nB=2\n', b'UPLINK="isp2"\nB=2\n'),
    (b'\xef\xbb\xbfA=1\n', b'\xef\xbb\xbfA=1\nUPLINK="isp2"\n'),
])
def test_the_line_is_changed_or_appended(before, after):
    assert with_uplink(before, "isp2") == after
    assert with_uplink(after, "isp2") == after


@pytest.mark.parametrize(("before", "after"), [
    (ODD, ODD), (b"A=1\nUPLINK=a\nB=2\n  UPLINK='b'\n", b"A=1\nB=2\n"), (b"A=1\nUPLINK=b", b"A=1\n"), (b"", b""),
    (b'A=1\nUPLINK="a"\r', b"A=1\n"), (b"A=1\nUPLINK=a\r\r\nB=2\n", b"A=1\n\r\nB=2\n"),
    (b"A=1\rUPLINK=a\rB=2\r", b"A=1\rB=2\r"),
    (b'\xef\xbb\xbfUPLINK="a"\nUPLINK =b\nexport uplink=c\n#UPLINK=d\nB=2', b"#UPLINK=d\nB=2"),
])
def test_none_removes_every_uplink_line(before, after):
    assert with_uplink(before, "") == after
    assert not after or parse(b"ONBOOT=no\n" + after, "101", "c").uplink == ""


def test_what_is_written_is_what_is_read():
    assert parse(with_uplink(ODD, "isp2.x:1-y"), "101", "c").uplink == "isp2.x:1-y"
