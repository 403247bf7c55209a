"""Why rows were skipped: reasons that differ in one row's values alone are one."""

from itertools import permutations

import pytest

from s2v_detect.bulk import Skip, Skips, Tally


def of(*reasons: str) -> Skips:
    """Reasons of rows, one a line."""
    skips = Skips()
    for line, reason in enumerate(reasons, start=1):
        skips.add(reason, line=line, image=f"image {line}")
    return skips


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("it is 100 x 300 pixels; both sides must have 400 to 7000", "it is 7,001 x 8 pixels; {}"),
        ("its host is 10.0.0.1, an address that is not public", "its host is ::1, {}"),
        ("its host is db.internal, another machine for whoever looks", "its host is db, {}"),
        ("the address has 70000 characters", "the address has 1.5 characters"),
        ("the file can't be read: no (tried a/1 (2).jpg)", "the file can't be read: no (tried b)"),
        ("it is no image", "it is no image"),
    ],
)
def test_a_size_a_host_and_a_length_do_not_make_another_reason(one: str, other: str) -> None:
    """It is shown as the first row has it, with the first row's line."""
    other = other.format(one.partition("; " if ";" in one else ", ")[2])
    [skip] = of("", one, other, one).ranked[:1]
    assert (skip.reason, skip.count, skip.line, skip.image) == (one, 3, 2, "image 2")


def test_the_most_frequent_comes_first() -> None:
    """Of two as frequent the one that was met first."""
    assert [skip.reason for skip in of("a", "b", "c", "c", "b").ranked] == ["b", "c", "a"]


def test_the_order_in_which_rows_end_changes_nothing() -> None:
    """Rows with lines end in any order, and each reason is shown as its first line has it."""
    rows = [("b 7", 2), ("a", 3), ("b 9", 5), ("a", 7), ("c", 11), ("c", 13)]
    found = []
    for some in permutations(rows):
        skips = Skips()
        for reason, line in some:
            skips.add(reason, line=line, image=f"image {line}")
        found.append(skips.ranked)
    assert found[0] == [
        Skip("b 7", 2, "image 2", count=2),
        Skip("a", 3, "image 3", count=2),
        Skip("c", 11, "image 11", count=2),
    ]
    assert all(ranked == found[0] for ranked in found)


def test_files_have_no_line_and_are_in_the_order_of_their_names() -> None:
    """Where as many have each reason."""
    skips = Skips()
    for image, reason in (("b.jpg", "x"), ("a.jpg", "y")):
        skips.add(reason, line=None, image=image)
    assert [skip.reason for skip in skips.ranked] == ["y", "x"]


def test_what_is_kept_does_not_grow_with_the_input() -> None:
    """Neither in the number of reasons nor in their length; all are counted."""
    ranked = of(*(chr(0x4E00 + number) * 1000 for number in range(500))).ranked
    assert len(ranked) == 101
    assert (ranked[0].reason, ranked[0].count) == ("other reasons", 400)
    assert max(len(skip.reason) for skip in ranked) == 160
    assert sum(skip.count for skip in ranked) == 500


def test_a_tally_knows_the_reasons_of_its_rows() -> None:
    """Of rows with a line, and of files."""
    tally = Tally()
    record = {"kind": "skipped", "message": "it is no image", "image": "a.txt"}
    tally.add(record)
    tally.add({**record, "line": 7})
    [skip] = tally.skips.ranked
    assert (skip.count, skip.line, skip.image, tally.skipped) == (2, None, "a.txt", 2)


def test_one_message_of_two_errors_is_two_reasons() -> None:
    """What to do goes by the error."""
    skips = Skips()
    for error in ("NotSent", "ImageUnusable", "NotSent"):
        skips.add("no", line=None, image="a", error=error)
    assert [(each.error, each.count) for each in skips.ranked] == [
        ("NotSent", 2),
        ("ImageUnusable", 1),
    ]
