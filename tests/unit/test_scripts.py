"""Where no python works, sh reads UPLINK as we do: such a VE must not start, and every other one must."""

import os
import random
import subprocess
from pathlib import Path

import pytest

from vzhooks.config.vzconf import parse

ROOT = Path(__file__).parents[2]
SCRIPTS = ("vps.mount", "vz-netns_dev_add")
HEADS = ["UPLINK=", "UPLINK =", "UPLINK = ", "Uplink=", "\tuplink\t=", "export UPLINK=", " export  uplink = ",
         "\ufeffUPLINK=", "\ufeff export UPLINK=", "#UPLINK=", "# UPLINK = ", "XUPLINK=", "exportUPLINK=", "UPLINK",
         "UPLINKS="]
VALUES = ["eth3", '"eth3"', "'eth3'", "", '""', '" "', "none", '"none"', "' none '", "NONE", '"none', "none # why",
          "none#why", '"none" # why', '"none"#why', "# why", "#", '"eth3" # none', "none such", "\"none'",
          '"isp1 isp2"', "isp1,isp2", '"none isp1"', '"none,"', ",", "isp1 none",
          'none # it\'s "x"', '"none" junk', "\xff", "=", "none="]
ENDS = ["\n", "\r\n", "\r", "\r\r\n", ""]


@pytest.mark.parametrize("name", SCRIPTS)
def test_sh_refuses_whom_we_know_to_have_an_uplink_and_nobody_else(tmp_path, name):
    conf, script, kept = tmp_path / "101.conf", tmp_path / name, tmp_path / "before-vzhooks" / name
    text = (ROOT / "scripts" / name).read_text().replace("@PYTHON@", "/nowhere/python")
    script.write_text(text.replace("/etc/vz/conf/", f"{tmp_path}/"))
    kept.parent.mkdir()
    kept.write_text("#!/bin/sh\n")
    kept.chmod(0o755)
    env = {"VEID": "101", "VE_CONFFILE": str(conf), "VE_STATE": "running", "NETWORK_TYPE": "routed",
           "IP_ADD": "10.0.0.1"}
    for text in cases():
        conf.write_bytes(b"ONBOOT=no\n" + text.encode())
        said = subprocess.run(["/bin/sh", script], env=env, capture_output=True, timeout=20)
        assert said.returncode == bool(parse(conf.read_bytes(), "101", "c").uplink), text
    os.unlink(conf)
    assert subprocess.run(["/bin/sh", script], env=env, capture_output=True, timeout=20).returncode == 0


def cases():
    chance = random.Random(5)
    yield from (head + value + "\n" for head in HEADS for value in VALUES[:2])
    yield from ("UPLINK=" + value + "\n" for value in VALUES)
    for _ in range(60):
        lines = [chance.choice(HEADS) + chance.choice(VALUES) + chance.choice(ENDS[:4]) for _ in range(2)]
        yield "".join(lines) + chance.choice(HEADS) + chance.choice(VALUES) + chance.choice(ENDS)
