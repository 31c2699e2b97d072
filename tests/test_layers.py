"""The import direction is a test: no file knows a wing above its own, pure wings do no I/O, one file talks netlink."""

import ast
import re
from pathlib import Path

PACKAGE = Path(__file__).parent.parent / "vzhooks"

# From the ground up: a file may import from its own wing and from those before it.
WINGS = ("", "config", "policy", "node", "ask", "kernel", "run", "neighbours", "usage", "hooks", "wrapper", "install",
         "status", "doctor", "daemon", "cli")
PURE = {"", "config", "policy", "usage", "status"}
ALSO_PURE = {"kernel/messages", "run/request", "wrapper/split", "doctor/findings", "doctor/checks",
             "doctor/node_checks", "doctor/rule_checks", "doctor/ve_checks", "doctor/uplink_checks",
             "daemon/part", "daemon/happenings"}
NOT_PURE = {"__main__"}
IO = {"os", "socket", "subprocess", "pyroute2", "fcntl", "time", "sys", "shutil", "signal", "syslog"}


def imported(path):
    """Return the modules a file imports, ours as wing/name."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names |= {_ours(node.module, alias.name) or node.module for alias in node.names}
    return names


def _ours(module, name):
    """Return the module that an import of a name from ours reads, as wing/name; None for others' modules."""
    parts = module.split(".")
    if parts[0] != "vzhooks":
        return None
    path = PACKAGE.joinpath(*parts[1:], name)
    return "/".join([*parts[1:], name] if path.with_suffix(".py").exists() else parts[1:]) or "__init__"


def modules():
    return {str(path.relative_to(PACKAGE).with_suffix("")): imported(path) for path in PACKAGE.rglob("*.py")}


def wing(name):
    return name.rpartition("/")[0]


def ours(uses):
    return {used for used in uses if (PACKAGE / f"{used}.py").exists()}


def test_every_folder_is_a_wing():
    assert {wing(name) for name in modules()} == set(WINGS)


def test_no_wing_knows_one_above_it():
    rank = {name: n for n, name in enumerate(WINGS)}
    wrong = [f"{name} imports {used}: {wing(name)} may not know {wing(used)}" for name, uses in modules().items()
             for used in ours(uses) if rank[wing(used)] > rank[wing(name)] and name != "__main__"]
    assert wrong == []


def test_no_two_modules_import_each_other():
    """Within a wing there is an order as well: taking away again and again who imports nothing that is left, all go."""
    left = {name: {u for u in ours(uses) if u != name} for name, uses in modules().items()}
    while free := {name for name, uses in left.items() if not uses & set(left)}:
        left = {name: uses for name, uses in left.items() if name not in free}
    assert left == {}


def test_pure_modules_do_no_io():
    pure = {n for n in modules() if wing(n) in PURE and n not in NOT_PURE} | ALSO_PURE
    assert {name: uses & IO for name, uses in modules().items() if name in pure and uses & IO} == {}


def test_every_wing_says_its_rule_in_two_sentences():
    texts = {name: ast.get_docstring(ast.parse((PACKAGE / name / "__init__.py").read_text())) for name in WINGS if name}
    assert {name: text for name, text in texts.items() if text.count(".\n") + text.endswith(".") != 2} == {}


def test_the_map_names_files_that_are_there():
    """CONTRIBUTING's way through the code, and its list of where to put what."""
    text = (PACKAGE.parent / "CONTRIBUTING.md").read_text()
    linked = re.findall(r"\]\(((?:vzhooks|scripts)/[^)]+)\)", text)
    listed = [f"vzhooks/{name}" for name in re.findall(r"`(\w+/\w+\.py)`", text) if wing(name) in WINGS]
    assert len(linked) > 10 and len(listed) > 10
    assert [path for path in linked + listed if not (PACKAGE.parent / path).exists()] == []


def test_only_kernel_talks_netlink():
    """One module uses pyroute2, which lean imports for it by name; conntrack alone talks to that."""
    users = {name for name in modules() for node in ast.walk(ast.parse((PACKAGE / f"{name}.py").read_text()))
             if isinstance(node, ast.Constant) and re.match(r"pyroute2[.\w]*$", str(node.value))}
    users |= {n for n, uses in modules().items() if any(u.startswith("pyroute2") for u in uses)}
    assert users == {"kernel/conntrack", "kernel/netlink", "kernel/lean"}
    doors = {"__main__", "hooks/hook", "hooks/live", "daemon/loop", "daemon/children"}
    assert {n for n, uses in modules().items() if "kernel/lean" in uses} == {"kernel/netlink", "cli/parts"} | doors
    readers = {"kernel/arrival", "kernel/asking", "doctor/gather", "neighbours/follow",
               "daemon/memory", "kernel/remembered", "kernel/nearby"}
    lenders = {"run/reconcile", "run/doors", "run/near"}
    assert {n for n, uses in modules().items() if "kernel/netlink" in uses} == lenders | readers


def test_a_run_alone_changes_the_kernel():
    """Whoever else opens it reads; what is wished for and what there is meet in one place."""
    users = {n for n, uses in modules().items() if "kernel/apply" in uses and _calls(n, "apply")}
    assert users == {"run/reconcile"}


def _calls(name, function):
    nodes = ast.walk(ast.parse((PACKAGE / f"{name}.py").read_text()))
    return any(isinstance(n, ast.Call) and isinstance(n.func, ast.Name) and n.func.id == function for n in nodes)


def test_only_nft_spawn_units_and_programs_start_any():
    """nft(8); the real vzctl in place of its wrapper; systemctl(1); what only tells, for a report."""
    users = {n for n, uses in modules().items() if "subprocess" in uses}
    assert users == {"kernel/nft", "install/units", "node/programs"}
    assert [n for n, uses in modules().items() if "node/programs" in uses] == ["cli/parts"]
    starts = re.compile(r"os\.(posix_spawn|exec|spawn|system|popen)")
    assert [n for n in modules() if starts.search((PACKAGE / f"{n}.py").read_text())] == ["wrapper/spawn"]
    assert [n for n, uses in modules().items() if "wrapper/spawn" in uses] == ["wrapper/vzctl"]
