"""A thin client of Argilla's REST API: paths and JSON, retries, and errors as sentences.

Argilla's own Python client is not used: it throws ranks away, prints whole records when a call fails, and takes an
export that stopped midway for a whole one. The server's answers to wrong input may quote the input, and so messages; of
an error only what is known to quote nothing is told.
"""

from __future__ import annotations

import json
import re
import threading
import time
import weakref
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from schemas.problems import Problem

if TYPE_CHECKING:
    import httpx

SAFE_METHODS = frozenset({"GET", "PUT", "DELETE"})  # twice is the same as once
BUSY = frozenset({502, 503, 504})
FIRST_WAIT, LONGEST_WAIT = 0.2, 3.0  # seconds between tries

# What the server says of wrong records without quoting them: from its validators, and pydantic's codes.
_SAID = re.compile(
    r"missing required value for field: '\w+'"
    r"|found fields values for non configured fields"
    r"|(?:text|chat|image|custom) field '\w+' (?:value )?(?:must be a (?:string|list of messages|dictionary)"
    r"|is exceeding the maximum length|is using an unsupported MIME type|has an invalid URL value)"
    r"|exceeds the maximum allowed value of \d+"
    r"|'\w+' metadata property (?:validation failed|does not exist)"
    r"|vector must have \d+ elements, got \d+ elements"
    r"|missing response value for required question with name='\w+'"
    r"|found response value for non configured question with name='\w+'"
    r"|(?:ranking|multi label selection|text) questions? expects?"
    r"|is not a valid (?:label|rating) for (?:label selection|rating) question"
    r"|are not valid (?:labels|values|ranks) for (?:multi label selection|ranking) question"
    r"|found records with same external ids"
    r"|Record with id `[0-9a-f-]+` not found"
    r"|(?:External IDs|Option values) must be unique"
)
_CODE = re.compile(r"'type': '([a-z_]+)'")
_CODES = {
    "string_too_long": "a text is longer than the server takes",
    "string_too_short": "a text is empty where the server wants one",
    "string_type": "a value is not a text",
    "string_unicode": "a text is not valid Unicode",
    "too_long": "there are more items than the server takes",
    "json_invalid": "it is not valid JSON",
}


class Refused(Problem):
    """The server answered, and did not do what was asked.

    Attributes:
        status: HTTP status.
        reason: Why, without any of what was sent.
    """

    def __init__(self, status: int, reason: str, sentence: str) -> None:
        self.status, self.reason = status, reason
        super().__init__(sentence)


