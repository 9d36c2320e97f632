"""Fetch the released files and record what came."""

import os
import shutil
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from flashvsr_core.errors import WeightsError
from flashvsr_core.weights.manifest import (
    FileRecord,
    Manifest,
    ModelVersion,
    read_manifest,
    record_of,
    write_manifest,
)
from flashvsr_core.weights.pieces import DIT, LQ_PROJECTION, PROMPT, TINY_DECODER, WAN_VAE

HUB_REPOSITORIES: dict[ModelVersion, str] = {
    "v1": "JunhaoZhuang/FlashVSR",
    "v1.1": "JunhaoZhuang/FlashVSR-v1.1",
}

PROMPT_URL = (
    "https://raw.githubusercontent.com/OpenImagingLab/FlashVSR/"
    "0ef95713cd336ee89a921fc2fbc2933aaf9e5f4a/examples/WanVSR/prompt_tensor/posi_prompt.pth"
)
"""The prompt lies in the authors' code repository, not on the hub."""


@dataclass(frozen=True)
class Sources:
    """Where files come from; replaced in tests."""

    fetch_from_hub: Callable[[str, str, str | None, Path], str]
    """(repository, file, revision, folder) -> the revision that the file came from."""
    fetch_url: Callable[[str, Path], None]


def download_weights(
    folder: Path,
    version: ModelVersion,
    *,
    revision: str | None = None,
    sources: Sources | None = None,
    say: Callable[[str], None] = lambda _line: None,
) -> Manifest:
    """Download what is missing into `folder` and record every file's sha256.

    Files that are there and agree with the manifest are kept, so a broken download goes on where
    it stopped.

    Args:
        folder: created if needed.
        version: which of the authors' releases.
        revision: of the hub repository; the newest if None, then recorded.
        sources: where to fetch from; the hub and the authors' repository if None.
        say: takes one line a file.

    Raises:
        WeightsError: a file cannot be had, or the folder holds another version.

    """
    sources = sources or Sources(_fetch_from_hub, _fetch_url)
    folder.mkdir(parents=True, exist_ok=True)
    manifest = read_manifest(folder)
    others = {record.version for record in manifest.files.values()} - {version}
    if others:
        raise WeightsError(
            f"{folder} already holds version {others.pop()}; download {version} to another folder."
        )
    repository = HUB_REPOSITORIES[version]
    for piece in (DIT, LQ_PROJECTION, TINY_DECODER, WAN_VAE, PROMPT):
        name = piece.released_file
        assert name is not None
        path = folder / name
        if path.exists() and name in manifest.files:
            manifest.check(path)
            say(f"{name}: already here")
            continue
        if piece is PROMPT:
            sources.fetch_url(PROMPT_URL, path)
            source = PROMPT_URL
        else:
            source = f"{repository}@{sources.fetch_from_hub(repository, name, revision, folder)}"
        files: dict[str, FileRecord] = {**manifest.files, name: record_of(path, version, source)}
        manifest = Manifest(files, manifest.color)
        write_manifest(folder, manifest)
        say(f"{name}: {manifest.files[name].sha256}")
    return manifest


def _fetch_from_hub(repository: str, name: str, revision: str | None, folder: Path) -> str:
    from huggingface_hub import hf_hub_download, model_info
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

    try:
        found = model_info(repository, revision=revision).sha or "unknown"
        hf_hub_download(repository, name, revision=found, local_dir=folder)
    except (HfHubHTTPError, LocalEntryNotFoundError, OSError) as error:
        reason = str(error).strip().splitlines()[0] if str(error).strip() else repr(error)
        raise WeightsError(
            f"{name} could not be downloaded from {repository} ({reason}); check the network and"
            " run the command again."
        ) from error
    return found


def _fetch_url(url: str, path: Path) -> None:
    partial = path.with_name(f".{path.name}.partial-{os.getpid()}")
    try:
        with urllib.request.urlopen(url, timeout=60) as answer, partial.open("wb") as file:  # noqa: S310
            shutil.copyfileobj(answer, file)
        partial.replace(path)
    except (urllib.error.URLError, OSError) as error:
        raise WeightsError(
            f"{path.name} could not be downloaded from {url} ({error}); check the network and run"
            " the command again."
        ) from error
    finally:
        partial.unlink(missing_ok=True)
