# SPDX-License-Identifier: GPL-2.0-or-later
"""Split a `vzctl set` command line into what is ours and what is the real vzctl's. Pure.

vzctl reads its own options, then the command, then the VE as it stands, and gives only the rest to
getopt_long(3) (kolyshkin/vzctl src/vzctl.c, src/vzctl-actions.c; OpenVZ/vzctl src/vzctl.c). So the word
behind an option that takes a value is that value, even where it reads `--uplink`. Hence the tables
of both generations' `set` options.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

from vzhooks.errors import UsageError
from vzhooks.words import NEEDS_NAME

OURS = "uplink"

_FLAGS_BOTH = "offline reset_ub save skip_arpdetect"
_FLAGS4 = "force offline-resize"
_FLAGS9 = "crypted detach detach-only disable enable netif_mac_renew recreate reencrypt wipe"
_VALUES_BOTH = """
applyconfig applyconfig_map avnumproc bootorder capability cpulimit cpumask cpus cpuunits cpuweight dcachesize
description devices devnodes dgramrcvbuf disabled diskinodes diskspace features host_ifname host_mac hostname
ifname iolimit iopslimit ioprio ip ipadd ipdel kmemsize lockedpages mac mac_filter meminfo mount_opts name
nameserver netdev_add netdev_del netif_add netif_del nodemask numfile numflock numiptent numothersock numproc
numpty numsiginfo numtcpsock onboot oomguarpages ostemplate othersockbuf pci_add pci_del physpages private
privvmpages quotatime quotaugidlimit ram root searchdomain setmode shmpages swap swappages tcprcvbuf tcpsndbuf
userpasswd vm_overcommit vmguarpages"""
_VALUES4 = "bridge diskquota iptables netfilter stop-timeout"
_VALUES9 = """
anonshpages apply-iponly apply_iponly autostopt bindmount-add bindmount-del bindmount_add bindmount_del
burst_cpu_avg_usage burst_cpulimit config_customized configure dcache default_gateway default_gw device
device-add device-del device-set device-uuid dhcp dhcp6 distribution encryption-keyid ext_ipadd ext_ipdel gateway
gateway6 gw gw6 ha ha-enable ha-prio ha_enable ha_prio image ipcshmpages iptentries journalled_quota jquota
memguarantee memory mnt netdev-add netdev-del nettype network noatime num-memory-subgroups numnetif numsock
numunixsock offline_management offline_service oomguar origin_sample pagecache-isolation pci-add pci-del rate
ratebound rsspages size slmmemorylimit slmmode sockrcvbuf storage-url tcpsendbuf totvmpages unixsockbuf vetype
vporttype"""


def _table(flags: str, values: str) -> dict[str, bool]:
    return {**dict.fromkeys(flags.split(), False), **dict.fromkeys(values.split(), True)}


GENERATIONS = (_table(f"{_FLAGS_BOTH} {_FLAGS4}", f"{_VALUES_BOTH} {_VALUES4}"),
               _table(f"{_FLAGS_BOTH} {_FLAGS9}", f"{_VALUES_BOTH} {_VALUES9}"))
"""Whether each `set` option takes a value: vzctl 4.11, vzctl 9.0."""

_SHORT = frozenset("epftilkabnx" + "srvgcmzuwd")
"""Letters that take a value: those of vzctl 4 (include/vzctl_param.h), more of 9 (include/vzctl.h)."""

_GLOBAL = ("--skiplock", "--skipowner", "--ignore-ha-cluster")
_GLOBAL_PREFIX = ("--verbose", "--quiet")  # vzctl 9 compares that many letters only
_GLOBAL_VALUE = "--configure-timeout"


@dataclass(frozen=True)
class Asked:
    """Hold what a `vzctl set` with our option asks for.

    ve: as typed; rest: all words but ours, as they stood; alone: nothing is left for the real vzctl
    but --save; adds: values of --ipadd; quiet: vzctl is to say errors only.
    """

    ve: str
    uplink: str
    rest: tuple[str, ...]
    save: bool
    alone: bool
    adds: tuple[str, ...]
    quiet: bool = False


@dataclass(frozen=True)
class _Group:
    """Hold one option with its value, or one other word; names: the options it may mean, none for a word."""

    words: tuple[str, ...]
    names: frozenset[str] = frozenset()
    value: str | None = None


def split(argv: Sequence[str]) -> Asked | None:
    """Return what a command line of vzctl, without its first word, asks of us; None where that is nothing.

    The last of several --uplink counts. Raises UsageError for one without a name.
    """
    at = _command(argv)
    if argv[at:at + 1] != ["set"] or len(argv) < at + 2:
        return None
    groups = list(_groups(argv[at + 2:]))
    ours = [g for g in groups if OURS in g.names]
    if not ours:
        return None
    if not all(g.value and not g.value.startswith("-") for g in ours):
        raise UsageError(f"{NEEDS_NAME}; nothing was changed")
    left = [g for g in groups if g not in ours]
    return Asked(
        ve=argv[at + 1],
        uplink=ours[-1].value or "",
        rest=(*argv[:at + 2], *(w for g in left for w in g.words)),
        save=any(_is_save(g) for g in left),
        alone=all(_is_save(g) or g.words == ("--",) for g in left),
        adds=tuple(g.value for g in left if g.value and g.names and g.names <= {"ip", "ipadd"}),
        quiet=any(word.startswith("--quiet") for word in argv[:at]),
    )


def _is_save(group: _Group) -> bool:
    return group.names == {"save"} and group.value is None


def _command(argv: Sequence[str]) -> int:
    """Return the place of the command word, behind vzctl's own options."""
    at = 0
    while at < len(argv):
        if argv[at] == _GLOBAL_VALUE:
            at += 2
        elif argv[at] in _GLOBAL or argv[at].startswith(_GLOBAL_PREFIX):
            at += 1
        else:
            break
    return at


