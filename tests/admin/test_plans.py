"""The statements behind every page use indexes; `tests.load.dashboard` tells how quick they are."""

from tests.load.dashboard import measure, started_world

JOBS = 20_000


def test_no_page_reads_a_whole_table() -> None:
    with started_world(JOBS) as world:
        found = measure(world, JOBS, rounds=1, depth=10)
    assert len(found) > 35
    assert {each["page"]: each["scans"] for each in found if each["scans"]} == {}
