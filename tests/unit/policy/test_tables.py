"""Table numbers follow from names and stay."""

from vzhooks.policy.tables import COUNT, FIRST, allocate


def free(_):
    return False


def test_a_number_follows_from_the_name_alone():
    one = allocate(["uplink:eth3"], {}, {}, free)
    assert one == {"uplink:eth3": allocate(["uplink:eth3", "uplink:eth4"], {}, {}, free)["uplink:eth3"]}
    assert FIRST <= one["uplink:eth3"] < FIRST + COUNT


def test_what_was_given_once_stays():
    assert allocate(["a", "b"], {"a": 77}, {}, free)["a"] == 77


def test_the_ini_beats_the_record_and_keeps_others_off_its_number():
    found = allocate(["a", "b"], {"a": 77, "b": 1003}, {"a": 1003}, free)
    assert found["a"] == 1003 and found["b"] != 1003


def test_a_table_of_somebody_elses_is_passed_over():
    first = allocate(["a"], {}, {}, free)["a"]
    assert allocate(["a"], {}, {}, lambda n: n == first)["a"] != first


def test_numbers_are_never_shared():
    keys = [f"uplink:u{n}" for n in range(2000)]
    assert len(set(allocate(keys, {}, {}, free).values())) == len(keys)
