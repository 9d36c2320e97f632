"""Output templates, addresses, and the parameters that presets and single jobs share."""

import pytest

from api.schemas.jobs import NewJob
from jobs.choices import Choices
from jobs.errors import RequestInvalidError
from jobs.placement import Output, Place, numbered, scale_text

SOURCE = Place("films", "archive/1999/reel 7.mkv")

RENDERED = {
    "{prefix}/{stem}_x4.mp4": "s3://films/archive/1999/reel 7_x4.mp4",
    "out/{path}/{stem}.{container}": "s3://films/out/1999/reel 7.mp4",
    "s3://results/{bucket}/{name}_x{scale}.mp4": "s3://results/films/reel 7.mkv_x4.mp4",
    "{batch}/{line}-{watch}{stem}.{suffix}.mp4": "s3://films/bat_1/3-reel 7.mkv.mp4",
}


@pytest.mark.parametrize("template", RENDERED)
def test_templates(template: str) -> None:
    place = Output(template).place(
        SOURCE, scale="4", container="mp4", base="archive/", batch="bat_1", line=3
    )
    assert place.url == RENDERED[template]


def test_a_folder_that_is_empty_takes_its_slash_along() -> None:
    top = Place("films", "a.b")
    for template in ("{prefix}/{stem}.mp4", "{path}/{stem}.mp4"):
        assert Output(template).place(top, scale="4", container="mp4").key == "a.mp4"
    hidden = Place("films", "in/.mkv")
    assert Output("o/{stem}.mp4").place(hidden, scale="4", container="mp4").key == "o/.mkv.mp4"


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        ("{folder}/a.mp4", "{folder}"),
        ("{stem!r}.mp4", "{stem}"),
        ("{stem:>9}.mp4", "{stem}"),
        ("{stem.mp4", "cannot be read"),
        ("{}.mp4", "{}"),
        ("{stem.__class__}.mp4", "__class__"),
        ("a\nb.mp4", "one line"),
    ],
)
def test_templates_that_are_none(template: str, expected: str) -> None:
    with pytest.raises(RequestInvalidError, match=expected.replace("{", r"\{")):
        Output(template)


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        ("{prefix}/{stem}.avi", "container"),
        ("../{stem}.mp4", "step"),
        ("s3://results/../{stem}.mp4", "step"),
        ("k" * 1030 + ".mp4", "1024"),
        ("{prefix}/../1999/{stem}.mp4", "step"),
    ],
)
def test_outputs_that_are_no_keys(template: str, expected: str) -> None:
    with pytest.raises(RequestInvalidError, match=expected):
        Output(template).place(SOURCE, scale="4", container="mp4")


def test_an_output_is_never_its_input() -> None:
    same = Place("films", "a/b.mp4")
    with pytest.raises(RequestInvalidError, match="input itself"):
        Output("{prefix}/{name}").place(same, scale="4", container="mp4")


def test_names_of_versions_and_sizes() -> None:
    assert numbered("out.d/film_x4.mp4", 2) == "out.d/film_x4.v2.mp4"
    assert [scale_text(*size) for size in ((None, None, None), (2.0, None, None))] == ["4", "2"]
    assert scale_text(None, 1920, 1080) == "1920x1080"


def test_presets_have_the_parameters_of_single_jobs() -> None:
    """What one lacks or bounds otherwise would be refused in the middle of a night."""

    def bounds(model: type[NewJob] | type[Choices]) -> dict[str, object]:
        fields = model.model_json_schema()["properties"]
        return {name: _bounds(fields[name]) for name in Choices.model_fields}

    own = {"upload_id", "input_url", "input_version", "output_url", "on_collision"}
    own |= {"webhook_url", "name"}
    assert set(NewJob.model_fields) - own == set(Choices.model_fields)
    assert bounds(Choices) == bounds(NewJob)


def _bounds(field: dict[str, object]) -> dict[str, object]:
    alternatives = field.get("anyOf", [field])
    assert isinstance(alternatives, list)
    (bound,) = [each for each in alternatives if each.get("type") != "null"]
    return {
        name: value
        for name, value in bound.items()
        if name not in ("default", "description", "title", "examples")
    }
