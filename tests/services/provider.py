"""An OpenID Connect provider in a process of its own: code flow with PKCE, signed ID tokens, and faults on request.

    python -m tests.services.provider PORT

Whoever is sent to /authorize is signed in at once, as the person of /be. /be also takes a fault.
"""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
import subprocess
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import httpx

from tests.services import free_port

CLIENT, SECRET = "lurge", "a secret: +/&"
SECONDS_TO_START = 30
FAULTS = ("nonce", "audience", "issuer", "expired", "signature", "unsigned", "no token", "not json", "error", "subject")


class State:
    """What the provider knows."""

    def __init__(self, port: int) -> None:
        from joserfc.jwk import RSAKey

        self.issuer = f"http://127.0.0.1:{port}"
        self.kid = secrets.token_hex(4)
        self.key = RSAKey.generate_key(2048, {"kid": self.kid, "use": "sig"})
        self.other_key = RSAKey.generate_key(2048, {"kid": self.kid, "use": "sig"})
        self.person: dict[str, Any] = {}
        self.told: dict[str, Any] = {}
        self.fault = ""
        self.codes: dict[str, dict[str, str]] = {}
        self.tokens: set[str] = set()

    def metadata(self) -> dict[str, Any]:
        ends = {"authorization_endpoint": "authorize", "token_endpoint": "token", "userinfo_endpoint": "userinfo",
                "jwks_uri": "jwks"}  # fmt: skip
        return {
            "issuer": self.issuer,
            **{name: f"{self.issuer}/{end}" for name, end in ends.items()},
            "id_token_signing_alg_values_supported": ["RS256"],
            "response_types_supported": ["code"],
            "token_endpoint_auth_methods_supported": ["client_secret_basic"],
        }

    def id_token(self, asked: dict[str, str]) -> str:
        """An ID token, with the fault that was asked for."""
        from joserfc import jwt

        now = int(time.time())
        claims = {
            "iss": self.issuer, "aud": CLIENT, "sub": "42", "iat": now, "exp": now + 300,
            "nonce": asked.get("nonce", ""), **self.person,
        }  # fmt: skip
        wrong: dict[str, dict[str, Any]] = {
            "nonce": {"nonce": "another"}, "audience": {"aud": "another"}, "issuer": {"iss": "https://another"},
            "expired": {"exp": now - 3600, "iat": now - 7200},
        }  # fmt: skip
        claims |= wrong.get(self.fault, {})
        if self.fault == "unsigned":
            parts = [json.dumps(part).encode() for part in ({"alg": "none"}, claims)]
            return ".".join([*(base64.urlsafe_b64encode(part).rstrip(b"=").decode() for part in parts), ""])
        key = self.other_key if self.fault == "signature" else self.key
        return jwt.encode({"alg": "RS256", "kid": self.kid}, claims, key)

    def token(self, form: dict[str, str], authorization: str) -> tuple[int, Any]:
        """The answer to a code."""
        asked = self.codes.pop(form.get("code", ""), None)
        given = base64.b64decode(authorization.removeprefix("Basic ")).decode()
        digest = hashlib.sha256(form.get("code_verifier", "").encode()).digest()
        challenge = base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
        if given not in (f"{CLIENT}:{SECRET}", urlencode({CLIENT: SECRET}).replace("=", ":", 1)):
            return 401, {"error": "invalid_client"}
        if self.fault == "error":
            return 500, {}
        if self.fault == "not json":
            return 200, "<html>"
        wrong = not asked or asked["code_challenge"] != challenge or asked["redirect_uri"] != form["redirect_uri"]
        if asked is None or wrong or asked["code_challenge_method"] != "S256":
            return 400, {"error": "invalid_grant"}
        access = secrets.token_urlsafe()
        self.tokens.add(access)
        answer = {"access_token": access, "token_type": "Bearer", "expires_in": 300}
        return 200, answer if self.fault == "no token" else {**answer, "id_token": self.id_token(asked)}


def handler_of(state: State) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def answer(self, status: int, content: Any, **headers: str) -> None:
            body = content.encode() if isinstance(content, str) else json.dumps(content).encode()
            self.send_response(status)
            for name, value in {
                "Content-Type": "application/json",
                "Content-Length": str(len(body)),
                **headers,
            }.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def do_GET(self) -> None:
            url = urlsplit(self.path)
            asked = {name: values[0] for name, values in parse_qs(url.query).items()}
            if url.path == "/.well-known/openid-configuration":
                self.answer(200, state.metadata())
            elif url.path == "/jwks":
                self.answer(200, {"keys": [state.key.as_dict(private=False)]})
            elif url.path == "/be":
                state.person, state.told = json.loads(asked["person"]), json.loads(asked["told"])
                state.fault = asked.get("fault", "")
                self.answer(200, {})
            elif url.path == "/authorize":
                code = secrets.token_urlsafe()
                state.codes[code] = asked
                back = urlencode({"code": code, "state": asked["state"]})
                self.answer(302, {}, Location=f"{asked['redirect_uri']}?{back}")
            elif url.path == "/userinfo" and self.headers["Authorization"].removeprefix("Bearer ") in state.tokens:
                self.answer(200, {"sub": "43" if state.fault == "subject" else "42", **state.told})
            else:
                self.answer(404, {})

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"])).decode()
            form = {name: values[0] for name, values in parse_qs(body).items()}
            self.answer(*state.token(form, self.headers.get("Authorization", "")))

        def log_message(self, *_: Any) -> None:
            pass

    return Handler


class Provider:
    """A running provider."""

    def __init__(self) -> None:
        self.port = free_port()
        self.issuer = f"http://127.0.0.1:{self.port}"
        self.start()

    def start(self) -> None:
        command = [sys.executable, "-m", "tests.services.provider", str(self.port)]
        self._process = subprocess.Popen(command, cwd=Path(__file__).parent.parent.parent)
        ends = time.monotonic() + SECONDS_TO_START
        while True:
            try:
                httpx.get(f"{self.issuer}/jwks")
                break
            except httpx.HTTPError:
                assert self._process.poll() is None
                assert time.monotonic() < ends
                time.sleep(0.05)

    def be(self, person: dict[str, Any], fault: str = "", told: dict[str, Any] | None = None) -> None:
        """Choose who signs in. person: claims of the ID token; told: those of userinfo alone."""
        asked = {"person": json.dumps(person), "told": json.dumps(told or {}), "fault": fault}
        httpx.get(f"{self.issuer}/be", params=asked).raise_for_status()

    def stop(self) -> None:
        self._process.kill()
        self._process.wait()


if __name__ == "__main__":
    ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), handler_of(State(int(sys.argv[1])))).serve_forever()
