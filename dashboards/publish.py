"""Publishes the boards to Grafana or to the board server; both take the same API calls.

All records have fixed uids, so a second run changes nothing. Afterwards each panel's query runs
through `/api/ds/query`, which takes a publisher's token, and its result is reported. This is the
only importer of grafana_api. Some calls that library lacks, or makes by numeric id, which Grafana
13 has switched off; they go through the library's session with uid paths.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import quote, urlsplit

import requests
from grafana_api import grafana_api as library
from grafana_api.grafana_face import GrafanaFace

from dashboards.layout import ON_WALLS
from dashboards.panels import FRESHNESS, PLUGIN, STALE_MARK
from schemas.errors import GulouError, Misconfigured, Refused, Unavailable

FOLDER: Final = ("gulou", "鼓楼")
PLAYLIST: Final = ("gulou-walls", "鼓楼大屏轮播", "1m")
DAY_MS: Final = 86_400_000
_TIMEOUT_S: Final = 35.0  # The boards' user is stopped after 30 s.

Board = dict[str, Any]
Values = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Checked:
    """Result of one query of a panel; `panel` ends with the query's letter if it has several."""

    board: str
    panel: str
    ref: str
    rows: int
    took_ms: float
    error: str = ""


class Grafana:
    """A session with a Grafana or a board server.

    Args:
        url: address with its path, such as `https://grafana.city.example/boards`.
        token: of a service account that may edit folders, boards and data sources.
    """

    def __init__(self, url: str, token: str) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise Misconfigured(f"{url!r} is no address of a Grafana.", do="Write it http://host.")
        self.url = url
        prefix = parts.path.strip("/")
        self._face = GrafanaFace(
            auth=token,
            host=f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname,
            port=parts.port,
            protocol=parts.scheme,
            url_path_prefix=f"{prefix}/" if prefix else "",
            timeout=_TIMEOUT_S,
        )

    def call(self, verb: str, path: str, body: object = None) -> Any:
        """Answer to `verb` on `/api` + `path`.

        Raises:
            Unavailable: no answer, or a server error.
            Misconfigured: the token is rejected.
            Missing: the resource does not exist.
            Refused: the server refuses the request; the message is the server's.
        """
        what = f"{verb} {path} at {self.url}"
        try:
            return getattr(self._face.api, verb)(path, json=body)
        except requests.RequestException as error:
            raise Unavailable(
                f"{what} got no answer ({type(error).__name__}).",
                do="Is it up, and the address right?",
            ) from error
        except library.GrafanaServerError as error:
            raise Unavailable(f"{what}: {error.message}.", do="See its log.") from error
        except library.GrafanaClientError as error:
            if error.status_code in (401, 403):
                # Quotes the server: a 403 may concern the resource and not the token.
                raise Misconfigured(
                    f"{what}: the token is not let in ({error.message}).",
                    do="Give a service account's, role Admin.",
                ) from error
            if error.status_code == 404:
                raise Missing(f"{what}: there is none.", do="Publish the boards.") from error
            raise Failed(f"{what}: {error.message}", error.response) from error

    def get(self, path: str) -> Any:
        """The resource, or None if it does not exist."""
        try:
            return self.call("GET", path)
        except Missing:
            return None

    def serves(self, file: str) -> bool:
        """Whether the server has `file` in its public folder.

        Raises:
            Unavailable: no answer.
        """
        api = self._face.api
        try:
            answer = api.s.head(f"{self.url.rstrip('/')}/{file}", auth=api.auth, timeout=_TIMEOUT_S)
        except requests.RequestException as error:
            raise Unavailable(
                f"HEAD {file} at {self.url} got no answer ({type(error).__name__}).",
                do="Is it up, and the address right?",
            ) from error
        return bool(answer.status_code == requests.codes.ok)


class Missing(Refused):
    """Nothing has this uid."""


class Failed(Refused):
    """Refused, with the server's whole answer, which `do` can't hold."""

    def __init__(
        self, what: str, answer: Any = None, *, do: str = "Mend it and publish again."
    ) -> None:
        super().__init__(what, do=do)
        self.answer = answer


