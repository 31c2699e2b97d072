# SPDX-License-Identifier: GPL-2.0-or-later
"""What the man pages say beyond the help of commands and options. Pure data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from vzhooks.errors import BUSY, DONE, DRIFT, FAILED, USAGE


@dataclass(frozen=True)
class Page:
    """Hold the texts of one command's page.

    text: paragraphs; exits: by status what it means here, those that mean the same for all left out;
    sections: title -> (name -> text); see: further pages, as name(section).
    """

    text: tuple[str, ...]
    exits: Mapping[int, str]
    examples: Mapping[str, str]
    sections: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    see: tuple[str, ...] = ()


STATES = {
    "stopped": "it does not live",
    "diverted": "the kernel sends its packets by another device, or nowhere: `why` names the rule of others that "
                "comes before ours, and the commands that mend it",
    "drift": "something of it is missing, wrong or too much: `vzhooks resync`",
    "mounted": "it is mounted, but no address of it is routed here: its init does not run",
    "no-gateway": "its uplink's gateway does not answer, by the neighbour cache",
    "blocked": "cut off: `why` tells the reason",
    "lan-only": "no gateway is known",
    "backup": "its uplink is down, or held, and it goes by a backup: `why` tells the reason",
    "unassigned": "it has no uplink, so main decides",
    "ok": "it leaves by its uplink: the kernel itself says so",
}
"""What `status` says of a VE; the first that fits is its state."""

LOGGING = (
    "Each event is one line of key=value in syslog, under the name vzhooks: a VE's mount and unmount, a command that "
    "changed something, and what failed. Where systemd's journal runs, each key is a field of its own there, such as "
    "VZHOOKS_VE and VZHOOKS_STATE.",
    "Hook scripts also say on stderr what hinders them, and vzctl passes that on to whoever starts the VE.",
)
ENVIRONMENT = {
    "VEID, VE_CONFFILE": "Set by vzctl for hook scripts: which VE it is about, and its config.",
    "PATH": "Where `vzhooks install --vzctl-wrapper` looks for the real vzctl, and where nft(8) is found.",
    "NO_COLOR": "With any value no colour is used. Colour is used on terminals alone.",
    "TERM": "With the value dumb, or without one, no colour is used.",
    "COLUMNS": "How wide the table of `vzhooks status` may be, in place of the terminal's width.",
}
TROUBLES = {
    "A VE does not start, and vzctl names vps.mount": "Read the line of vzhooks above it: it names what is wrong and "
    "what to do. Most often UPLINK names an uplink that this node does not have: see `vzhooks status`, the list at the "
    "end. With on_error = warn in the ini the VE starts, cut off.",
    "A VE runs, and reaches nothing": "`vzhooks status CTID` says its state and why. `vzhooks route CTID ADDRESS` "
    "says by which device and which rule the kernel sends a packet to that address. `vzhooks doctor` looks at the "
    "rest.",
    "A VE was cut off when a link went down, and still is": "The kernel takes the routes of a NIC that goes down out "
    "of all tables, and does not put them back. `vzhooks resync` does, and the daemon by itself: `systemctl status "
    "vzhooks`.",
    "The state is drift": "Something was removed or changed: by hand, by another program, or by a link that was down. "
    "`vzhooks resync --dry-run` shows what, and `vzhooks resync` mends it.",
    "The state is diverted": "A rule of somebody else comes before those of vzhooks. The column why names it, and the "
    "commands that move it.",
    "Rules vanish again and again": "systemd-networkd removes rules that it did not make, unless the drop-in that "
    "`vzhooks install` puts is read: `systemctl restart systemd-networkd`, then `vzhooks resync`.",
    "Another computer reaches a VE by the wrong NIC": "`vzhooks doctor --probe` asks on the wire who answers for each "
    "address. An old entry in the other computer's neighbour cache ends by itself within minutes.",
    "A command ends with status 75": "Another vzhooks is at work, or vzctl holds the lock of that VE. The line names "
    "the process. Give the command again when that one has ended; let one that is stopped go on by `kill -CONT`, or "
    "end it.",
}

PAGES = {
    "resync": Page(
        ("Compares what should be (the ini, the configs of VEs that live, the notes) with what is there (rules, "
         "routes, nftables, published addresses, settings), and makes the changes between. A second run finds nothing "
         "to do. Each change is printed as the command it equals.",
         "Give it after each change of /etc/vz/vzhooks.ini, of a running VE's config, or of the node's links and "
         "addresses.",
         "With an error in the ini, or where a VE that runs would lose its way, it changes nothing and says so, "
         "unless --force is given.",
         "With --confirm all is given back after that time unless `vzhooks confirm` comes. With --ini it goes by that "
         "file in place of the node's own ini: see vzhooks-confirm(8)."),
        {DONE: "all is as it should be now", FAILED: "nothing was changed for the reason that is said, a change "
         "failed, or a VE is cut off", DRIFT: "with --dry-run: changes are due"},
        {"vzhooks resync --dry-run": "Shows what is not as it should be.",
         "vzhooks resync --dry-run --diff --ini new.ini": "Shows by VE what another ini would change.",
         "vzhooks resync 101 web1": "Looks at these two VEs and what they need, at nothing else."}),
    "set": Page(
        ("Gives a VE another uplink. A VE that runs moves at once, its new way being made before the old one goes, "
         "and neighbours are told. For a VE that is stopped only --save has an effect.",
         "Without --save the uplink holds until the VE stops. With it the line UPLINK of the VE's config is written, "
         "under vzctl's own locks, every other byte being kept. Where the config cannot be written the VE does not "
         "move either.",
         "Connections that conntrack knows are left alone. Behind NAT they keep their old way until they end, or with "
         "--forget-flows end at once."),
        {DONE: "the VE has the uplink", FAILED: "no such uplink or VE, or it could not be done",
         BUSY: "vzctl or another vzhooks is at work on that VE"},
        {"vzhooks set 101 --uplink isp1 --save": "Moves VE 101 to isp1, now and for all its starts to come.",
         "vzhooks set 101 --uplink none": "Lets main decide about VE 101 until it stops."}),
    "status": Page(
        ("Shows each VE that lives, or those named: its addresses, uplink and device, whether the gateway answers, its "
         "state, for how long it runs, and why the state is not ok. Then each uplink. It asks the kernel itself where "
         "packets go, and changes nothing.",
         "On a terminal the table fits its width, and leaves out columns. Into a pipe it is whole. For programs there "
         "is --json, which docs/status-json.md describes.",
         "With --watch it goes on, with the daemon and without: a line for each VE, uplink or part of the node that "
         "becomes something else, as it happens, with the time and why, what the daemon mended, and on a terminal how "
         "much each uplink carries in and out. Ctrl-C ends it, with status 0.",
         "With --prometheus it prints numbers as node_exporter's textfile collector reads them: health of uplinks, VEs "
         "by state, drift, switches, bytes by uplink, packets that the guard dropped, and what the daemon mended and "
         "how long its hooks took. The status is 0 then wherever they can be read."),
        {DONE: "every VE is ok, unassigned, backup, lan-only or stopped, and no change is due",
         DRIFT: "a VE is in another state, or a change is due", FAILED: "it could not be read"},
        {"vzhooks status --watch": "Says what changes from now on.",
         "vzhooks status -v": "Says each change that is due as well.",
         "vzhooks status --json | jq -r '.ves[] | select(.state != \"ok\") | .ve'": "Names the VEs that are not ok."},
        {"STATES": STATES}),
    "route": Page(
        ("Asks the kernel where a packet of this VE to this destination would go, for each address of the VE of that "
         "family: rule, table, device, gateway. Then it says in words why. Nothing is sent.",),
        {DONE: "the packet goes as the config says", DRIFT: "it does not: the last line says why"},
        {"vzhooks route 101 203.0.113.9": "Tells by which NIC VE 101 reaches that host."}, see=("ip-route(8)",)),
    "harden": Page(
        ("On a node with several NICs on one LAN every NIC answers for every address of the node (\"ARP flux\"), so "
         "that packets come in by the wrong one. Hardening lets each address be answered by the NIC that has it, and "
         "lets replies leave by that NIC: first rules for the node's own addresses, then the settings arp_ignore, "
         "arp_announce and rp_filter of these NICs. It holds over reboots.",
         "It is done by itself when the first VE gets an uplink, unless arp = off stands in the ini or --undo was "
         "given. It is not done where addresses would go unanswered, such as one on lo; that is said."),
        {DONE: "done; with --check: the node is hard", DRIFT: "with --check: settings are not as hardening has them"},
        {"vzhooks harden --check": "Prints what hardening would set.",
         "vzhooks harden --undo": "Gives back the values found before, and does not harden again."},
        see=("sysctl(8)",)),
    "doctor": Page(
        ("Looks for what would break the node: settings, rules and routes of others, hook scripts that are gone or not "
         "ours, an ini or a config with an error, a gateway that does not answer. Each finding has three lines: how "
         "bad, by which check and about what; what was found; how to mend it. It changes nothing.",
         "With --probe it also asks on the wire, by who-has and neighbour solicitation, who answers for each address."),
        {DONE: "nothing was found", DRIFT: "findings"},
        {"vzhooks doctor --probe": "Looks at everything there is to look at.",
         "vzhooks doctor --json | jq -r '.[].fix'": "Prints how to mend each."}),
    "check": Page(
        ("Judges an ini without using it: the node's own, or a FILE, which may be a pipe. Each error is one line with "
         "file, line, section, key, and what is allowed there. It changes nothing, and needs neither root nor vzctl.",
         "What is only suspicious on this node is a warning: a device that is not here, a gateway that cannot be, an "
         "uplink that a VE names and the ini does not have. Of the node's own ini it also says who else can write "
         "it."),
        {DONE: "no error, be there warnings", FAILED: "errors, or a file that cannot be read"},
        {"vzhooks check new.ini": "Names every error in it.",
         "validate: vzhooks check %s": "What a task of Ansible needs, so that no bad ini is put in place."},
        see=("vzhooks.ini(5)",)),
    "confirm": Page(
        ("Keeps what `vzhooks resync --confirm` or `vzhooks harden --confirm` has put on trial. With --ini the file "
         "that was tried becomes the ini.",
         "Without it all is given back when the time is over: the ini and the uplinks that were in force before, and "
         "the node's ARP. A process of its own does that, which no terminal or link takes along; if it is killed, the "
         "next run does, be it a hook's, and after a reboot the first one."),
        {DONE: "kept", FAILED: "nothing is on trial, it came too late, or it could not be written down"},
        {"vzhooks resync --confirm 60 --ini new.ini && vzhooks confirm": "Tries an ini, and keeps it if this very "
         "session lives on."}),
    "migrate": Page(
        ("Reads from the kernel what an older script, systemd-networkd or somebody by hand has made: ip rules `from "
         "ADDRESS lookup TABLE` for VEs that live, and the default routes of these tables. Shows as a diff what that "
         "amounts to: sections of the ini, UPLINK lines, and rules that are needed no more.",
         "With --write it does so. All of vzhooks comes first, the rules of others go last, and stay where anything "
         "failed, so that no packet leaves by another NIC at any moment.",
         "Scripts and files that would make such rules anew are named. They are never run or changed."),
        {DONE: "done, or there is nothing to migrate", DRIFT: "without --write: there is",
         FAILED: "it could not be done; the rules of others are there"},
        {"vzhooks migrate": "Shows it.", "vzhooks migrate --write": "Does it."}, see=("ip-rule(8)",)),
    "report": Page(
        ("Makes one tar.gz of what a maintainer needs to know of the node: versions, ini, notes, status, findings of "
         "doctor, rules, routes, tables of nft, settings, what was logged in the last day. Of the configs of VEs it "
         "holds the lines that concern the network, and of the nft tables of others their names.",
         "With --mask addresses and names are hidden. Each stands always behind the same other one, and what was in "
         "one network is in one network still. Comments of the ini are left out.",
         "A part that cannot be had is noted in missing.txt, and hinders no other. The file is root's alone; one that "
         "is there is never overwritten."),
        {DONE: "the file is there", FAILED: "it could not be made, and there is none"},
        {"vzhooks report --mask -o /root/node7.tar.gz": "Makes a file that can be given away."}, see=("tar(1)",)),
    "install": Page(
        ("Puts files of vzhooks in place, and says which: hook scripts in /etc/vz/conf, a sample of the ini, names for "
         "ip(8), a drop-in for systemd-networkd, a boot unit, man pages, completion for bash, zsh and fish, and a link "
         "to the command in /usr/local/sbin. What a package has brought is left out.",
         "A script of yours that stands where vzctl looks is kept in before-vzhooks beside it, and run by ours, with "
         "its exit status. Nothing else of others is changed.",
         "Give it again after an upgrade: it refreshes its files, and VEs run on undisturbed. Packages do that."),
        {DONE: "all is in place", FAILED: "a file could not be put, or somebody's is in the way"},
        {"vzhooks install --dry-run": "Says what it would put.",
         "vzhooks install --vzctl-wrapper": "Lets `vzctl set` take --uplink as well."}, see=("vzctl(8)",)),
    "uninstall": Page(
        ("Removes all that vzhooks put: files, rules, routes, tables of nftables, settings, notes. What was there "
         "before is there again: scripts, values of settings, published addresses. /etc/vz/vzhooks.ini and the UPLINK "
         "lines of VEs' configs are yours, and stay.",
         "While VEs with an uplink run it refuses, since they would go by main's routes. Stop them, or give --force. "
         "The removal of a package does the same."),
        {DONE: "nothing of vzhooks is left but the program", FAILED: "refused, or something could not be removed"},
        {"vzhooks uninstall --dry-run": "Says what it would remove."}),
    "daemon": Page(
        ("Stays until SIGTERM. It serves hooks and commands in milliseconds over /run/vzhooks/daemon.sock, and does "
         "what resync does whenever links, addresses, routes, rules, nftables, the ini or configs of VEs change. "
         "vzhooks.service runs it; one is enough, and a second says so and ends.",
         "It takes no running VE's way: an edit that would do so is said in the log and by `vzhooks status`, and waits "
         "until it is mended or `vzhooks resync --force` is given.",
         "It probes uplinks, moves VEs to the backup of one that is down, and back, and answers Prometheus: see probe, "
         "probe_interval, probe_fail, probe_ok, hold_down and metrics in vzhooks.ini(5). Everything works without it, "
         "slower and unwatched.",
         "SIGHUP has it read everything anew. What is in the kernel stays when it ends."),
        {DONE: "it was told to end, or vzhooks was uninstalled", FAILED: "vzhooks is not installed on this node",
         BUSY: "another daemon runs"},
        {"systemctl reload vzhooks": "Has it read everything anew.",
         "journalctl -t vzhooks VZHOOKS_EVENT=heal": "Shows what it mended, and why."}, see=("systemctl(1)",)),
    "hook": Page(
        ("Does what the hook scripts do at an event of vzctl, in the environment that vzctl gives them. There is no "
         "reason to give this command by hand: `vzhooks resync` does the same for VEs that live.",
         "The event mount makes the way of the VE before the VE starts, and is the only one that may refuse. umount "
         "and postumount remove it, and never fail. boot is for the boot unit: it brings back the node's own rules and "
         "settings before VEs start."),
        {DONE: "done", FAILED: "mount: the VE must not start; boot: a change failed"},
        {"VEID=101 VE_CONFFILE=/etc/vz/conf/101.conf vzhooks hook mount": "What vps.mount does for VE 101."},
        {"ENVIRONMENT": {"VEID": "The VE's number or UUID.", "VE_CONFFILE": "The VE's config."}}),
}
NO_PAGE = Page((), {}, {})
GENERAL = {DONE: "done", FAILED: "failed, or a VE is cut off", USAGE: "wrong usage"}
"""What holds for each command that says nothing else."""