class Api:
    """A server, and an account on it.

    One object may be used by several threads. Calls that are the same twice as once (GET, PUT, DELETE) are tried again
    while the server is not there or busy, as it is during a restart.

    Attributes:
        url: Where the server is.
    """

    def __init__(self, url: str, key: str, *, timeout: float = 120.0, patience: float = 20.0) -> None:
        """
        Args:
            url: Address of the server.
            key: The account's API key.
            timeout: Seconds to wait for an answer.
            patience: Seconds to go on trying while no server answers.
        """
        self.url = url.rstrip("/")
        self._key, self._timeout, self._patience = key, timeout, patience
        self._client: httpx.Client | None = None
        self._lock = threading.Lock()

    def get(self, path: str, params: Mapping[str, Any] | None = None) -> Any:
        return self.call("GET", path, params=params)

    def post(self, path: str, body: Any = None, params: Mapping[str, Any] | None = None) -> Any:
        return self.call("POST", path, body, params)

    def put(self, path: str, body: Any = None) -> Any:
        return self.call("PUT", path, body)

    def patch(self, path: str, body: Any) -> Any:
        return self.call("PATCH", path, body)

    def delete(self, path: str, params: Mapping[str, Any] | None = None) -> Any:
        return self.call("DELETE", path, params=params)

    def call(self, method: str, path: str, body: Any = None, params: Mapping[str, Any] | None = None) -> Any:
        """Ask for something.

        Args:
            method: HTTP method.
            path: After `/api/v1/`.
            body: Sent as JSON.
            params: Query parameters.

        Returns:
            The answer's JSON; None where there is none.

        Raises:
            Refused: The server said no.
            Problem: No server answers.
        """
        import httpx

        # The server's JSON reader takes lone surrogates and its validator refuses them: one record, not a broken call.
        content = None if body is None else json.dumps(body, ensure_ascii=False).encode("utf-8", "surrogatepass")
        headers = {} if content is None else {"Content-Type": "application/json"}
        gives_up, wait = time.monotonic() + self._patience, FIRST_WAIT
        while True:
            try:
                answer = self._connected().request(
                    method, f"/api/v1/{path}", content=content, params=params, headers=headers
                )
            except httpx.TransportError as error:
                # A call that never reached the server may be made again whatever it is.
                again = method in SAFE_METHODS or isinstance(error, httpx.ConnectError | httpx.ConnectTimeout)
                if not again or time.monotonic() + wait > gives_up:
                    raise Problem(self._absent(error)) from None
            except httpx.InvalidURL:
                raise Problem(f"{self.url}: not an address; expected one such as http://127.0.0.1:6900.") from None
            else:
                if answer.status_code not in BUSY or method not in SAFE_METHODS or time.monotonic() + wait > gives_up:
                    return self._read(answer, method, path)
            time.sleep(wait)
            wait = min(2 * wait, LONGEST_WAIT)

    def close(self) -> None:
        """Close connections; the next call opens new ones."""
        with self._lock:
            if self._client is not None:
                self._client.close()
            self._client = None

    def _connected(self) -> httpx.Client:
        import httpx

        with self._lock:
            if self._client is None:
                self._client = httpx.Client(
                    base_url=self.url,
                    headers={"X-Argilla-Api-Key": self._key},
                    timeout=httpx.Timeout(self._timeout, connect=10.0),
                    limits=httpx.Limits(max_connections=16, max_keepalive_connections=16),
                )
                weakref.finalize(self, self._client.close)  # whoever forgets to close leaves no socket open
            return self._client

    def _absent(self, error: Exception) -> str:
        import httpx

        if isinstance(error, httpx.UnsupportedProtocol):
            return f"{self.url}: not an address; expected one such as http://127.0.0.1:6900."
        if isinstance(error, httpx.TimeoutException) and not isinstance(error, httpx.ConnectTimeout):
            return f"{self.url}: no answer within {self._timeout:.0f} s; look at the server's log, and try again."
        return (
            f"{self.url}: no Argilla server answers there; start it with `python -m annotation serve`, or set "
            "ARGILLA_API_URL and ARGILLA_API_KEY to one that runs. Nothing is lost: run the same command again then."
        )

    def _read(self, answer: httpx.Response, method: str, path: str) -> Any:
        status = answer.status_code
        if status < 300:
            if not answer.content:
                return None
            try:
                return answer.json()
            except ValueError:
                raise Problem(f"{self.url}: what answers there is not an Argilla server.") from None
        call = f"{self.url}: {method} {path}"
        if status == 401:
            sentence = (
                f"{self.url}: the server does not take the API key; it was changed, or is another server's. "
                "Give the key of an owner in ARGILLA_API_KEY."
            )
        elif status == 403:
            sentence = f"{call}: this account may not do that; use an owner's API key."
        elif status == 404:
            sentence = f"{call}: not there; it was removed on the server, or the address is not an Argilla server's."
        elif status >= 500:
            sentence = f"{call}: the server failed (status {status}); its log says why (a full disk, for one)."
        else:
            sentence = f"{call}: refused (status {status}): {reason(answer)}."
        raise Refused(status, reason(answer), sentence)


def reason(answer: httpx.Response) -> str:
    """Why the server refused, in words that quote nothing of what was sent."""
    if answer.status_code >= 500:
        return "the server failed on it"
    try:
        detail = answer.json().get("detail")
    except (ValueError, AttributeError):
        return "no reason given"
    if isinstance(detail, dict):
        errors = detail.get("params", {}).get("errors", [])
        codes = {str(error["type"]) for error in errors if isinstance(error, dict) and "type" in error}
        nested = set(_CODE.findall(str(errors)))  # of errors within an error's text
        return _coded(codes | nested) or "what was sent is not as the server expects"
    text = str(detail)
    said = _SAID.search(text)
    return said[0] if said else _coded(set(_CODE.findall(text))) or "the server's reason may quote messages; not shown"


def _coded(codes: set[str]) -> str:
    """Codes in words; those that are not pydantic's are somebody's text."""
    return "; ".join(sorted(words for code, words in _CODES.items() if code in codes))