def publish(
    grafana: Grafana,
    sources: Sequence[Mapping[str, Any]],
    boards: Sequence[Board],
    tell: Callable[[str], None],
) -> None:
    """Publishes data sources, folder, boards and the walls' playlist; reports what it did.

    Raises:
        GulouError: the first step that failed; a second run continues from there.
    """
    for source in sources:
        tell(f"data source {source['name']}: {_put_source(grafana, source)}")
    tell(f"folder {FOLDER[1]}: {_put_folder(grafana)}")
    for board in boards:
        tell(f"board {board['title']}: {_put_board(grafana, board)}")
    tell(f"playlist {PLAYLIST[1]}: {_put_playlist(grafana, boards)}")
    missing = _outlines_missing(grafana, boards)
    tell(f"map outlines: {missing}" if missing else "map outlines: as it was")


def _put_source(grafana: Grafana, source: Mapping[str, Any]) -> str:
    path = f"/datasources/uid/{source['uid']}"
    there = grafana.get(path)
    if there is None:
        grafana.call("POST", "/datasources", dict(source))
        return "added"
    differing = _source_drift(there, source)
    if there.get("readOnly"):
        # It comes from Grafana's provisioning files: Grafana answers 403 to any change.
        return f"read-only there; {_in_its_files(differing)}" if differing else "as it was"
    # A password can't be compared, but a wrong one fails the health check.
    if not differing and _healthy(grafana, path):
        return "as it was"
    grafana.call("PUT", path, dict(source))
    return "changed" if differing else "set anew, as its health check failed"


def _in_its_files(differing: Sequence[str]) -> str:
    return f"change it in that Grafana's provisioning files: {', '.join(differing)}"


def _healthy(grafana: Grafana, path: str) -> bool:
    try:
        return bool(grafana.call("GET", f"{path}/health").get("status") == "OK")
    except GulouError:
        return False


def _outlines_missing(grafana: Grafana, boards: Sequence[Board]) -> str:
    """How to add the counties' outlines, which no board contains; empty if the server has them."""
    layers = [
        layer
        for board in boards
        for panel in board["panels"]
        for layer in (panel.get("options") or {}).get("layers") or ()
    ]
    sources = sorted({layer["config"]["src"] for layer in layers if layer["type"] == "geojson"})
    missing = [source for source in sources if not grafana.serves(source)]
    if not missing:
        return ""
    name = missing[0].rpartition("/")[2]
    return (
        f"missing, so the map shows markers alone; copy the city's outlines_{name} to {missing[0]} "
        "in that Grafana's home (its image: /usr/share/grafana)"
    )


def _put_folder(grafana: Grafana) -> str:
    uid, title = FOLDER
    there = grafana.get(f"/folders/{uid}")
    if there is None:
        grafana.call("POST", "/folders", {"uid": uid, "title": title})
        return "added"
    if there.get("title") == title:
        return "as it was"
    grafana.call("PUT", f"/folders/{uid}", {"title": title, "overwrite": True})
    return "renamed"


def _put_board(grafana: Grafana, board: Board) -> str:
    there = grafana.get(f"/dashboards/uid/{board['uid']}")
    differing = [] if there is None else _board_drift(there, board)
    if there is not None and not differing:
        return "as it was"
    if there is not None and (there.get("meta") or {}).get("provisioned"):
        return f"read-only there; {_in_its_files(differing)}"
    grafana.call(
        "POST",
        "/dashboards/db",
        {
            "dashboard": {**board, "id": None},
            "folderUid": FOLDER[0],
            "overwrite": True,
            "message": "gulou boards publish",
        },
    )
    return "added" if there is None else "changed"


def playlist(boards: Iterable[Board]) -> dict[str, Any]:
    """The walls' playlist, of the boards tagged for walls, as Grafana's API takes it."""
    uid, name, interval = PLAYLIST
    uids = [board["uid"] for board in boards if ON_WALLS in board.get("tags", ())]
    items = [{"type": "dashboard_by_uid", "value": board, "title": board} for board in uids]
    return {"uid": uid, "name": name, "interval": interval, "items": items}