def _groups(words: Sequence[str]) -> Iterator[_Group]:
    rest = iter(words)
    for word in rest:
        if word == "--":
            yield _Group((word,))
            yield from (_Group((w,)) for w in rest)
        elif word.startswith("--"):
            yield _long(word, rest)
        elif word.startswith("-") and _ends_open(word[1:]):
            yield _Group((word, *islice(rest, 1)))
        else:
            yield _Group((word,))


def _long(word: str, rest: Iterator[str]) -> _Group:
    """Return a long option with its value.

    Ours counts in full only, not shortened as getopt_long allows: whether `--upl` is unambiguous is
    the real vzctl's to know, whose options differ by generation and module. It gets the word, does
    not know it and refuses the whole command, so nothing is lost unsaid. An option that neither
    generation has is taken to have no value: the word behind it stays where it is in any case, and
    it is far likelier that `--new --uplink eth3` means two options than one.
    """
    name, given, value = word[2:].partition("=")
    if name == OURS:
        names, takes = frozenset({OURS}), True
    else:
        names, takes = meant(name)
    if given or not takes:
        return _Group((word,), names, value if given else None)
    more = tuple(islice(rest, 1))
    return _Group((word, *more), names, more[0] if more else None)


def meant(name: str) -> tuple[frozenset[str], bool]:
    """Return which options a name may mean, and whether it takes a value.

    getopt_long takes an exact name, else the options that begin so if they are one. Where they are
    several with and without value that vzctl refuses the command, and what we make of it is all the same.
    """
    exact = [table[name] for table in GENERATIONS if name in table]
    if exact:
        return frozenset({name}), any(exact)
    begun = [{n for n in table if n.startswith(name)} for table in GENERATIONS]
    takes = (bool(names) and all(map(table.get, names)) for names, table in zip(begun, GENERATIONS))
    return frozenset().union(*begun), any(takes)


def _ends_open(letters: str) -> bool:
    """Tell whether a group of short options wants the next word: its last letter, and none before, has a value."""
    first = next((n for n, letter in enumerate(letters) if letter in _SHORT), None)
    return first is not None and first == len(letters) - 1
