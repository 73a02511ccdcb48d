"""What runs, since when, how far, and when the whole will end: `make status`, `halo-forge status`."""

from __future__ import annotations

import time
from pathlib import Path

from halo_forge.live.durations import Durations
from halo_forge.live.places import home, live_folder
from halo_forge.live.plan import read_graph, to_run
from halo_forge.live.watch import Stage, stages
from halo_forge.progress import duration
from halo_forge.settings.params import load_params


def main() -> None:
    now, found = time.time(), stages(live_folder())
    running = [stage for stage in found if stage.how == "running"]
    if not running:
        print("no stage runs here")
        for stage in found[-1:]:
            print(f"last: {stage.name}, {stage.how} at {_clock(stage.began + stage.seconds, now)}")
        print(_execution(home(), [], found, now))
    # Experiments of a queue run side by side, each in its copy of this checkout.
    for folder in dict.fromkeys(stage.cwd for stage in running):
        there = [stage for stage in running if stage.cwd == folder]
        for stage in there:
            print(_running(stage, now))
        print(_execution(folder, there, found, now))


def _execution(folder: Path, running: list[Stage], found: list[Stage], now: float) -> str:
    """What is done and what is before the execution whose stages run in `folder`."""
    execution = running[0].execution if running else None
    done = {stage.name: stage for stage in found if stage.execution == execution and stage.how == "done"}
    preset = running[0].preset if running else load_params().preset
    due = to_run(folder, read_graph(folder), [stage.name for stage in running], list(done))
    lines = []
    if done:
        took = duration(sum(stage.seconds for stage in done.values()))
        lines.append(f"done: {len(done)} stages in {took} of {execution}")
    return "\n".join([*lines, _to_go(due, running, Durations(preset), now)])


def _running(stage: Stage, now: float) -> str:
    words = [f"{stage.name} runs since {_clock(stage.began, now)} ({duration(now - stage.began)})"]
    said = stage.progress
    if said:
        share = f" of {said['total']} ({100 * said['done'] / said['total']:.0f} %)" if said["total"] else ""
        words.append(f"{said['label']}: {said['done']}{share}")
        words += [f"{name.replace('_', ' ')} {value:.3g}" for name, value in said["fields"].items()]
    left = stage.left_s(now)
    if left is not None:
        words.append(f"{duration(left)} left")
    return ", ".join(words)


def _to_go(due: list[str], running: list[Stage], durations: Durations, now: float) -> str:
    """What is before us, and the hour of its end as far as earlier runs tell."""
    if not due and not running:
        return "to go: nothing, every result is up to date"
    seconds = {name: durations.of(name) for name in due}
    for stage in running:
        left, whole = stage.left_s(now), durations.of(stage.name)
        if left is None and whole is not None:
            left = max(whole - (now - stage.began), 0.0)
        seconds[stage.name] = left
    unknown = [name for name, value in seconds.items() if value is None]
    total = sum(value for value in seconds.values() if value is not None)
    words = f"to go: {len(due)} stages" + (f" ({', '.join(due[:6])}{', …' if len(due) > 6 else ''})" if due else "")
    if len(unknown) == len(seconds):
        return f"{words}; none of them has run on this machine with this preset, so nothing tells how long they take"
    when = f"at about {_clock(now + total, now)}" if running else "if started now"
    words += f"\nends {when}, in {duration(total)}, by what the stages took before"
    if unknown:
        words += f"; {len(unknown)} of them are not counted, for they never ran: {', '.join(unknown[:6])}"
        words += ", …" if len(unknown) > 6 else ""
    return words


def _clock(then: float, now: float) -> str:
    """14:05, with the date unless it is today."""
    same_day = time.localtime(then)[:3] == time.localtime(now)[:3]
    return time.strftime("%H:%M" if same_day else "%a %d %b %H:%M", time.localtime(then))
