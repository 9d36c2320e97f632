"""Signing in and staying so, asserted on rows and on what browsers can still load."""

import logging
import re
from dataclasses import replace

import pytest
from sqlalchemy import text

from jobs.api_key import OPERATOR
from jobs.database import open_engine
from tests.admin.browser import Browser
from tests.admin.conftest import PASSWORD, add_user, sign_in
from tests.api.conftest import MakeWorld
from tests.api.world import World
from tests.clock import pass_time


def log_in(browser: Browser, name: str, password: str) -> int:
    page = browser.get("/login")
    answer = browser.post("/login", {"name": name, "password": password, "next": ""}, follow=False)
    assert page.status == 200
    return answer.status


def count(world: World, table: str) -> int:
    engine = open_engine(world.settings.database)
    with engine.connect() as connection:
        found: int = connection.execute(text(f"SELECT count(*) FROM {table}")).scalar_one()
    engine.dispose()
    return found


def test_the_right_password_opens_the_page_that_was_asked_for(
    world: World, password_hash: str
) -> None:
    add_user(world, "ada", "admin", password_hash)
    browser = Browser(world)
    asked = browser.get("/jobs?state=failed")
    assert "Sign in" in asked.text
    there = browser.send(asked, "/login", name="ada", password=PASSWORD)
    assert str(there.answer.url).endswith("/admin/jobs?state=failed")
    (cookie,) = [h for h in there.answer.history if "set-cookie" in h.headers]
    said = cookie.headers["set-cookie"]
    assert "HttpOnly" in said
    assert "SameSite=lax" in said
    with world.database.reading() as rows:
        actions = [entry.action for entry in rows.audit_log.page("*").entries]
    assert actions[0] == "user.signed_in"


@pytest.mark.parametrize("after", ["//evil.example", "https://evil.example/", "/\\evil.example"])
def test_nobody_is_led_elsewhere(embedded: World, password_hash: str, after: str) -> None:
    add_user(embedded, "ada", "admin", password_hash)
    answer = Browser(embedded).post(
        "/login", {"name": "ada", "password": PASSWORD, "next": after}, follow=False
    )
    assert answer.status == 303
    assert answer.answer.headers["location"].startswith("/admin/")


def test_wrong_ones_look_alike(embedded: World, password_hash: str) -> None:
    add_user(embedded, "ada", "admin", password_hash)
    add_user(embedded, "eve", "admin", password_hash)
    with embedded.database.transaction() as rows:
        rows.users.disable(OPERATOR, "eve")
    browser = Browser(embedded)
    pages = [
        browser.post("/login", {"name": name, "password": password})
        for name, password in (("ada", "wrong"), ("nobody", PASSWORD), ("eve", PASSWORD))
    ]
    assert {page.status for page in pages} == {403}
    assert len({page.text for page in pages}) == 1
    assert count(embedded, "sessions") == 0


def test_passwords_cannot_be_tried_for_ever(
    world: World, password_hash: str, caplog: pytest.LogCaptureFixture
) -> None:
    add_user(world, "ada", "admin", password_hash)
    policy = world.services.database.policy
    world.services.database.policy = replace(policy, login_tries=2, login_window_s=600.0)
    browser = Browser(world)
    with caplog.at_level(logging.DEBUG):
        assert [log_in(browser, "ada", "a wrong secret") for _ in range(2)] == [403, 403]
        refused = browser.post("/login", {"name": "ada", "password": PASSWORD})
    assert refused.status == 429
    assert re.search(r"wait \d+ seconds", refused.text)
    assert count(world, "sessions") == 0
    assert log_in(browser, "somebody", "a wrong secret") == 403, "another name is not locked"
    assert "a wrong secret" not in caplog.text
    assert PASSWORD not in caplog.text


def test_a_login_makes_a_new_session_and_ends_the_old_one(
    embedded: World, password_hash: str
) -> None:
    add_user(embedded, "ada", "admin", password_hash)
    browser = Browser(embedded)
    log_in(browser, "ada", PASSWORD)
    first = browser.http.cookies["flashvsr_session"]
    log_in(browser, "ada", PASSWORD)
    assert browser.http.cookies["flashvsr_session"] != first
    assert "Sign in" in Browser(embedded, first).get("/").text


