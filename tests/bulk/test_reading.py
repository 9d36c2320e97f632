"""Sources become lines: each with a job's parameters, or with the reason why it cannot be one."""

import json
from pathlib import Path
from urllib.parse import quote_plus

import pytest

from jobs.api_key import KeyLimits
from jobs.batch import BatchLine
from jobs.errors import RequestInvalidError
from jobs.placement import Output
from tests.bulk.world import APART, BESIDE, BulkWorld
from worker.bulk.manifest import LINE_MAX_BYTES, form_of, read_entry, read_manifest

HARD_KEYS = [
    "in/a film.mp4",
    "in/a+film.mp4",
    "in/100%25 sure.mp4",
    "in/100%.mp4",
    "in//twice.mp4",
    "in/ünï—日本語🎬.mp4",
    'in/quote"and,comma.mp4',
    "in/#?&=;:@.mp4",
    "in/" + "k" * (1024 - 3 - 4) + ".mp4",
]


def by_url(lines: list[BatchLine]) -> dict[str | None, BatchLine]:
    return {line.input_url: line for line in lines}


def test_hard_keys_arrive_as_they_are(embedded: BulkWorld) -> None:
    text = "".join(f'{embedded.bucket},"{quote_plus(key)}"\r\n' for key in HARD_KEYS)
    of_csv = embedded.create_manifest(text, output=None)
    rows = [json.dumps({"bucket": embedded.bucket, "key": key}) for key in HARD_KEYS]
    of_json = embedded.create_manifest("\n".join(rows), output=None)
    of_list = embedded.create(objects=tuple(map(embedded.url, HARD_KEYS)), output=None)
    for key in HARD_KEYS:
        embedded.put(key)
    of_prefix = embedded.create(prefix=embedded.url("in/"), output=None)
    embedded.look(of_csv)
    urls = sorted(map(embedded.url, HARD_KEYS))
    for batch in (of_csv, of_json, of_list, of_prefix):
        lines = embedded.lines(batch)
        assert sorted(str(line.input_url) for line in lines) == urls
        assert {line.state for line in lines} == {"active"}


BAD = {
    "": None,
    "   ": None,
    "only-a-bucket": "columns",
    "BUCKET,": "columns",
    "a,b,c,d": "columns",
    '"BUCKET,in/a.mp4': "CSV",
    "BUCKET,in/%ff.mp4": "UTF-8",
    "BUCKET,in/../b.mp4": "step",
    "BUCKET,in/%00.mp4": "address",
    "BUCKET," + "k" * 1025: "1025 bytes",
    "others,in/a.mp4": "may not read",
    "BUCKET,in/a.mp4,bad version": "ASCII",
    "B" * (LINE_MAX_BYTES + 10): "bytes",
}


def test_a_bad_line_says_why_and_the_rest_runs(embedded: BulkWorld) -> None:
    good = f"{embedded.bucket},in/good.mp4"
    bad = [line.replace("BUCKET", embedded.bucket) for line in BAD]
    batch = embedded.create_manifest("\n".join([*bad, good]))
    embedded.look(batch)
    lines = {line.number: line for line in embedded.lines(batch)}
    for number, expected in enumerate(BAD.values(), 1):
        if expected is None:
            assert number not in lines
            continue
        reason = lines[number].reason
        assert reason is not None
        assert expected in reason.message, (number, reason)
        assert lines[number].state == "refused"
    assert lines[len(BAD) + 1].state == "active"
    assert embedded.counts(batch).refused == len([why for why in BAD.values() if why])


