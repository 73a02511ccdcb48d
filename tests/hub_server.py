"""A hub on this machine, as much of one as `datasets`, a download of a model's file and an upload ask for:
`hub_server.py FOLDER`.

A repository, of data or of a model, is a folder FOLDER/owner/name. The branch main names COMMIT; every other commit holds the same files. The
port is printed first, then each request. Whoever has TOKEN may make models and upload to them; files named as weights
go the way of large files.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote, urlsplit

COMMIT = "c0ffee" * 6 + "c0ff"
TOKEN = "hf_of_the_tests"
LARGE = (".safetensors", ".gguf", "tokenizer.json")
_CARD = "---\nconfigs:\n- config_name: {config}\n  data_files:\n  - split: {split}\n    path: data/{split}-*\n---\n"


def publish(root: Path, repository: str, rows: list[dict], config: str = "default", split: str = "train") -> None:
    """Put rows under `root` as a repository of Parquet, as nearly all sets of the hub are."""
    import pyarrow
    from pyarrow import parquet

    folder = root / repository
    (folder / "data").mkdir(parents=True)
    parquet.write_table(pyarrow.Table.from_pylist(rows), folder / "data" / f"{split}-00000-of-00001.parquet")
    (folder / "README.md").write_text(_CARD.format(config=config, split=split))


@contextlib.contextmanager
def serving(root: Path, log: Path) -> Iterator[str]:
    """The hub of `root` as a process of its own; gives what HF_ENDPOINT has to be. `log` lists the requests."""
    with log.open("w") as file:
        server = subprocess.Popen([sys.executable, __file__, str(root)], stdout=file, stderr=subprocess.DEVNULL)
        try:
            until = time.monotonic() + 60
            while not log.read_text() and time.monotonic() < until:
                time.sleep(0.05)
            yield f"http://127.0.0.1:{log.read_text().split()[0]}"
        finally:
            server.kill()
            server.wait()


class Hub(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def __init__(self, root: Path, *arguments):
        self.root = root
        super().__init__(*arguments)

    def do_GET(self) -> None:  # noqa: N802 - the handler's protocol
        self._answer(urlsplit(unquote(self.path)).path.strip("/").split("/"))

    do_HEAD = do_POST = do_PUT = do_GET  # noqa: N815

    def _answer(self, parts: list[str]) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        match parts:
            case ["api", "validate-yaml"]:
                self._validate(json.loads(body)["content"])
            case (
                ["api", "repos", "create"] | ["api", "models", _, _, "preupload" | "commit", _] | [_, _, "info", *_]
            ) if self.headers.get("Authorization") != f"Bearer {TOKEN}":
                self._send(401, {"error": "Invalid username or password."})
            case ["api", "repos", "create"]:
                wanted = json.loads(body)
                (self.root / wanted["organization"] / wanted["name"]).mkdir(parents=True, exist_ok=True)
                self._send(200, {"url": f"{self._here}/{wanted['organization']}/{wanted['name']}"})
            case ["api", "models", owner, name, "preupload", _]:
                files = [
                    {
                        "path": file["path"],
                        "uploadMode": "lfs" if file["path"].endswith(LARGE) else "regular",
                        "shouldIgnore": False,
                    }
                    for file in json.loads(body)["files"]
                ]
                self._send(200, {"files": files})
            case [owner, name, "info", "lfs", "objects", "batch"]:
                objects = [
                    {**wanted, "actions": {"upload": {"href": f"{self._here}/large/{wanted['oid']}"}}}
                    for wanted in json.loads(body)["objects"]
                ]
                self._send(200, {"transfer": "basic", "objects": objects})
            case ["large", oid]:
                (self.root / oid).write_bytes(body)
                self._send(200, {})
            case ["api", "models", owner, name, "commit", _]:
                self._commit(self.root / owner / name, [json.loads(line) for line in body.splitlines()])
                url = f"{self._here}/{owner}/{name}/commit/{COMMIT}"
                self._send(200, {"commitUrl": url, "commitOid": COMMIT, "success": True})
            case ["api", "models", owner, name, *rest] if (self.root / owner / name).is_dir():
                self._api(self.root / owner / name, f"{owner}/{name}", rest or ["revision", "main"], body)
            case ["api", "datasets", owner, name, *rest] if (self.root / owner / name).is_dir():
                self._api(self.root / owner / name, f"{owner}/{name}", rest, body)
            case ["datasets", owner, name, "resolve", revision, *path] | [owner, name, "resolve", revision, *path] if (
                len(revision) == 40
            ):
                self._file(self.root / owner / name / "/".join(path), revision)
            case _:
                self._send(404, {"error": "Repository not found"}, {"X-Error-Code": "RepoNotFound"})

    @property
    def _here(self) -> str:
        return f"http://{self.headers['Host']}"

    def _validate(self, content: str) -> None:
        """The hub's own schema is larger; this much of it is what a card of ours could offend."""
        from huggingface_hub import ModelCard

        try:
            data = ModelCard(content, ignore_metadata_errors=False).data.to_dict()
        except ValueError as error:
            return self._send(400, {"error": str(error)})
        unknown = {"license": data.get("license"), "base_model": data.get("base_model")}
        wrong = [key for key, value in unknown.items() if value is not None and (not value or " " in str(value))]
        self._send(400 if wrong else 200, {"errors": wrong, "warnings": []})

    def _commit(self, folder: Path, lines: list[dict]) -> None:
        for line in lines[1:]:
            value, target = line["value"], folder / line["value"]["path"]
            target.parent.mkdir(parents=True, exist_ok=True)
            if line["key"] == "lfsFile":
                (self.root / value["oid"]).replace(target)
            else:
                target.write_bytes(base64.b64decode(value["content"]))

    def _api(self, folder: Path, name: str, rest: list[str], body: bytes) -> None:
        files = sorted(path for path in folder.rglob("*") if path.is_file())
        names = [path.relative_to(folder).as_posix() for path in files]
        match rest:
            case ["revision", revision] if revision == "main" or len(revision) == 40:
                commit = COMMIT if revision == "main" else revision
                siblings = [{"rfilename": file} for file in names]
                self._send(200, {"id": name, "sha": commit, "siblings": siblings, "private": False, "tags": []})
            case ["tree", _, *place]:
                inside = [path for path in files if "/".join(place) in ("", path.parent.relative_to(folder).as_posix())]
                folders = {path.parent for path in files if path.parent.parent == folder} if not place else set()
                tree = [{"type": "directory", "path": path.name, "oid": COMMIT, "size": 0} for path in sorted(folders)]
                self._send(200, tree + [self._entry(folder, path) for path in inside])
            case ["paths-info", _]:
                wanted = json.loads(body)["paths"]
                found = [self._entry(folder, folder / path) for path in wanted if (folder / path).is_file()]
                self._send(200, found)
            case _:
                self._send(404, {"error": "Revision not found"}, {"X-Error-Code": "RevisionNotFound"})

    @staticmethod
    def _entry(folder: Path, path: Path) -> dict:
        name = path.relative_to(folder).as_posix()
        return {"type": "file", "path": name, "size": path.stat().st_size, "oid": _tag(path)}

    def _file(self, path: Path, commit: str) -> None:
        if not path.is_file():
            return self._send(404, {"error": "Entry not found"}, {"X-Error-Code": "EntryNotFound"})
        data, status, more = path.read_bytes(), 200, {}
        wanted = self.headers.get("Range")
        if wanted:
            first, _, last = wanted.removeprefix("bytes=").partition("-")
            end = min(int(last) if last else len(data) - 1, len(data) - 1)
            more = {"Content-Range": f"bytes {first}-{end}/{len(data)}"}
            data, status = data[int(first) : end + 1], 206
        self._send(status, data, more | {"ETag": f'"{_tag(path)}"', "X-Repo-Commit": commit, "Accept-Ranges": "bytes"})

    def _send(self, status: int, value: object, headers: dict[str, str] | None = None) -> None:
        data = value if isinstance(value, bytes) else json.dumps(value).encode()
        self.send_response(status)
        for name, text in {"Content-Type": "application/json", **(headers or {})}.items():
            self.send_header(name, text)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)

    def log_message(self, *_: object) -> None:
        print(self.command, self.path, self.headers.get("Range", ""), flush=True)


def _tag(path: Path) -> str:
    return hashlib.sha1(path.read_bytes()).hexdigest()


if __name__ == "__main__":
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Hub, Path(sys.argv[1])))
    print(server.server_port, flush=True)
    server.serve_forever()
