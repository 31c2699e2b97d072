"""A request is read whole or refused, whatever bytes come."""

import pytest

from vzhooks.daemon.protocol import MOST, SAID_MOST, done, request


def test_a_request_has_words_and_variables():
    asked = request(b"0.1.0\0mount\0002\0a\0\0VEID=101\0X=a=b")
    assert (asked.version, asked.verb, asked.words) == ("0.1.0", "mount", ("a", ""))
    assert asked.environ == {"VEID": "101", "X": "a=b"}


def test_bytes_that_are_no_text_come_through():
    word = b"\xff\xfe"
    assert request(b"0\0command\0001\0" + word).words[0].encode("utf-8", "surrogateescape") == word


@pytest.mark.parametrize("data", [b"", b"\0", b"0\0mount", b"0\0mount\0x", b"0\0mount\0-1", b"0\0mount\0002\0a",
                                  b"0\0mount\00099999", b"0\0mount\0000\0VEID", b"0\0mount\0" + "²".encode(),
                                  b"0\0mount\0000\0A=" + bytes(MOST)])
def test_anything_else_is_refused(data):
    with pytest.raises(ValueError):
        request(data)


def test_an_answer_fits_into_one_packet():
    assert done(1, b"x" * MOST) == b"done 1\0" + b"x" * SAID_MOST
