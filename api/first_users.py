"""Users of the dashboard, made by whoever may run commands on the server."""

# ruff: noqa: T201 - a command speaks by printing

import argparse
import getpass
import sys
from collections.abc import Callable, Mapping
from typing import Final
from urllib.parse import urlencode

from api.settings import ApiSettings
from jobs.api_key import OPERATOR
from jobs.errors import JobsError, RequestInvalidError
from jobs.user import ROLES, hash_password

Act = Callable[[ApiSettings, argparse.Namespace], int]


def make_first_link(settings: ApiSettings) -> str | None:
    """Make the address where somebody can become the first user; None where there are users.

    Also None where the database cannot be asked now: the service starts all the same.
    """
    database = settings.open_database()
    try:
        with database.transaction() as rows:
            token = rows.users.make_first_link()
    except JobsError as error:
        print(f"No link to the dashboard can be made now: {error}", file=sys.stderr)
        return None
    finally:
        database.close()
    if token is None:
        return None
    return f"{settings.link_url.rstrip('/')}/admin/first?{urlencode({'token': token})}"


def add_user_commands(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Describe `python -m api users`."""
    users = commands.add_parser("users", help="say who may sign in to the dashboard")
    actions = users.add_subparsers(dest="action", required=True)
    add = actions.add_parser("add", help="add a user; asks for the password")
    add.add_argument("name")
    add.add_argument("--role", choices=ROLES, default="admin", help="a reader may only look")
    password = actions.add_parser("password", help="give a user another password; asks for it")
    password.add_argument("name")
    actions.add_parser("list", help="list users")
    actions.add_parser("disable", help="let a user in no more").add_argument("name")
    actions.add_parser("link", help="print a link for the first user, where there is none yet")


def _add(settings: ApiSettings, chosen: argparse.Namespace) -> int:
    password_hash = hash_password(_ask())
    with settings.open_database().transaction() as rows:
        user = rows.users.add(OPERATOR, chosen.name, chosen.role, password_hash)
    print(f"{user.name} can sign in now.")
    return 0


def _password(settings: ApiSettings, chosen: argparse.Namespace) -> int:
    password_hash = hash_password(_ask())
    with settings.open_database().transaction() as rows:
        rows.users.set_password(OPERATOR, chosen.name, password_hash)
    print(f"{chosen.name} has another password now, and is signed out everywhere.")
    return 0


def _list(settings: ApiSettings, _: argparse.Namespace) -> int:
    with settings.open_database().reading() as rows:
        for user in rows.users.list():
            print(f"{user.name}  {user.role}  {'disabled' if user.disabled_at else 'active'}")
    return 0


def _disable(settings: ApiSettings, chosen: argparse.Namespace) -> int:
    with settings.open_database().transaction() as rows:
        rows.users.disable(OPERATOR, chosen.name)
    print(f"{chosen.name} can sign in no more.")
    return 0


def _link(settings: ApiSettings, _: argparse.Namespace) -> int:
    link = make_first_link(settings)
    if link is not None:
        print(link)
        return 0
    print("There are users already; add more with 'python -m api users add'.", file=sys.stderr)
    return 1


def _ask() -> str:
    """Ask for a password twice, or read it from a pipe; never from the command line.

    Raises:
        RequestInvalidError: the two differ.

    """
    if not sys.stdin.isatty():
        return sys.stdin.readline().rstrip("\n")
    first = getpass.getpass("Password: ")
    if getpass.getpass("Once more: ") != first:
        raise RequestInvalidError("The two passwords differ; start again.")
    return first


USER_ACTS: Final[Mapping[str, Act]] = {
    "add": _add,
    "password": _password,
    "list": _list,
    "disable": _disable,
    "link": _link,
}