def _found_playlist(grafana: Grafana) -> Any:
    there = grafana.get(f"/playlists/{PLAYLIST[0]}")
    if there is not None:
        return there
    # Older Grafanas assign their own uid to a playlist.
    listed = grafana.get("/playlists") or []
    mine = [each for each in listed if each.get("name") == PLAYLIST[1]]
    return grafana.get(f"/playlists/{mine[0]['uid']}") if mine else None


def _put_playlist(grafana: Grafana, boards: Sequence[Board]) -> str:
    there, wanted = _found_playlist(grafana), playlist(boards)
    if there is None:
        grafana.call("POST", "/playlists", wanted)
        return "added"
    if not _playlist_drift(there, wanted):
        return "as it was"
    grafana.call("PUT", f"/playlists/{there['uid']}", {**wanted, "uid": there["uid"]})
    return "changed"


# ------------------------------------------------------------------------------------- drift


def drift(
    grafana: Grafana, sources: Sequence[Mapping[str, Any]], boards: Sequence[Board]
) -> list[str]:
    """Differences from what should be there, one sentence each; changes nothing."""
    found: list[str] = []
    for source in sources:
        there = grafana.get(f"/datasources/uid/{source['uid']}")
        if there is None:
            found.append(f"data source {source['name']} is missing")
        else:
            found += [f"data source {source['name']}: {d}" for d in _source_drift(there, source)]
    folder = grafana.get(f"/folders/{FOLDER[0]}")
    if folder is None:
        found.append(f"folder {FOLDER[1]} is missing")
    elif folder.get("title") != FOLDER[1]:
        found.append(f"folder {FOLDER[1]} has another title")
    for board in boards:
        there = grafana.get(f"/dashboards/uid/{board['uid']}")
        if there is None:
            found.append(f"board {board['title']} is missing")
        else:
            found += [f"board {board['title']}: {d}" for d in _board_drift(there, board)]
    if missing := _outlines_missing(grafana, boards):
        found.append(f"map outlines: {missing}")
    listed = _found_playlist(grafana)
    if listed is None:
        found.append(f"playlist {PLAYLIST[1]} is missing")
    elif _playlist_drift(listed, playlist(boards)):
        found.append(f"playlist {PLAYLIST[1]} has other boards or another rhythm")
    return found


def _source_drift(there: Mapping[str, Any], source: Mapping[str, Any]) -> list[str]:
    plain = {k: v for k, v in source.items() if k not in ("secureJsonData", "jsonData")}
    found = [f"{key} is another" for key, value in plain.items() if there.get(key) != value]
    # Ignores settings that Grafana's own form adds.
    settings = there.get("jsonData") or {}
    return found + [
        f"{key} is {settings.get(key)!r} instead of {value!r}"
        for key, value in source["jsonData"].items()
        if settings.get(key) != value
    ]


def _board_drift(there: Mapping[str, Any], board: Board) -> list[str]:
    now = {k: v for k, v in there["dashboard"].items() if k not in ("id", "version")}
    differing = [key for key in sorted(board.keys() | now.keys()) if board.get(key) != now.get(key)]
    found = [f"{key} was changed" for key in differing]
    folder = (there.get("meta") or {}).get("folderUid", "")
    return found + ([] if folder == FOLDER[0] else ["lies in another folder"])


def _playlist_drift(there: Mapping[str, Any], wanted: Mapping[str, Any]) -> bool:
    boards = [item["value"] for item in there.get("items") or ()]
    return boards != [item["value"] for item in wanted["items"]] or any(
        there.get(key) != wanted[key] for key in ("name", "interval")
    )


# ------------------------------------------------------------------------------------ queries


