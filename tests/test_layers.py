"""The import direction is a test: pure modules import no I/O, and only one file talks netlink."""

import ast
import re
from pathlib import Path

PACKAGE = Path(__file__).parent.parent / "vzhooks"

# Each module may import those in its own line's layers or above; the doors come last.
LAYERS = [
    {"__init__", "errors", "interrupt", "model", "lean"},
    {"inifile", "keys", "priorities", "words"},
    {"foreign", "guard", "roles", "settings", "tables", "vzconf", "wrapper"},
    {"confedit", "facts", "gateways", "harden", "messages", "nat", "sysctl", "uplinks"},
    {"compare", "routes", "rules"},
    {"elements", "own"},
    {"policy"},
    {"records"},
    {"census", "plan"},
    {"consequences", "drift"},
    {"disk", "host", "nft", "spawn", "trust"},
    {"apply", "flows", "kernel", "ini", "vzlock"},
    {"request"},
    {"arrival", "asking", "inputs", "keep"},
    {"reconcile", "log", "shim"},
    {"view"},
    {"verdict"},
    {"findings"},
    {"doctor_node", "doctor_rules", "doctor_ves"},
    {"announce", "doctor", "events", "explain", "status"},
    {"probe_arp", "probe_nd"},
    {"assign", "chain", "commands", "follow", "manifest", "outline", "probe", "table", "terminal"},
    {"completion", "manual"},
    {"examine", "hook", "install", "overview", "vzctl", "where"},
    {"live"},
    {"cli"},
    {"__main__"},
]
PURE = {"model", "errors", "roles", "tables", "settings", "vzconf", "guard", "policy", "census", "plan", "status",
        "table", "harden", "doctor", "messages", "uplinks", "confedit", "explain", "wrapper", "keys", "commands",
        "completion", "manual", "outline", "words", "foreign", "drift", "view", "verdict",
        "findings", "gateways", "inifile", "nat", "doctor_node", "doctor_rules", "doctor_ves",
        "compare", "consequences", "elements", "facts", "own", "priorities", "request", "routes", "rules"}
IO = {"os", "socket", "subprocess", "pyroute2", "fcntl", "time", "sys", "shutil", "signal", "syslog"}


def imported(path):
    """Return the modules a file imports, ours by their bare name."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module == "vzhooks":
            names |= {f"vzhooks.{alias.name}" for alias in node.names if not alias.name.startswith("__")}
        elif isinstance(node, ast.ImportFrom):
            names.add(node.module)
    return names


def modules():
    return {path.stem: imported(path) for path in PACKAGE.glob("*.py")}


def test_every_module_has_its_layer():
    assert set(modules()) == set().union(*LAYERS)


def test_imports_go_one_way_only():
    rank = {name: n for n, layer in enumerate(LAYERS) for name in layer}
    wrong = [(name, used) for name, uses in modules().items() for used in uses
             if used.startswith("vzhooks.") and rank[used.partition(".")[2]] > rank[name]]
    assert wrong == []


def test_pure_modules_do_no_io():
    wrong = {name: uses & IO for name, uses in modules().items() if name in PURE and uses & IO}
    assert wrong == {}


def test_only_kernel_talks_netlink():
    """The kernel module uses pyroute2, which lean imports for it by name; flows alone talks to conntrack."""
    users = {path.stem for path in PACKAGE.glob("*.py") for node in ast.walk(ast.parse(path.read_text()))
             if isinstance(node, ast.Constant) and re.match(r"pyroute2[.\w]*$", str(node.value))}
    users |= {n for n, uses in modules().items() if any(u.startswith("pyroute2") for u in uses)}
    assert users == {"flows", "kernel", "lean"}
    doors = {"__main__", "hook", "live"}
    assert {n for n, uses in modules().items() if "vzhooks.lean" in uses} == {"kernel"} | doors
    readers = {"arrival", "asking", "examine", "follow"}
    assert {n for n, uses in modules().items() if "vzhooks.kernel" in uses} == {"reconcile"} | readers


def test_a_run_alone_changes_the_kernel():
    """Whoever else opens it reads; what is wished for and what there is meet in one place."""
    assert {n for n, uses in modules().items() if "vzhooks.apply" in uses and _calls(n, "apply")} == {"reconcile"}


def _calls(name, function):
    nodes = ast.walk(ast.parse((PACKAGE / f"{name}.py").read_text()))
    return any(isinstance(n, ast.Call) and isinstance(n.func, ast.Name) and n.func.id == function for n in nodes)


def test_only_nft_and_spawn_start_programs():
    """The first calls nft(8), the second the real vzctl in place of its wrapper."""
    assert [n for n, uses in modules().items() if "subprocess" in uses] == ["nft"]
    starts = re.compile(r"os\.(posix_spawn|exec|spawn|system|popen)")
    assert [p.stem for p in PACKAGE.glob("*.py") if starts.search(p.read_text())] == ["spawn"]
    assert [n for n, uses in modules().items() if "vzhooks.spawn" in uses] == ["vzctl"]
