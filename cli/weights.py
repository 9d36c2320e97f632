"""`flashvsr weights`: get, check and convert the model's weights."""

import json
import sys
from pathlib import Path
from typing import Annotated, Literal

import typer

from cli.errors import BAD_WEIGHTS
from cli.folders import weights_home

app = typer.Typer(help="Get, check and convert the model's weights.", no_args_is_help=True)

Version = Literal["v1", "v1.1"]
Folder = Annotated[Path, typer.Argument(metavar="DIR", help="A weights folder.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@app.command()
def download(
    folder: Annotated[
        Path | None, typer.Argument(metavar="[DIR]", help="Where to; a standard place if left out.")
    ] = None,
    version: Annotated[Version, typer.Option(help="Which release of the authors.")] = "v1.1",
    revision: Annotated[str | None, typer.Option(help="Of the hub repository.")] = None,
) -> None:
    """Download the released weights and record their sha256."""
    from flashvsr_core.weights.download import download_weights

    target = folder or weights_home() / version
    download_weights(
        target, version, revision=revision, say=lambda line: print(line, file=sys.stderr)
    )
    print(target)


@app.command()
def verify(
    folder: Annotated[
        str, typer.Argument(metavar="DIR|NAME", help="A weights folder, or a bundled model.")
    ],
    as_json: AsJson = False,
) -> None:
    """Check a folder's sha256, names and shapes; exit 5 if a piece is bad or missing."""
    from dataclasses import asdict

    from flashvsr_core.weights import WeightsFolder
    from flashvsr_core.weights.names import find_weights
    from flashvsr_core.weights.verify import verify_weights

    opened = WeightsFolder(find_weights(folder))
    findings = list(verify_weights(opened))
    if as_json:
        print(
            json.dumps(
                {
                    "version": opened.recorded_version,
                    "pieces": [asdict(finding) for finding in findings],
                },
                indent=2,
            )
        )
    else:
        print(f"version  {opened.recorded_version or 'not recorded'}")
        for finding in findings:
            print(f"{'ok ' if finding.is_good else 'BAD'}  {finding.piece:<18} {finding.remark}")
    if not all(finding.is_good for finding in findings):
        raise typer.Exit(BAD_WEIGHTS)


@app.command()
def record(
    folder: Folder,
    version: Annotated[Version, typer.Option(help="Which release the files are.")],
) -> None:
    """Write a manifest for files that came another way than by `download`."""
    from flashvsr_core.weights.verify import record_weights

    for name, entry in record_weights(folder, version).files.items():
        print(f"{entry.sha256}  {name}")


@app.command()
def convert(
    source: Annotated[Path, typer.Argument(metavar="FROM", help="A weights folder.")],
    target: Annotated[Path, typer.Argument(metavar="TO", help="A new folder.")],
    dtype: Annotated[
        Literal["keep", "bf16", "fp16", "fp32"], typer.Option(help="Of the tensors.")
    ] = "keep",
    version: Annotated[
        Version | None, typer.Option(help="Of the source, where its manifest does not tell.")
    ] = None,
) -> None:
    """Write one safetensors file per piece."""
    import torch

    from flashvsr_core.weights import WeightsFolder
    from flashvsr_core.weights.convert import convert_weights

    dtypes = {"bf16": torch.bfloat16, "fp16": torch.float16, "fp32": torch.float32}
    convert_weights(WeightsFolder(source, version=version), target, dtypes.get(dtype))
    print(target)


@app.command()
def random(
    folder: Annotated[
        Path | None,
        typer.Argument(metavar="[DIR]", help="A new folder; a standard place if left out."),
    ] = None,
    config: Annotated[
        Literal["tiny-test", "nano", "released"], typer.Option(help="Sizes of the model.")
    ] = "tiny-test",
    version: Annotated[Version, typer.Option(help="What the manifest says.")] = "v1",
    seed: Annotated[int, typer.Option(help="Same seed, same files.")] = 0,
) -> None:
    """Write random weights, for tests and benchmarks; they make noise, not pictures."""
    from flashvsr_core.weights.random import write_random_weights

    target = folder or weights_home() / config
    write_random_weights(target, config, version=version, seed=seed)
    print(target)
