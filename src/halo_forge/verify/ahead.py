"""Work on what comes in, a few items ahead of what has been taken: in threads, or so many at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from itertools import islice
from typing import TypeVar

Item, Result = TypeVar("Item"), TypeVar("Result")


def batches(items: Iterable[Item], size: int) -> Iterator[list[Item]]:
    """So many at a time, the last fewer."""
    rest = iter(items)
    while some := list(islice(rest, size)):
        yield some


def done_in_threads(
    work: Callable[[Item], Result], items: Iterable[Item], workers: int, name: str
) -> Iterator[tuple[Item, Result]]:
    """(item, what `work` makes of it), as each is done; `items` are taken by the caller's thread.

    No more than twice as many as there are workers are held, so that a file of them is never held whole and stopping
    early stops soon.
    """
    queue = iter(items)
    with ThreadPoolExecutor(workers, thread_name_prefix=name) as pool:
        running: dict[Future, Item] = {}
        try:
            while True:
                for item in islice(queue, 2 * workers - len(running)):
                    running[pool.submit(work, item)] = item
                if not running:
                    return
                for future in wait(running, return_when=FIRST_COMPLETED).done:
                    yield running.pop(future), future.result()
        finally:
            for future in running:
                future.cancel()
