"""The page's files."""

from __future__ import annotations

import gzip
import mimetypes
from pathlib import Path

from aiohttp import web

from dashboards.panels import MAPS

DIST = Path(__file__).parents[1] / "viewer" / "dist"


class Files:
    """The built page in memory; text files also gzipped, for walls on a slow connection."""

    def __init__(self, outlines: Path | None = None, root: Path = DIST) -> None:
        self.root = root
        self._files: dict[str, tuple[bytes, bytes | None, str]] = {}
        for path in sorted(p for p in root.rglob("*") if p.is_file()):
            kind = mimetypes.guess_type(path.name)[0] or "application/octet-stream"
            self._files[path.relative_to(root).as_posix()] = (path.read_bytes(), None, kind)
        if outlines:
            city = outlines.stem.removeprefix("outlines_")
            self._files[f"{MAPS}/{city}.geojson"] = (
                outlines.read_bytes(),
                None,
                "application/geo+json",
            )

    async def asset(self, request: web.Request) -> web.StreamResponse:
        """A file of the bundle; its name contains its hash, so it never changes."""
        name = request.path.lstrip("/")
        # A city's outlines change under the same name.
        cache = "no-cache" if name.startswith(MAPS) else "public, max-age=31536000, immutable"
        return self._send(request, name, cache)

    async def index(self, request: web.Request) -> web.StreamResponse:
        """The page itself, never cached."""
        return self._send(request, "index.html", "no-cache")

    def _send(self, request: web.Request, name: str, cache: str) -> web.Response:
        if name not in self._files:
            raise web.HTTPNotFound(text="not found")
        raw, small, kind = self._files[name]
        headers = {"Cache-Control": cache, "Vary": "Accept-Encoding"}
        texty = kind.startswith("text/") or kind.endswith(("javascript", "json", "+xml"))
        if texty and "gzip" in request.headers.get("Accept-Encoding", ""):
            if small is None:
                small = gzip.compress(raw, compresslevel=6, mtime=0)
                self._files[name] = (raw, small, kind)
            raw = small
            headers["Content-Encoding"] = "gzip"
        return web.Response(body=raw, content_type=kind, charset=None, headers=headers)
