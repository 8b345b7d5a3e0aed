"""A server on loopback that answers Minari's questions as the Hugging Face hub does."""

from __future__ import annotations

import hashlib
import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

COMMIT = "0123456789abcdef0123456789abcdef01234567"
AUTHOR = "farama-minari"


@dataclass
class Hub:
    """What the server offers, and how badly.

    Attributes:
        folder: of a Minari namespace, which is a repository on the hub.
        cuts: so many answers with the content of a large file end in the middle.
        large: files of more bytes than this are large.
        requests: methods and paths asked for, in order.
    """

    folder: Path
    cuts: int = 0
    large: int = 4096
    requests: list[str] = field(default_factory=list)
    address: str = ""

    @property
    def repository(self) -> str:
        """Name of the repository."""
        return f"{AUTHOR}/{self.folder.name}"

    def files(self) -> dict[str, Path]:
        """Return the files by their paths in the repository."""
        below = (path for path in self.folder.rglob("*") if path.is_file())
        return {path.relative_to(self.folder).as_posix(): path for path in sorted(below)}


@contextmanager
def serve(hub: Hub) -> Iterator[Hub]:
    """Answer on a free port until the block ends."""
    handler = type("Handler", (_Handler,), {"hub": hub})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    hub.address = f"http://127.0.0.1:{server.server_address[1]}"
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()


class _Handler(BaseHTTPRequestHandler):
    hub: Hub
    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""

    def do_HEAD(self) -> None:
        self._answer()

    def do_GET(self) -> None:
        self._answer()

    def _answer(self) -> None:
        self.hub.requests.append(f"{self.command} {self.path}")
        path, name = urlsplit(self.path).path, self.hub.repository
        files = self.hub.files()
        if path == "/":
            self._send(200, b"hub")
        elif path == "/api/datasets":
            self._send_json([{"id": name, "_id": "1", "tags": [], "private": False, "sha": COMMIT}])
        elif re.fullmatch(rf"/api/datasets/{name}(/revision/[^/]+)?", path):
            siblings = [{"rfilename": file} for file in files]
            self._send_json({"id": name, "_id": "1", "sha": COMMIT, "siblings": siblings, "private": False, "tags": []})
        elif path.startswith(f"/api/datasets/{name}/tree/"):
            self._send_json([_entry(file, place) for file, place in files.items()])
        elif match := re.fullmatch(rf"/datasets/{name}/resolve/[^/]+/(.+)", path):
            self._send_file(files.get(match[1]))
        else:
            self._send(404, b"", {"X-Error-Code": "RepoNotFound"})

    def _send_json(self, content: Any) -> None:
        self._send(200, json.dumps(content).encode(), {"Content-Type": "application/json"})

    def _send_file(self, path: Path | None) -> None:
        if path is None:
            self._send(404, b"", {"X-Error-Code": "EntryNotFound"})
            return
        content = path.read_bytes()
        headers = {"ETag": f'"{_digest(content)}"', "X-Repo-Commit": COMMIT, "Accept-Ranges": "bytes"}
        span = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        if span is None:
            self._send(200, content, headers)
            return
        first = int(span[1])
        self._send(
            206, content[first:], {**headers, "Content-Range": f"bytes {first}-{len(content) - 1}/{len(content)}"}
        )

    def _send(self, code: int, content: bytes, headers: dict[str, str] | None = None) -> None:
        self.send_response(code)
        for name, value in {**(headers or {}), "Content-Length": str(len(content))}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command == "HEAD":
            return
        if len(content) > self.hub.large and self.hub.cuts > 0:
            self.hub.cuts -= 1
            self.wfile.write(content[: len(content) // 2])
            self.wfile.flush()
            self.close_connection = True  # the client waits for the rest in vain
        else:
            self.wfile.write(content)


def _entry(name: str, path: Path) -> dict[str, Any]:
    return {"type": "file", "path": name, "size": path.stat().st_size, "oid": _digest(path.read_bytes())}


def _digest(content: bytes) -> str:
    return hashlib.sha1(content).hexdigest()
