"""`vzhooks check` says every error of an ini at once, in a line each, and changes nothing, whatever it is given."""

import io
import json
import os
import sys
import threading

import pytest

from vzhooks.cli import main
from vzhooks.node import given

BAD = """\
[node]
reserve = eth0
on_error = never
[uplink:isp1]
gatway = 192.168.18.1
table = 254
[uplink:isp2]
backup = isp3
[extra]
"""
PLACES = [(2, "node", "reserve", ""), (3, "node", "on_error", "never"), (5, "uplink:isp1", "gatway", ""),
          (6, "uplink:isp1", "table", "254"), (8, "uplink:isp2", "backup", "isp3"), (9, "extra", "", "")]


def check(capsys, *argv):
    status = main.main(["check", *map(str, argv)])
    said = capsys.readouterr()
    assert "Traceback" not in said.err
    return status, said.out.splitlines(), said.err.splitlines()


@pytest.fixture
def ini(tmp_path):
    def write(data):
        (tmp_path / "x.ini").write_bytes(data if isinstance(data, bytes) else data.encode())
        return tmp_path / "x.ini"
    return write


def test_every_error_is_said_at_once_with_its_place_and_what_is_allowed(capsys, ini):
    path = ini(BAD)
    status, lines, talk = check(capsys, path)
    assert (status, talk) == (1, [])
    heads = [f"{path}:{n}: [{section}]" + (f" {key}" if key else "") + (f" = {v}" if v else "") + ": "
             for n, section, key, v in PLACES]
    assert [head for head, line in zip(heads, lines) if not line.startswith(head)] == []
    assert len(lines) == len(PLACES) and all("allowed: " in line for line in lines), lines
    assert path.read_text() == BAD


def test_json_holds_the_same_for_programs(capsys, ini):
    path = ini(BAD)
    status = main.main(["check", str(path), "--json"])
    found = json.loads(capsys.readouterr().out)
    assert status == 1
    assert [(f["line"], f["section"], f["key"], f["value"]) for f in found] == PLACES
    assert {f["level"] for f in found} == {"error"} and {f["file"] for f in found} == {str(path)}
    assert found[1]["allowed"] == "refuse, warn"
    assert found[2]["allowed"].startswith("device, gateway, ")


@pytest.mark.parametrize("text", ["", "\ufeff", "\n\n", "[node]\n", "\ufeff[node]\r\nunassigned = block\r\n",
                                  "; só com comentários\n"])
def test_a_good_one_is_status_0(capsys, ini, text):
    status, lines, talk = check(capsys, ini(text))
    assert (status, len(talk)) == (0, 1) and talk[0].endswith("x.ini: no error")
    assert lines == ([] if text.strip("\ufeff\n") else [f"{ini(text)}: warning: empty, so every key has its default"])


@pytest.mark.parametrize("data, part", [
    (b"[node]\nx = \xff\n", ":2: byte 5 (0xff) is not UTF-8"), ("[node]".encode("utf-16"), ":1: byte 1 (0xff) is not"),
    ("[node]".encode("utf-16-le"), ":1: byte 2 is binary"), (b"\x7fELF\0", ":1: byte 5 is binary"),
    (b"[node]\n" * (given.MAX_BYTES // 7 + 1), "larger than 1048576 bytes"),
])
def test_what_is_no_text_is_one_line(capsys, ini, data, part):
    status, lines, talk = check(capsys, ini(data))
    assert (status, len(lines), talk) == (1, 1, []) and part in lines[0]
    main.main(["check", "--json", str(ini(data))])
    assert [f["line"] for f in json.loads(capsys.readouterr().out)] == [int(part[1]) if part[0] == ":" else 0]


@pytest.mark.parametrize("path, part", [
    ("/dev/zero", "larger than"), ("/", "Is a directory"), ("/nowhere/x.ini", "No such file or directory"),
    ("x" * 300, "File name too long"), ("/dev/null/x", "Not a directory"),
])
def test_what_is_no_file_is_one_line(capsys, path, part):
    status, lines, talk = check(capsys, path)
    assert (status, len(lines), talk) == (1, 1, []) and part in lines[0]


def test_a_name_that_would_move_a_terminal_is_escaped(capsys, tmp_path):
    path = tmp_path / "\x1b[31m\n.ini"
    path.write_text(BAD)
    status, lines, _ = check(capsys, path)
    assert status == 1 and len(lines) == len(PLACES) and all(line.isprintable() for line in lines)


def test_an_empty_name_is_a_usage_error_and_not_the_node_s_own(capsys):
    status, lines, talk = check(capsys, "")
    assert (status, lines) == (2, []) and "the FILE is empty" in talk[0]


def test_a_pipe_is_read_and_one_without_a_writer_is_empty(capsys, tmp_path):
    os.mkfifo(tmp_path / "pipe")
    status, lines, _ = check(capsys, tmp_path / "pipe")
    assert status == 0 and "empty" in lines[0]
    reader, writer = os.pipe()
    thread = threading.Thread(target=lambda: (os.write(writer, BAD.encode()), os.close(writer)))
    thread.start()
    assert len(check(capsys, f"/dev/fd/{reader}")[1]) == len(PLACES)
    thread.join()
    os.close(reader)


def test_a_dash_is_what_comes_in(capsys, monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(BAD.encode())))
    status, lines, _ = check(capsys, "-")
    assert status == 1 and lines[0].startswith("stdin:2: [node] reserve")
