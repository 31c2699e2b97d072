"""Table numbers follow from names and stay."""

from vzhooks.policy.tables import COUNT, FIRST, LESS, allocate, is_key, is_number, table_names


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


def test_the_next_free_number_counts_and_the_last_is_followed_by_the_first():
    wanted = allocate(["a"], {}, {}, free)["a"]
    assert allocate(["a"], {}, {}, lambda n: n == wanted)["a"] == wanted + 1
    assert allocate(["a"], {}, {}, lambda n: n >= wanted)["a"] == FIRST


def test_a_table_has_a_key_of_ours_and_a_number_that_is_nobody_elses():
    keys = {LESS: True, "uplink:isp1": True, "own:eth0.7": True, "uplink:": False, "main": False, "own:a/b": False}
    assert {key: is_key(key) for key in keys} == keys
    numbers = [1, 252, 256, 0xFFFFFFFF, 0, 253, 254, 255, 0x100000000, -1, True, False, "7", 1.5]
    assert [n for n in numbers if is_number(n)] == [1, 252, 256, 0xFFFFFFFF]


def test_tables_have_names_for_ip():
    assert table_names({"uplink:isp1": 1003, LESS: 7}) == (
        "# written by vzhooks\n1003 vzhooks-isp1\n7 vzhooks-main-without-reserved\n")
