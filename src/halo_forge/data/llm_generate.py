"""Problems for one's own domain, written by a language model: the Python interface.

from halo_forge.data.llm_generate import TopicSpec, TrainingDataGenerator, get_backend

generator = TrainingDataGenerator(get_backend("deepseek"), TopicSpec(name="my_domain", …))
generator.generate_all("data/my_domain.jsonl")
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from halo_forge.data.llm.backends import Backend, connect
from halo_forge.data.llm.endpoints import known_backend
from halo_forge.data.llm.generation import Generation, Report, nothing_kept
from halo_forge.data.llm.topics import TopicSpec, load_topic
from halo_forge.data.rows import conversation
from halo_forge.data.templates import render
from halo_forge.errors import HaloForgeError
from halo_forge.jsonl import write_records
from halo_forge.model.chat import fenced
from halo_forge.records import Task
from halo_forge.settings.checking import check
from halo_forge.settings.generate_data import GenerateData
from halo_forge.settings.verify import Verify
from halo_forge.state import state_dir

__all__ = ["Report", "TopicSpec", "TrainingDataGenerator", "get_backend", "load_topic"]


def get_backend(name: str, **settings: Any) -> Backend:
    """The backend `name`: deepseek, anthropic (or claude), openai, ollama, openai-compatible.

    `settings` are those of settings.generate_data.GenerateData, such as model, base_url, key_variable, temperature,
    max_tokens, concurrency, budget, prices. Raises InputError for a wrong one, InfrastructureError naming the
    environment variable if a key is missing.
    """
    known_backend(name)
    return connect(check(GenerateData, {"backend": name, **settings}, f"get_backend({name!r})"))


class TrainingDataGenerator:
    """Asks `backend` for the problems of `spec` and keeps those whose solution passes its tests in the sandbox.

    The backend's settings rule the sending (retries, budget, cache, count), `verify` the sandbox. `replies` is the file
    that answers are kept in, by default the one that all runs share.
    """

    def __init__(
        self,
        backend: Backend,
        spec: TopicSpec,
        *,
        verify: Verify | None = None,
        replies: Path | None = None,
    ):
        self.backend, self.spec, self.replies = backend, spec, replies
        self.settings, self.verify = backend.settings, verify or Verify()

    def generate_all(self, path: str | Path) -> Report:
        """Write the rows to `path` (JSON Lines: the task with its tests, `messages`, and their `text`).

        At the end of the budget the rows so far are written. When the sending or the sandbox fails they are written
        beside it, to `<name>.partial.jsonl`, and the error is raised; run again, only what is missing is asked for.
        Raises InputError, InfrastructureError, or HaloForgeError if nothing could be kept.
        """
        path = Path(path)
        partial = path.with_name(f"{path.stem}.partial.jsonl")
        work = Generation(self.backend, self.spec, self.verify)
        try:
            _run(work.run(self._replies(path)))
        except HaloForgeError as error:
            if not work.tasks:
                raise
            self._write(partial, work.tasks)
            words = f"{error}\n{len(work.tasks)} problems are in {partial}; run the same again to go on"
            raise type(error)(words) from error
        if not work.tasks:
            raise nothing_kept(work.report)
        self._write(path, work.tasks)
        partial.unlink(missing_ok=True)
        if not self.settings.cache and self.replies is None:
            for file in path.parent.glob(f"{self._replies(path).name}*"):
                file.unlink()
        return work.report

    def _replies(self, path: Path) -> Path | None:
        """Where answers are kept; without a cache beside the output, until that is there."""
        if self.replies is not None or self.settings.cache:
            return self.replies
        return path.with_name(f".{path.name}.replies.sqlite")

    def _write(self, path: Path, tasks: Sequence[Task]) -> None:
        write_records(path, map(self._row, tasks))

    def _row(self, task: Task) -> dict[str, Any]:
        answer = fenced(task.solution or "", task.language)
        messages = conversation(task.prompt, answer, self.spec.system_prompt)
        row = {"text": render(messages, self.settings.template), "messages": messages}
        return {**row, **task.model_dump(exclude_none=True)}


def generate_file(spec: TopicSpec, settings: GenerateData, verify: Verify, path: Path) -> Report:
    """As `generate_all`, for the stage and the command line: without a cache too, a killed run is gone on with.

    Raises InfrastructureError for a missing key before anything is sent.
    """
    backend = connect(settings)
    # The lock keeps two runs of the same from paying for the same answers.
    state = state_dir(f"generate-{spec.name}", {"spec": spec, "to": backend.endpoint.identity(), "output": path})
    replies = None if settings.cache else state / "replies.sqlite"
    return TrainingDataGenerator(backend, spec, verify=verify, replies=replies).generate_all(path)


def _run(work: Coroutine[Any, Any, None]) -> None:
    """Run to the end, also where an event loop runs already, as in a notebook."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(work)
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(asyncio.run, work).result()
