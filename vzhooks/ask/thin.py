# SPDX-License-Identifier: GPL-2.0-or-later
"""Ask the daemon to do the work of a hook, and go on alone where it does not: in some milliseconds, by builtins alone.

`vzhooks install` puts this text into the hook scripts, between single quotes, for a python that has read neither its
site nor os: so no single quote may stand here, and nothing may be imported that costs time.
"""

import posix
import sys
from _signal import SIG_BLOCK, SIGINT, pthread_sigmask

PLACE = "/run/vzhooks/daemon.sock"
TOOK_S, DONE_S = 2, 30
"""How long the daemon may take until it has heard, and until it is done."""
MOST = 65536


def instead(version, verb, words, names, refusal):
    """Do the work by the daemon, say what it says and end, with `refusal` where it refuses; return where it is away.

    names: of variables that the daemon gets to see. A Ctrl-C is meant for vzctl, and waits from here on.
    """
    pthread_sigmask(SIG_BLOCK, {SIGINT})
    while posix.open("/dev/null", posix.O_RDWR) < 2:
        pass  # or the socket gets the number of what is closed
    line = ask(version, verb, words, names)
    found = line and answer(line)
    if found:
        status, said = found
        try:
            while said:
                said = said[posix.write(2, said):]
        except OSError:
            pass
        posix._exit(refusal if status else 0)


def ask(version, verb, words=(), names=(), outputs=(), done_s=DONE_S):
    """Return the line to a daemon of this version that has taken a request, None where there is none.

    outputs: descriptors that it may write to.
    """
    try:
        from _socket import AF_UNIX, SCM_RIGHTS, SO_RCVTIMEO, SO_SNDTIMEO, SOCK_SEQPACKET, SOL_SOCKET, socket
    except ImportError:
        return None
    code = sys.getfilesystemencoding()
    fields = [version, verb, str(len(words)), *words]
    data = [f.encode(code, "surrogateescape") for f in fields]
    data += [n + b"=" + posix.environ[n] for n in (name.encode() for name in names) if n in posix.environ]
    request = b"\0".join(data)
    line = None
    try:
        line = socket(AF_UNIX, SOCK_SEQPACKET)
        for what in (SO_RCVTIMEO, SO_SNDTIMEO):
            line.setsockopt(SOL_SOCKET, what, _timeval(TOOK_S))
        line.connect(PLACE)
        passed = b"".join(n.to_bytes(4, sys.byteorder) for n in outputs)
        line.sendmsg([request], [(SOL_SOCKET, SCM_RIGHTS, passed)] if passed else [])
        if len(request) < MOST and line.recv(MOST) == b"took":
            line.setsockopt(SOL_SOCKET, SO_RCVTIMEO, _timeval(done_s))
            return line
    except OSError:
        pass
    if line:
        line.close()
    return None


def answer(line):
    """Return exit status and words of what was asked, None where the daemon cannot do it or died."""
    try:
        head, _, said = line.recv(MOST).partition(b"\0")
        kind, _, status = head.partition(b" ")
        return (int(status), said) if kind == b"done" else None
    except (OSError, ValueError):
        return None
    finally:
        line.close()


def _timeval(seconds):
    """Return it as the kernel wants it: two longs (struct timeval)."""
    return seconds.to_bytes(8, sys.byteorder) + bytes(8)
