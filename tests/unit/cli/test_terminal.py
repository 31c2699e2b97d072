"""The counter of a long run shows how far it is, in place, and leaves nothing of itself."""

from vzhooks.cli import terminal
from vzhooks.model import Sysctl
from vzhooks.node import interrupt
from vzhooks.policy.plan import ADD, Op

OPS = [Op(ADD, Sysctl(f"net/{n}", "1")) for n in range(12)]


def counted(capsys, monkeypatch, after_s):
    monkeypatch.setattr(terminal, "COUNT_AFTER_S", after_s)
    monkeypatch.setattr(terminal, "COUNT_EVERY_S", 0.0)
    monkeypatch.setattr(interrupt, "hold", lambda: None)
    counter = terminal.Counter("resync")
    counter.begin(len(OPS))
    for op in OPS:
        counter.made(op)
    return capsys.readouterr()


def test_a_long_run_is_counted_in_place_and_cleared(capsys, monkeypatch):
    said = counted(capsys, monkeypatch, -1.0)
    shown = said.err.split("\r")
    assert shown[1] == "vzhooks resync: 1/12 changes" and "vzhooks resync: 11/12 changes" in shown
    assert said.err.endswith("\r") and shown[-2].strip() == "" and len(shown[-2]) >= len(shown[-3].rstrip())
    assert said.out == ""


def test_a_short_run_is_not_counted(capsys, monkeypatch):
    assert counted(capsys, monkeypatch, 60.0).err == ""