def test_signing_out_here_and_everywhere(world: World, admin: Browser) -> None:
    second, third = sign_in(world, "ada"), sign_in(world, "ada")
    assert "Overview" in third.get("/").text
    token = second.http.cookies["flashvsr_session"]
    second.press("/", "/logout")
    assert "Sign in" in Browser(world, token).get("/").text
    admin.press("/account", "/logout", everywhere="yes")
    assert "Sign in" in third.get("/").text
    assert count(world, "sessions") == 0


@pytest.mark.parametrize("field", ["session_idle_s", "session_max_s"])
def test_sessions_end_by_the_clock(world: World, password_hash: str, field: str) -> None:
    database = world.services.database
    database.policy = replace(database.policy, **{field: 60.0})  # type: ignore[arg-type]
    add_user(world, "ada", "admin", password_hash)
    browser = sign_in(world, "ada")
    assert browser.get("/account").status == 200
    pass_time(database, 60)
    assert "Sign in" in browser.get("/account").text
    with database.transaction() as rows:
        rows.logins.forget_ended()
    assert count(world, "sessions") == (0 if field == "session_max_s" else 1)


def test_behind_https_the_cookie_is_bound_to_the_host(
    make_embedded: MakeWorld, password_hash: str
) -> None:
    world = make_embedded(public_url="https://vsr.example")
    add_user(world, "ada", "admin", password_hash)
    answer = world.client().post(
        "/admin/login",
        data={"name": "ada", "password": PASSWORD},
        headers={"Origin": "https://vsr.example"},
    )
    assert answer.status_code == 303
    said = answer.headers["set-cookie"]
    assert said.startswith("__Host-flashvsr=")
    assert "Secure" in said
    assert "Path=/;" in said
    assert "Domain" not in said


def test_changing_the_password_signs_other_browsers_out(world: World, admin: Browser) -> None:
    other = sign_in(world, "ada")
    new = {"new_password": "quite another one", "repeated": "quite another one"}
    wrong = admin.press("/account", "/account/password", password="guess", **new)
    assert wrong.status == 422
    assert "present password is wrong" in wrong.text
    right = admin.press("/account", "/account/password", password=PASSWORD, **new)
    assert "Password changed" in right.text
    assert "Sign in" in other.get("/").text
    assert log_in(Browser(world), "ada", "quite another one") == 303
    assert log_in(Browser(world), "ada", PASSWORD) == 403


def test_the_first_link_makes_one_administrator(world: World) -> None:
    with world.database.transaction() as rows:
        token, spare = rows.users.make_first_link(), rows.users.make_first_link()
    assert token is not None
    assert spare is not None
    browser = Browser(world)
    page = browser.get(f"/first?token={token}")
    assert "Welcome" in page.text
    filled = {"name": "ada", "new_password": "long enough", "repeated": "long enough"}
    short = browser.send(page, "/first", **filled | {"new_password": "x", "repeated": "x"})
    assert short.status == 422
    assert "10 to 200 characters" in short.text
    there = browser.send(page, "/first", **filled)
    assert "Welcome, ada." in there.text
    assert browser.get("/keys").status == 200, "an administrator"
    for each in (token, spare):
        assert browser.get(f"/first?token={each}").status == 403
        answer = browser.post("/first", {"token": each, **filled | {"name": "eve"}})
        assert answer.status == 403
    with world.database.transaction() as rows:
        assert [user.name for user in rows.users.list()] == ["ada"]
        assert rows.users.make_first_link() is None


def test_the_first_link_ends_by_the_clock(embedded: World) -> None:
    database = embedded.services.database
    database.policy = replace(database.policy, first_link_s=60.0)
    with database.transaction() as rows:
        token = rows.users.make_first_link()
    pass_time(database, 60)
    assert Browser(embedded).get(f"/first?token={token}").status == 403
