"""A command line that cannot be used ends with 2 and one line, before anything is read."""

import os
import subprocess
import sys

import pytest

from vzhooks.cli import main


@pytest.mark.parametrize("argv, parts", [
    ([], ["vzhooks: ", "required: COMMAND"]),
    (["uplink"], ["vzhooks: ", "invalid choice: 'uplink'"]),
    (["status", "--force"], ["vzhooks: ", "unrecognized arguments: --force"]),
    (["resync", "101", "--\x1b[31m\nred"], ["unrecognized arguments: --\\x1b[31m\\x0ared"]),
    (["status", "--json=yes"], ["vzhooks status: ", "--json"]),
    (["harden", "--check", "--undo"], ["vzhooks harden: ", "--undo", "not allowed with"]),
    (["hook"], ["vzhooks hook: ", "required: name"]),
    (["hook", "start"], ["vzhooks hook: ", "invalid choice: 'start'", "mount", "postumount"]),
    (["set", "101", "--uplink", "--save"], ["vzhooks set: --uplink needs the name of an uplink, or none"]),
    (["set", "101", "--uplink"], ["--uplink needs the name"]),
    (["install", "--destdir"], ["vzhooks install: ", "--destdir", "expected one argument"]),
])
def test_a_usage_error_is_one_line_and_status_2(capsys, argv, parts):
    with pytest.raises(SystemExit) as end:
        main.main(argv)
    said = capsys.readouterr()
    assert (end.value.code, said.out) == (2, "")
    assert said.err.endswith("--help`\n") and said.err[:-1].isprintable()
    assert [p for p in parts if p not in said.err] == []


@pytest.mark.parametrize("ctid", ["", "0", "../../x", "101 ", "-", "$(touch /x)", "{../../x}", "\x1b[31m", "a" * 65,
                                  "１０１"])
@pytest.mark.parametrize("command", ["resync", "status"])
def test_what_is_no_ve_s_id_is_a_usage_error(capsys, command, ctid):
    assert main.main([command, "101", ctid]) == 2
    said = capsys.readouterr()
    assert said.out == "" and said.err[:-1].isprintable() and "`vzlist`" in said.err


def test_an_install_below_a_directory_and_its_uninstall_ask_nothing_of_this_machine(capsys, tmp_path):
    below = ["--destdir", str(tmp_path / "new")]
    assert main.main(["install", *below]) == 0 and capsys.readouterr().err == ""
    assert main.main(["install", *below]) == 0
    assert capsys.readouterr() == ("", "vzhooks install: nothing to do\n")
    assert main.main(["uninstall", *below]) == 0 and capsys.readouterr().err == ""
    assert list((tmp_path / "new").iterdir()) == []
    assert main.main(["uninstall", *below]) == 0
    assert capsys.readouterr() == ("", "vzhooks uninstall: nothing to do\n")


def test_an_interpreter_without_an_absolute_path_is_a_usage_error(capsys, tmp_path):
    assert main.main(["install", "--destdir", str(tmp_path), "--python", "python3"]) == 2
    assert "absolute path by --python" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_a_directory_whose_name_is_no_text_is_installed_below_and_shown(tmp_path):
    below = [*[sys.executable, "-m", "vzhooks"], "install", "--destdir", os.fsencode(tmp_path) + b"/\xff\n"]
    done = subprocess.run(below, capture_output=True, env={"PYTHONIOENCODING": "utf-8:strict"})
    assert done.returncode == 0 and done.stderr == b""
    assert b"/\\xdcff\\x0a/etc/vz/conf/vps.mount\n" in done.stdout
