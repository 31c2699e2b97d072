"""The units fit the interpreter, and the daemon's holds it in narrow bounds."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from vzhooks.install import units

CONF = Path(__file__).parents[3] / "conf"
SERVICE = (CONF / "vzhooks.service").read_bytes()


def test_the_interpreter_is_quoted():
    text = units.text(SERVICE, '/opt/a "b" 100%/python').decode()
    assert 'ExecStart="/opt/a \\"b\\" 100%%/python" -I -m vzhooks daemon\n' in text and "@HOME@" not in text


@pytest.mark.parametrize("python, seen", [("/usr/bin/python3", "yes"), ("/root/venv/bin/python", "read-only"),
                                          ("/home/x/bin/python", "read-only"), ("/homely/bin/python", "yes")])
def test_an_interpreter_at_home_is_seen(python, seen):
    assert f"ProtectHome={seen}\n" in units.text(SERVICE, python).decode()


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="needs systemd-analyze")
def test_the_daemon_s_exposure_is_low(tmp_path):
    unit = tmp_path / "vzhooks.service"
    unit.write_bytes(units.text(SERVICE, "/usr/bin/python3"))
    (tmp_path / "vzhooks.socket").write_bytes((CONF / "vzhooks.socket").read_bytes())
    said = subprocess.run(["systemd-analyze", "security", "--offline=true", "--no-pager", unit], text=True,
                          capture_output=True, check=True, env={"LC_ALL": "C.UTF-8", "PATH": "/usr/bin:/bin"}).stdout
    found = re.search(r"Overall exposure level for vzhooks\.service: ([\d.]+)", said)
    assert found and float(found[1]) <= 2.0, said
