"""Generation against `transformers serve`: a server nobody here wrote. Its small model writes nothing of use, so what is
shown is that the wire works and that everything bad is rejected with a counted reason."""

from __future__ import annotations

import contextlib
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from halo_forge.data.llm_generate import TopicSpec, TrainingDataGenerator, get_backend
from halo_forge.errors import HaloForgeError
from halo_forge.model.base import materialise, resolve
from halo_forge.model.reference import EMBEDDED

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(900),
    pytest.mark.needs("python"),
]
TOPIC = TopicSpec(name="small", description="Sums", categories=["adding"], complexity_levels=["easy"])


@contextlib.contextmanager
def transformers_serve(model: Path, log: Path):
    """The URL of a server of `model`, once it listens."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    program = [str(Path(sys.executable).with_name("transformers")), "serve", str(model)]
    options = ["--host", "127.0.0.1", "--port", str(port), "--device", "cpu", "--dtype", "float32"]
    with log.open("w") as out:
        server = subprocess.Popen([*program, *options], stdout=out, stderr=out)
    try:
        deadline = time.monotonic() + 600
        while time.monotonic() < deadline and server.poll() is None:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
                break
            time.sleep(0.2)
        assert server.poll() is None, log.read_text()[-3000:]
        yield f"http://127.0.0.1:{port}/v1"
    finally:
        server.terminate()
        server.wait(60)


@pytest.mark.parametrize("which", ["tiny", "embedded"])
def test_a_small_model_served_by_transformers_is_heard_and_rejected(tmp_path, tiny_model, which):
    model = materialise(resolve(EMBEDDED)) if which == "embedded" else tiny_model
    with transformers_serve(model, tmp_path / "log") as url:
        backend = get_backend(
            "openai-compatible", base_url=url, model=str(model), max_tokens=48, count=3, attempts=1, concurrency=2
        )
        generator = TrainingDataGenerator(backend, TOPIC, replies=tmp_path / "replies.sqlite")
        with pytest.raises(HaloForgeError) as caught:
            generator.generate_all(tmp_path / "o.jsonl")
        words = str(caught.value)
        assert "kept 0 of 3; rejected " in words and "3 requests sent" in words, words
        assert "unanswered" not in words and any(reason in words for reason in ("truncated", "no_json", "wrong_fields"))
        with pytest.raises(HaloForgeError, match="0 requests sent, 3 answers from the cache"):
            generator.generate_all(tmp_path / "o.jsonl")
    assert not (tmp_path / "o.jsonl").exists()
