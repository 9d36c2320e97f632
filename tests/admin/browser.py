"""What a browser does with the dashboard: cookies, forms with their hidden fields, links."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from html.parser import HTMLParser
from urllib.parse import urljoin, urlsplit

import httpx2

from tests.api.world import World

VOID = {"area", "base", "br", "col", "hr", "img", "input", "link", "meta", "source", "rect", "line"}


@dataclass
class Element:
    """One tag with its attributes, and the text inside."""

    tag: str
    attributes: dict[str, str]
    text: str = ""


@dataclass
class Form:
    """A form with what it would send as it stands."""

    action: str
    method: str
    fields: list[tuple[str, str]] = field(default_factory=list)


class Page(HTMLParser):
    """An answer as a browser reads it."""

    def __init__(self, answer: httpx2.Response) -> None:
        super().__init__(convert_charrefs=True)
        self.answer = answer
        self.elements: list[Element] = []
        self.forms: list[Form] = []
        self._open: list[Element] = []
        self._form: Form | None = None
        self.feed(answer.text)

    @property
    def status(self) -> int:
        return self.answer.status_code

    @property
    def text(self) -> str:
        """All text, with single spaces."""
        skipped = {"script", "style"}
        return " ".join(" ".join(e.text for e in self.elements if e.tag not in skipped).split())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = Element(tag, {name: value or "" for name, value in attrs})
        self.elements.append(found)
        if tag == "form":
            method = found.attributes.get("method", "get")
            self._form = Form(found.attributes.get("action", ""), method)
            self.forms.append(self._form)
        elif tag == "input" and self._form is not None and "name" in found.attributes:
            kind = found.attributes.get("type", "text")
            if kind not in ("checkbox", "radio") or "checked" in found.attributes:
                value = found.attributes.get("value", "")
                self._form.fields.append((found.attributes["name"], value))
        if tag not in VOID:
            self._open.append(found)

    def handle_endtag(self, tag: str) -> None:
        if tag == "form":
            self._form = None
        while self._open and self._open.pop().tag != tag:
            pass

    def handle_data(self, data: str) -> None:
        if self._open:
            self._open[-1].text += data

    def links(self, rel: str | None = None) -> list[str]:
        return [
            e.attributes["href"]
            for e in self.elements
            if e.tag == "a" and (rel is None or e.attributes.get("rel") == rel)
        ]

    def form_value(self, name: str) -> str:
        """The value of the first field of a name, in a form or not."""
        return next(
            e.attributes["value"] for e in self.elements if e.attributes.get("name") == name
        )

    def form(self, action: str) -> Form:
        """The form that is sent to an address that ends so."""
        found = [form for form in self.forms if form.action.endswith(action)]
        assert found, f"no form for {action} among {[form.action for form in self.forms]}"
        return found[0]


class Browser:
    """Someone who looks at the dashboard, signed in or not."""

    def __init__(self, world: World, token: str | None = None) -> None:
        self.world = world
        self.origin = world.url
        self.http = world.client()
        if token is not None:
            self.http.cookies.set("flashvsr_session", token, domain="127.0.0.1")

    def get(self, path: str, **headers: str) -> Page:
        """Load a page; follow where it leads."""
        answer = self.http.get(f"/admin{path}", headers=headers, follow_redirects=True)
        return Page(answer)

    def post(
        self, path: str, fields: Mapping[str, str | Sequence[str]], *, follow: bool = True
    ) -> Page:
        """Send fields from a page of the same origin."""
        answer = self.http.post(
            f"/admin{path}",
            data=dict(fields),
            headers={"Origin": self.origin},
            follow_redirects=follow,
        )
        return Page(answer)

    def send(self, page: Page, action: str, **fields: str) -> Page:
        """Fill a form of a page and send it."""
        form = page.form(action)
        values: dict[str, str | list[str]] = {}
        for name, value in [*form.fields, *fields.items()]:
            if name in fields:
                values[name] = fields[name]
            elif name in values:
                before = values[name]
                values[name] = [*(before if isinstance(before, list) else [before]), value]
            else:
                values[name] = value
        target = urlsplit(urljoin(str(page.answer.url), form.action)).path
        assert target.startswith("/admin")
        if form.method == "get":
            answer = self.http.get(target, params=values)
            return Page(answer)
        return self.post(target.removeprefix("/admin"), values)

    def press(self, path: str, action: str, **fields: str) -> Page:
        """Load a page and send one of its forms."""
        return self.send(self.get(path), action, **fields)

    @property
    def csrf(self) -> str:
        return dict(self.get("/account").form("/account/password").fields)["csrf"]
