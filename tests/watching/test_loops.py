"""Templates that would feed results back into a watched prefix, and those that would not."""

import pytest

from jobs.loops import can_land_under
from jobs.placement import Output, Place


def can(template: str, watched: str, source: str = "s3://films/in/") -> bool:
    watched_bucket, _, watched_prefix = watched.removeprefix("s3://").partition("/")
    bucket, _, prefix = source.removeprefix("s3://").partition("/")
    output = Output(template)
    return can_land_under(watched_bucket, watched_prefix, output, bucket, prefix, {"scale": "4"})


@pytest.mark.parametrize(
    ("template", "watched"),
    [
        ("in/{stem}.mp4", "s3://films/in/"),
        ("in/enlarged/{stem}.mp4", "s3://films/in/"),
        ("{prefix}/{stem}_x4.mp4", "s3://films/in/"),
        ("{prefix}_x4/{stem}.mp4", "s3://films/in"),
        ("{path}/{stem}.mp4", "s3://films/in/"),
        ("out/{path}/{stem}.mp4", "s3://films/out/again/"),
        ("{stem}.mp4", "s3://films/"),
        ("{stem}.mp4", "s3://films/fi"),
        ("s3://films/out/{stem}.mp4", "s3://films/out/"),
        ("s3://{bucket}/out/{stem}.mp4", "s3://films/out/"),
        ("s3://{bucket}-out/{stem}.mp4", "s3://films-out/"),
        ("x{scale}/{stem}.mp4", "s3://films/x4/"),
        ("{suffix}/{stem}.mp4", "s3://films/mov/"),
    ],
)
def test_these_can_land_there(template: str, watched: str) -> None:
    assert can(template, watched)


@pytest.mark.parametrize(
    ("template", "watched"),
    [
        ("out/{stem}.mp4", "s3://films/in/"),
        ("out/{path}/{stem}.mp4", "s3://films/in/"),
        ("out/{prefix}/{stem}.mp4", "s3://films/in/"),
        ("{prefix}/{stem}_x4.mp4", "s3://films/other/"),
        ("{stem}.mp4", "s3://films/in/"),
        ("{stem}.mp4", "s3://films/in/deeper"),
        ("s3://archive/in/{stem}.mp4", "s3://films/in/"),
        ("s3://{bucket}-out/{stem}.mp4", "s3://films/"),
        ("in_x4/{stem}.mp4", "s3://films/in/"),
        ("x{scale}/{stem}.mp4", "s3://films/x2/"),
        ("x{scale}{stem}.mp4", "s3://films/x4/"),
    ],
)
def test_these_cannot(template: str, watched: str) -> None:
    assert not can(template, watched)


def test_inputs_of_several_buckets_may_come_from_any() -> None:
    assert can("s3://{bucket}/out/{stem}.mp4", "s3://films/out/", "s3:///")
    assert not can("s3://{bucket}/out/{stem}.mp4", "s3://films/in/", "s3:///")


@pytest.mark.parametrize("key", ["in/a.mp4", "in/deep/er/a.mp4", "in/a", "in/.mp4", "in/d.d/a.b.c"])
@pytest.mark.parametrize("template", ["{prefix}/{stem}_x4.mp4", "{path}/{stem}_x4.mp4"])
def test_whatever_is_placed_under_the_prefix_was_said_to_be_possible(
    key: str, template: str
) -> None:
    place = Output(template).place(Place("films", key), scale="4", container="mp4", base="in/")
    for end in range(len(place.key)):
        assert can(template, f"s3://films/{place.key[:end]}")
