"""Coroutines of one end awaited at the other: each runs as a task where it lives, and is asked whether it is done.

Where an event loop runs there already, it is that loop's task; else a loop of our own is moved on by every question.
"""

import asyncio
import contextlib
import threading
from asyncio import events

_PATIENCE_S = 0.002
"""How long a question may wait for something to happen."""


class Tasks:
    """The tasks of one end, by what they await."""

    def __init__(self):
        self.loop = None
        self.tasks = {}  # id -> (what is awaited, its task)

    def poll(self, awaitable):
        """(whether it is done, its value). Raises what it raised."""
        running = events._get_running_loop()
        if id(awaitable) not in self.tasks:
            with self._inside(running):
                self.tasks[id(awaitable)] = awaitable, asyncio.ensure_future(awaitable)
        task = self.tasks[id(awaitable)][1]
        if running is None and not task.done():
            with self._inside(running):
                self.loop.call_later(_PATIENCE_S, _nothing)
                self.loop._run_once()
        if not task.done():
            return False, None
        del self.tasks[id(awaitable)]
        return True, task.result()

    def cancel(self, awaitable):
        if id(awaitable) in self.tasks:
            self.tasks[id(awaitable)][1].cancel()
        elif hasattr(awaitable, "close"):
            awaitable.close()

    @contextlib.contextmanager
    def _inside(self, running):
        """Where no loop runs, let ours be the running one."""
        if running is not None:
            yield
            return
        if self.loop is None:
            self.loop = asyncio.new_event_loop()
        self.loop._thread_id = threading.get_ident()
        events._set_running_loop(self.loop)
        try:
            yield
        finally:
            events._set_running_loop(None)
            self.loop._thread_id = None


def _nothing():
    pass


def awaiting(ask, awaitable):
    """A generator that awaits what lives at the other end."""
    try:
        while True:
            done, value = ask("poll", awaitable)
            if done is True:
                return value
            yield
    except (GeneratorExit, asyncio.CancelledError):
        ask("cancel", awaitable)
        raise
