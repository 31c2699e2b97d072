"""What is too old is said in one line that names what is needed, and nothing half-works."""

import runpy
import sys
from types import SimpleNamespace

import pytest

from vzhooks.errors import KernelError
from vzhooks.kernel import nft
from vzhooks.kernel.messages import protocol_of


def test_a_kernel_that_keeps_no_protocol_for_rules():
    assert protocol_of({"FRA_PROTOCOL": 2}) == 2
    with pytest.raises(KernelError, match="keeps no protocol .* Linux 4.18 or later"):
        protocol_of({"FRA_PRIORITY": 0})


@pytest.mark.parametrize("stderr, said", [
    ("/dev/stdin:3:1-5: Error: syntax error, unexpected string\n", "nft 1.0 or later"),
    ("Error: Could not process rule: Operation not supported\n", "Linux 4.18 or later with nftables"),
    ("Error: Could not process rule: Operation not permitted\n", "run as root"),
])
def test_an_nft_or_kernel_that_cannot_hold_our_tables(monkeypatch, stderr, said):
    monkeypatch.setattr(nft.subprocess, "run", lambda *_, **__: SimpleNamespace(returncode=1, stdout="", stderr=stderr))
    with pytest.raises(KernelError, match=said) as error:
        nft.check()
    assert str(error.value).isprintable() and stderr.strip() in str(error.value)


def test_a_python_that_is_too_old(monkeypatch):
    monkeypatch.setattr(sys, "version_info", (3, 8, 10))
    with pytest.raises(SystemExit, match="needs Python 3.9 or later"):
        runpy.run_module("vzhooks", run_name="__main__")
