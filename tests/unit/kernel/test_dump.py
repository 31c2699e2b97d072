"""A dump is whole, or an error: what was cut short is never taken for all there is."""

import errno
import struct

import pytest

from vzhooks.kernel.dump import messages, whole

ROUTE, ERROR, DONE, INTERRUPTED = 24, 2, 3, 0x10


def message(kind, body=b"abcd", flags=2):
    return struct.pack("=IHHII", 16 + len(body), kind, flags, 1, 7) + body + bytes(-len(body) % 4)


def done(code=0, flags=2):
    return message(DONE, struct.pack("=i", code), flags)


def test_all_messages_of_all_datagrams_are_found():
    sent = [message(ROUTE, b"a"), message(ROUTE, b"bcdef"), message(ROUTE, b"")]
    assert whole([sent[0] + sent[1], sent[2], done()]) == [sent[0][:17], sent[1][:21], sent[2]]


@pytest.mark.parametrize("datagrams", [
    [message(ROUTE, flags=2 | INTERRUPTED) + done()], [message(ROUTE), done(flags=2 | INTERRUPTED)],
    [message(ROUTE, flags=2 | INTERRUPTED), message(ROUTE) + done()]])
def test_one_that_was_interrupted_is_not_whole(datagrams):
    assert whole(datagrams) is None


@pytest.mark.parametrize("datagrams, code", [
    ([message(ROUTE)], errno.EBADMSG), ([], errno.EBADMSG), ([message(ROUTE)[:-2]], errno.EBADMSG),
    ([struct.pack("=IHHII", 4, ROUTE, 2, 1, 7)], errno.EBADMSG),
    ([message(ERROR, struct.pack("=i", -errno.EPERM))], errno.EPERM), ([done(-errno.ENOMEM)], errno.ENOMEM),
    ([message(ROUTE), done(-errno.ENOBUFS)], errno.ENOBUFS),
    ([message(ERROR, struct.pack("=i", -errno.ENOENT))], errno.ENOENT)])
def test_one_without_its_end_is_an_error(datagrams, code):
    with pytest.raises(OSError) as error:
        whole(datagrams)
    assert error.value.errno == code


def test_a_table_that_there_is_not_is_empty():
    """The kernel ends such a dump by this (net/ipv4/fib_frontend.c, inet_dump_fib)."""
    assert whole([done(-errno.ENOENT)]) == []


@pytest.mark.parametrize("length", range(1, 16))
def test_half_a_header_is_no_message(length):
    with pytest.raises((OSError, struct.error)):
        list(messages(message(ROUTE)[:length]))
