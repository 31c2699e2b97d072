# SPDX-License-Identifier: GPL-2.0-or-later
"""What our override of OpenVZ 9's vz-netns_dev_add calls: a running VE gets or loses addresses.

No action script runs for `vzctl set --ipadd` (libvzctl lib/veth.c), but this script does, before the
address is published. The config is saved after it, so that what comes is known by its environment
(lib/env_nsops.c): VEID, NETWORK_TYPE, IP_ADD and IP_DEL.
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from contextlib import suppress

from vzhooks.config.settings import DEVICE
from vzhooks.config.vzconf import VeConfig, addresses_in
from vzhooks.errors import DONE, FAILED, KernelError, VzhooksError
from vzhooks.hooks.hook import LOCK_WAIT_S, wait_s
from vzhooks.hooks.means import Means
from vzhooks.kernel import lean
from vzhooks.node import host, interrupt, log, notes
from vzhooks.node.host import Paths
from vzhooks.policy.evidence import may_have_uplink
from vzhooks.policy.records import Expected, Record
from vzhooks.run.request import HOOK, Report, Request


def main(environ: Mapping[str, str] = os.environ) -> int:
    """Close the addresses before they are published; return 0, or 1 to refuse them. Never raises.

    A Ctrl-C is meant for vzctl.
    """
    log.open_standard()
    with interrupt.orderly():
        interrupt.hold()
        return serve(environ, Means())


def serve(environ: Mapping[str, str], means: Means) -> int:
    """Do the same by given means, whatever signals come; what is to be said goes to descriptor 2."""
    paths, veid = Paths(), environ.get("VEID", "")
    uplink = "?"
    try:
        ctid = host.check_ctid(veid)
        added, record = addresses_in(environ.get("IP_ADD", "").split()), _record(paths, ctid)
        uplink = _uplink(paths, ctid, record)
        if environ.get("VE_STATE", "running") != "running":
            return _made(paths, ctid, environ.get("HNAME", ""), means)
        return _close(paths, ctid, uplink, added, means)
    except VzhooksError as error:
        line = str(error)
    except Exception as error:  # noqa: BLE001 - the hook's door: whatever it is, the operator reads one line
        line = lean.explained(error)
    log.say(f"address: VE {veid}: {'refused: ' if uplink else ''}{line}", log.ERROR)
    return FAILED if uplink else DONE


def _record(paths: Paths, ctid: str) -> Record | None:
    with suppress(VzhooksError):  # notes that cannot be read hinder no VE without uplink
        return notes.load_ves(paths.ves).get(ctid)
    return None


def _uplink(paths: Paths, ctid: str, record: Record | None) -> str:
    """Return the uplink that the VE has now, which may be another than its config names."""
    if record:
        return record.uplink
    config = host.read_config(paths, ctid)
    return config.uplink if isinstance(config, VeConfig) else "?" if may_have_uplink(config) else ""


def _made(paths: Paths, ctid: str, device: str, means: Means) -> int:
    """Hold a device that vzctl is about to make for a VE that starts, by its name and before its first packet."""
    if DEVICE.fullmatch(device):
        report = means.run(paths, Request(ctids=frozenset({ctid}), devices={ctid: device}, door=HOOK,
                                          wait_s=LOCK_WAIT_S))
        failed = _failed(report)
        if failed:
            raise KernelError("; ".join(failed))
    return DONE


def _close(paths: Paths, ctid: str, uplink: str, added: tuple[str, ...], means: Means) -> int:
    start = time.monotonic()
    request = Request(ctids=frozenset({ctid}), expect={ctid: Expected(None, added)}, door=HOOK, wait_s=LOCK_WAIT_S)
    report = means.run(paths, request)
    before = report.known.get(ctid)
    # What the wrapper of vzctl expects as well is its own to end.
    ours = frozenset(added).difference(before.expected.addresses if before and before.expected else ())
    refusals = _refusals(report, ctid, added) if uplink and added else []
    for text in [*report.warnings, *refusals]:
        log.say(f"address: VE {ctid}: {text}", log.ERROR if refusals else log.WARNING, ve=ctid)
    if refusals:
        means.run(paths, Request(ctids=frozenset({ctid}), expect={ctid: ours}, door=HOOK, wait_s=wait_s(start)))
        return FAILED
    means.changed(paths, ctid, frozenset(added), ours)
    return DONE


def _failed(report: Report) -> list[str]:
    """Return what keeps a VE from being held: notes that are missing, and changes that failed."""
    return [*filter(None, [report.unnoted]), *(f.text for f in report.failures if f.opens)]


def _refusals(report: Report, ctid: str, added: tuple[str, ...]) -> list[str]:
    """Return why addresses cannot be published: each must have the VE's uplink now, or no way at all."""
    ours = [p.text for p in report.problems if p.refuses and p.ctid == ctid and p.address in ("", *added)]
    owners = {a: w.ve.ctid for w in report.ways for a in w.ve.addresses}
    others = [f"{a} is of VE {owners[a]}, which runs or is mounted; take it from that one first"
              for a in added if owners.get(a, ctid) != ctid]
    lost = [a for a in added if a not in owners]
    unknown = [f"VE {ctid} is not known to run, so {', '.join(lost)} would leave by any NIC; `vzhooks resync`"]
    texts = (*ours, *others, *(unknown if lost and not ours else ()), *_failed(report))
    return [f"refused: {text}" for text in texts]