BAD_JSON = {
    '{"url": "s3://BUCKET/a.mp4"': "JSON",
    "[1]": "object",
    '{"bucket": "BUCKET"}': "no object",
    '{"url": "s3://BUCKET/a.mp4", "bucket": "BUCKET"}': "either",
    '{"url": "http://BUCKET/a.mp4"}': "either",
    '{"url": 7}': "must be a text",
    '{"url": "s3://BUCKET/a.mp4", "scale": 5}': "scale",
    '{"url": "s3://BUCKET/a.mp4", "\\u0000zoom": 1}': "?zoom",
    '{"url": "s3://BUCKET/\\ud800.mp4"}': "Unicode",
    '{"url": "s3://BUCKET/a.mp4", "codec": "av1", "crf": 70}': "crf",
    '{"url": "s3://BUCKET/a.mp4", "scale": 2, "width_px": 64, "height_px": 64}': "not both",
    '{"url": "s3://BUCKET/a.mp4", "output_url": "s3://others/a.mp4"}': "may not write",
    '{"url": "s3://BUCKET/a.mp4", "output_url": "s3://BUCKET/a.mp4"}': "input itself",
    '{"url": "s3://BUCKET/a.mp4", "container": "mkv"}': ".mkv",
    '{"url": "s3://BUCKET/a.mp4", "on_collision": "overwrite"}': "rule",
    '{"url": "s3://BUCKET/a.mp4", "queue": "nowhere"}': "no queue",
}


def test_lines_of_json_have_parameters_of_their_own(embedded: BulkWorld) -> None:
    good = {"url": embedded.url("in/a.mkv"), "scale": 2, "etag": '"abc"', "seed": 7}
    own = {"url": embedded.url("in/b.mkv"), "output_url": embedded.url("elsewhere/b.mp4")}
    sized = {"url": embedded.url("in/c.mkv"), "width_px": 640, "height_px": 480}
    bad = [line.replace("BUCKET", embedded.bucket) for line in BAD_JSON]
    text = "\n".join([*map(json.dumps, (good, own, sized)), *bad])
    output = Output("out/{stem}_x{scale}_{line}.mp4", "skip")
    batch = embedded.create_manifest(text, output=output, choices={"scale": 3, "crf": 30})
    embedded.look(batch)
    lines = {line.number: line for line in embedded.lines(batch)}
    jobs = [embedded.job(str(lines[number].job_id)).request for number in (1, 2, 3)]
    assert [job.scale for job in jobs] == [2, 3, None]
    assert [job.output_url for job in jobs] == [
        embedded.url("out/a_x2_1.mp4"),
        embedded.url("elsewhere/b.mp4"),
        embedded.url("out/c_x640x480_3.mp4"),
    ]
    assert (jobs[0].input_etag, jobs[0].seed, jobs[0].crf, jobs[0].on_collision) == (
        "abc", 7, 30, "skip",
    )  # fmt: skip
    for number, expected in enumerate(BAD_JSON.values(), 4):
        assert lines[number].state == "refused", lines[number]
        reason = lines[number].reason
        assert reason is not None
        assert expected in reason.message, (number, reason)


def test_two_lines_with_one_output(embedded: BulkWorld) -> None:
    objects = tuple(map(embedded.url, ("in/a.mkv", "in/a.mp4", "in/b.mp4", "in/a.mkv")))
    batch = embedded.create(objects=objects)
    embedded.look(batch)
    assert [line.state for line in embedded.lines(batch)] == [
        "active", "refused", "active", "refused",
    ]  # fmt: skip
    reason = embedded.lines(batch)[3].reason
    assert reason is not None
    assert (reason.code, "Line 1" in reason.message) == ("output_taken", True)
    versions = embedded.create(objects=objects, output=Output(APART.template, "version"))
    embedded.look(versions)
    assert {line.state for line in embedded.lines(versions)} == {"active"}


def test_results_beside_their_inputs_are_no_inputs(embedded: BulkWorld) -> None:
    embedded.put_many(["in/a.mp4", "in/a_x4.mp4", "in/a_x4_x4.mp4", "in/b.mp4"])
    batch = embedded.create(prefix=embedded.url("in/"), output=BESIDE)
    embedded.look(batch)
    lines = by_url(embedded.lines(batch))
    assert lines[embedded.url("in/a.mp4")].state == "active"
    assert lines[embedded.url("in/b.mp4")].state == "active"
    skipped = lines[embedded.url("in/a_x4.mp4")]
    assert skipped.reason is not None
    assert (skipped.state, skipped.reason.code) == ("skipped", "is_output")


