"""`python -m api`: serve, make and revoke keys as the operator, or say who may sign in."""

# ruff: noqa: T201 - a command speaks by printing

import argparse
import json
import logging
import sys
from collections.abc import Sequence

from api.first_keys import create_first_key
from api.first_users import USER_ACTS, add_user_commands, make_first_link
from api.settings import ApiSettings, read_settings
from jobs.api_key import EVERY_TENANT, OPERATOR, SCOPES, KeyLimits, NewApiKey
from jobs.errors import JobsError


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; return the exit code."""
    chosen = _parser().parse_args(arguments)
    try:
        settings = read_settings()
        if chosen.command == "users":
            return USER_ACTS[chosen.action](settings, chosen)
        if chosen.command != "keys":
            return _serve(settings)
        act = {"create": _create, "first": _first, "list": _list, "revoke": _revoke}
        return act[chosen.action](settings, chosen)
    except JobsError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1


def _serve(settings: ApiSettings) -> int:
    from api.server import make_server

    logging.basicConfig(
        level=settings.log_level.upper(), format="%(asctime)s %(levelname)s %(name)s %(message)s"
    )
    server = make_server(settings)
    if link := make_first_link(settings):
        # Printed and not logged: for half an hour it is as good as a password.
        print(
            f"Nobody can sign in to the dashboard yet; become its first user: {link}",
            file=sys.stderr,
            flush=True,
        )
    server.run()
    return 0


def _create(settings: ApiSettings, chosen: argparse.Namespace) -> int:
    limits = KeyLimits(
        requests_per_minute=chosen.requests_per_minute,
        queued_jobs=chosen.queued_jobs,
        pixels=chosen.pixels,
        duration_s=chosen.duration_s,
        upload_bytes=chosen.upload_bytes,
        input_prefixes=tuple(chosen.input_prefix),
        output_prefixes=tuple(chosen.output_prefix),
    )
    with settings.open_database().transaction() as rows:
        new = rows.api_keys.create(OPERATOR, chosen.tenant, chosen.name, chosen.scopes, limits)
    _show(new)
    print("The secrets are shown this once.", file=sys.stderr)
    return 0


def _first(settings: ApiSettings, _: argparse.Namespace) -> int:
    new = create_first_key(settings.open_database())
    if new is not None:
        _show(new)
    return 0


def _show(new: NewApiKey) -> None:
    document = {
        "id": new.key.id,
        "tenant": new.key.tenant,
        "secret": new.secret,
        "webhook_secret": new.webhook_secret,
    }
    print(json.dumps(document, indent=2))


def _list(settings: ApiSettings, chosen: argparse.Namespace) -> int:
    with settings.open_database().reading() as rows:
        for key in rows.api_keys.list(chosen.tenant):
            state = "revoked" if key.revoked_at else ",".join(sorted(key.scopes))
            print(f"{key.id}  {key.tenant}  {key.prefix}…  {state}  {key.name}")
    return 0


def _revoke(settings: ApiSettings, chosen: argparse.Namespace) -> int:
    with settings.open_database().transaction() as rows:
        rows.api_keys.revoke(OPERATOR, chosen.key_id)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m api", description=__doc__)
    commands = parser.add_subparsers(dest="command")
    commands.add_parser("serve", help="serve HTTP (what happens without a command)")
    keys = commands.add_parser("keys", help="make, list and revoke API keys")
    actions = keys.add_subparsers(dest="action", required=True)

    create = actions.add_parser("create", help="make a key and print its secrets once")
    create.add_argument("--tenant", required=True)
    create.add_argument("--name", default="made by the operator")
    create.add_argument("--scopes", nargs="+", choices=SCOPES, default=list(SCOPES))
    create.add_argument("--requests-per-minute", type=int)
    create.add_argument("--queued-jobs", type=int)
    create.add_argument("--pixels", type=int, help="width times height of an output frame")
    create.add_argument("--duration-s", type=float)
    create.add_argument("--upload-bytes", type=int)
    create.add_argument("--input-prefix", action="append", default=[], help="s3://bucket/folder/")
    create.add_argument("--output-prefix", action="append", default=[], help="s3://bucket/folder/")

    actions.add_parser("first", help="make a key where there is none yet, else print nothing")
    listing = actions.add_parser("list", help="list keys, without their secrets")
    listing.add_argument("--tenant", default=EVERY_TENANT)
    actions.add_parser("revoke", help="make a key useless").add_argument("key_id")
    add_user_commands(commands)
    return parser


if __name__ == "__main__":
    sys.exit(main())
