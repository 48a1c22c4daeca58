"""Somebody who looks at the site: over HTTP, with cookies, as a browser would."""

from __future__ import annotations

import json
import re
import urllib.request
from http.cookiejar import CookieJar
from typing import Any
from urllib.parse import urlencode, urljoin

PATIENCE = 30.0
"""Seconds for one page."""


class Visitor:
    """One visitor, with a session of his own."""

    def __init__(self, url: str) -> None:
        self.url = url
        cookies = urllib.request.HTTPCookieProcessor(CookieJar())
        no_proxy = urllib.request.ProxyHandler({})
        self._opener = urllib.request.build_opener(no_proxy, cookies)
        self._token = ""

    def get(self, path: str = "") -> str:
        """Return a page. Raises urllib.error.HTTPError if the site does not answer with 200."""
        return self._read(urljoin(self.url, path)).decode()

    def get_bytes(self, path: str) -> bytes:
        return self._read(urljoin(self.url, path))

    def get_json(self, path: str) -> Any:
        return json.loads(self.get(path))

    def post(self, path: str, **fields: str) -> str:
        """Send a form and return the page that follows."""
        if not self._token:
            self._token = re.findall(r'name="csrfmiddlewaretoken" value="(\w+)"', self.get())[0]
        data = urlencode({"csrfmiddlewaretoken": self._token, **fields}).encode()
        return self._read(urllib.request.Request(urljoin(self.url, path), data)).decode()

    def _read(self, what: str | urllib.request.Request) -> bytes:
        with self._opener.open(what, timeout=PATIENCE) as answer:
            body: bytes = answer.read()
            return body