def test_a_source_that_cannot_be_read_fails_the_batch(embedded: BulkWorld) -> None:
    missing = embedded.create(manifest_url=embedded.url("no/manifest"))
    large = embedded.create_manifest("x" * 2000)
    embedded.limit(input_prefixes=("s3://no-such-bucket/", embedded.url("")))
    nowhere = embedded.create(prefix="s3://no-such-bucket/in/")
    embedded.look(missing, manifest_max_bytes=1000)
    for batch, expected in ((missing, "no manifest"), (large, "limit of"), (nowhere, "not exist")):
        found = embedded.batch(batch)
        assert found.state == "failed"
        assert found.reason is not None
        assert expected in found.reason.message
    embedded.put("no/manifest", f"{embedded.bucket},in/a.mp4".encode())
    with embedded.database.transaction() as rows:
        rows.batches.retry(embedded.actor, missing.id)
    assert embedded.look(missing).state == "running"
    assert embedded.counts(missing).active == 1


def test_a_manifest_that_changes_while_it_is_read_is_noticed(embedded: BulkWorld) -> None:
    text = "".join(f"{embedded.bucket},in/{n}.mp4\n" for n in range(3))
    batch = embedded.create_manifest(text)
    with embedded.database.transaction() as rows:
        taken = rows.batch_work.take()
        assert taken is not None
        rows.batch_work.add_lines(
            taken[1], [BatchLine(1, input_url="s3://a/b")], {"number": 1, "etag": "another"}
        )
        rows.batch_work.give_back(taken[1], 0)
    found = embedded.look(batch)
    assert found.reason is not None
    assert (found.state, found.reason.code) == ("failed", "input_changed")


def test_more_lines_than_allowed_fail_the_batch(embedded: BulkWorld) -> None:
    text = "".join(f"{embedded.bucket},in/{n}.mp4\n" for n in range(20))
    batch = embedded.create_manifest(text)
    found = embedded.look(batch, batch_lines_max=10)
    assert found.reason is not None
    assert "more than 10 lines" in found.reason.message


def test_outputs_may_not_land_under_a_watched_prefix(embedded: BulkWorld) -> None:
    with embedded.database.transaction() as rows:
        rows.watches.add(
            embedded.actor, embedded.url("watched/"), output=Output("large/{name}.{container}")
        )
    text = "\n".join(
        json.dumps({"url": embedded.url("in/a.mp4"), "output_url": embedded.url(f"{folder}/a.mp4")})
        for folder in ("watched", "free")
    )
    batch = embedded.create_manifest(text)
    embedded.look(batch)
    first, second = embedded.lines(batch)
    assert first.reason is not None
    assert (first.state, first.reason.code) == ("refused", "watch_loop")
    assert second.state == "active"


def test_what_the_key_does_not_allow_is_refused_at_once(embedded: BulkWorld) -> None:
    carol = embedded.new_actor("carol", KeyLimits())
    for fields in (
        {"prefix": embedded.url("in/")},
        {"manifest_url": embedded.url("manifest")},
    ):
        with (
            pytest.raises(RequestInvalidError, match="--input-prefix"),
            embedded.database.transaction() as rows,
        ):
            rows.batches.create(carol, embedded.request(**fields))
    with (
        pytest.raises(RequestInvalidError, match="--output-prefix"),
        embedded.database.transaction() as rows,
    ):
        rows.batches.create(
            carol,
            embedded.request(objects=(embedded.url("a.mp4"),), report_url=embedded.url("r/")),
        )
    batch = embedded.create(objects=(embedded.url("a.mp4"),))
    assert embedded.look(batch).state == "running"


def test_a_manifest_s_first_line(tmp_path: Path) -> None:
    path = tmp_path / "m"
    path.write_bytes(b'\xef\xbb\xbf"Bucket","Key","VersionId"\r\nb,k\r\n\r\nb,l,v')
    assert form_of(path) == "csv"
    entries = [read_entry(line, "csv") for line in read_manifest(path)]
    assert [entry and (entry.bucket, entry.key, entry.version) for entry in entries] == [
        None, ("b", "k", None), None, ("b", "l", "v"),
    ]  # fmt: skip
    path.write_bytes(b'\n\n{"url": "s3://b/k"}\n')
    assert form_of(path) == "jsonl"