def check(
    grafana: Grafana, source: str, boards: Sequence[Board], *, start_ms: int, end_ms: int
) -> Iterator[Checked]:
    """Runs every panel's query as the page would, in the boards' order.

    Args:
        grafana: session to run them in.
        source: uid of the data source in place of the board's variable; a query that names its
            own asks that one.
        boards: as JSON.
        start_ms: first instant of the range, ms since 1970.
        end_ms: last instant of the range.
    """
    span = {"from": str(start_ms), "to": str(end_ms)}
    for board in boards:
        values: dict[str, str] = {"source": source}
        for variable in board["templating"]["list"]:
            outcome, value = _variable(grafana, variable, values, span)
            values[variable["name"]] = value
            if outcome is not None:
                yield Checked(board["title"], f"变量 {variable['name']}", *outcome)
        for panel in board["panels"]:
            targets = panel.get("targets") or ()
            for target in targets:
                sql, uid = filled(target["rawSql"], values), _source(target, source)
                outcome, _ = _asked(grafana, sql, uid, span, target["format"], target["refId"])
                title = panel["title"].removesuffix(STALE_MARK)
                which = f" {target['refId']}" if len(targets) > 1 else ""
                yield Checked(board["title"], title + which, *outcome)


_Outcome = tuple[str, int, float, str]


def _variable(
    grafana: Grafana, variable: Mapping[str, Any], values: Values, span: Mapping[str, str]
) -> tuple[_Outcome | None, str]:
    if variable["type"] != "query":
        return None, str(values.get(variable["name"]) or variable["current"]["value"])
    sql = filled(variable["query"]["rawSql"], values)
    outcome, first = _asked(grafana, sql, _source(variable, values["source"]), span, 1, "v")
    return outcome, "$__all" if variable.get("includeAll") else first


def _source(asking: Mapping[str, Any], chosen: str) -> str:
    """Uid of the data source that a panel's or variable's query names; else `chosen`."""
    uid = str((asking.get("datasource") or {}).get("uid") or "$")
    return chosen if uid.startswith("$") else uid


_CONDITION: Final = re.compile(
    r"\$__conditionalAll\((?P<condition>.*?), \$(?P<name>\w+)\)", re.DOTALL
)
_VALUE: Final = re.compile(r"\$\{(\w+):percentencode\}")


def filled(sql: str, values: Values) -> str:
    """`sql` as the page sends it: the page's macros expanded, variable values encoded."""

    def condition(found: re.Match[str]) -> str:
        everything = values.get(found["name"], "") in ("", "$__all")
        return "1=1" if everything else found["condition"]

    without = _CONDITION.sub(condition, sql)
    return _VALUE.sub(lambda found: quote(values.get(found[1], ""), safe=""), without)


def _asked(
    grafana: Grafana, sql: str, source: str, span: Mapping[str, str], form: int, ref: str
) -> tuple[_Outcome, str]:
    query = {
        "refId": ref,
        "datasource": {"type": PLUGIN, "uid": source},
        "rawSql": sql,
        "format": form,
        "intervalMs": 3_600_000,
        "maxDataPoints": 800,
    }
    since = time.perf_counter()
    try:
        answer = grafana.call("POST", "/ds/query", {"queries": [query], **span})
    except Failed as failure:
        answer = failure.answer if isinstance(failure.answer, dict) else {}
        if "results" not in answer:
            return (ref, 0, _ms(since), str(failure)), ""
    except GulouError as failure:
        return (ref, 0, _ms(since), str(failure)), ""
    took = _ms(since)
    result = answer["results"][ref]
    if error := result.get("error", ""):
        # Grafana calls a time series without rows an error; on the board it is an empty panel.
        return (ref, 0, took, "" if error.startswith("no results") else error), ""
    columns = [c for frame in result.get("frames") or () for c in (frame["data"]["values"] or [[]])]
    rows = len(columns[0]) if columns else 0
    if ref == FRESHNESS and rows != 1:
        return (ref, rows, took, f"the freshness query gave {rows} rows instead of one"), ""
    return (ref, rows, took, ""), str(columns[0][0]) if rows else ""


def _ms(since: float) -> float:
    return (time.perf_counter() - since) * 1000
