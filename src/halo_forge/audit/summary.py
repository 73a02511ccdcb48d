"""An audit in figures and in words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from halo_forge.audit.records import Survivor, TaskAudit

_COUNTED = ("mutants", "killed", "equivalent", "survived", "unknown", "not_compiled")


def figures(audited: Sequence[TaskAudit], skipped: Mapping[str, int], min_kill_rate: float) -> dict[str, Any]:
    """Sums over the audited tasks; which of them are weak, and which references fail their own tests."""
    whole = {name: sum(getattr(one, name) for one in audited) for name in _COUNTED}
    told = whole["killed"] + whole["survived"]
    return {
        "tasks": len(audited),
        **whole,
        "kill_rate": round(whole["killed"] / told, 4) if told else None,
        "min_kill_rate": min_kill_rate,
        "weak": [one.task_id for one in audited if one.is_weak(min_kill_rate)],
        "reference_fails": {one.task_id: one.reference for one in audited if one.reference != "pass"},
        "not_audited": dict(sorted(skipped.items())),
    }


def in_a_line(found: Mapping[str, Any]) -> str:
    rate = "nothing to go by" if found["kill_rate"] is None else f"{100 * found['kill_rate']:.1f} % killed"
    text = (
        f"{found['tasks']} tasks, {found['mutants']} mutants: {found['killed']} killed, {found['survived']} survived, "
        f"{found['equivalent']} equivalent, {found['unknown']} unknown; {rate}; "
        f"{len(found['weak'])} tasks with weak tests (under {100 * found['min_kill_rate']:g} %)"
    )
    if found["reference_fails"]:
        text += f"; {len(found['reference_fails'])} references fail their own tests"
    for reason, number in found["not_audited"].items():
        text += f"; {number} not audited: {reason}"
    return text


def weakest_first(audited: Sequence[TaskAudit]) -> list[TaskAudit]:
    """References that fail, then by share killed; among equals in order."""
    return sorted(audited, key=lambda one: (one.reference == "pass", 1.0 if one.kill_rate is None else one.kill_rate))


def row(one: TaskAudit) -> list[Any]:
    if one.reference != "pass":
        return [one.task_id, None, None, None, None, None, f"reference: {one.reference}"]
    rate = "" if one.kill_rate is None else f"{100 * one.kill_rate:.0f} %"
    return [one.task_id, one.mutants, one.killed, one.survived, one.equivalent, one.unknown, rate]


HEADERS = ["task", "mutants", "killed", "survived", "equivalent", "unknown", "kill rate"]


def hole(survivor: Survivor, limit: int = 200) -> list[str]:
    """What passes though it is wrong, and the test that would tell, in lines."""
    lines = [f"{survivor.operator}, line {survivor.line}", *survivor.difference]
    if survivor.input is not None:
        given, asked = repr(survivor.input), repr(survivor.expected)
        if len(given) + len(asked) <= limit:
            lines.append(f"a test that tells: {given} gives {asked}")
        else:
            lines.append(f"a test that tells: {given[:limit]}… (the whole in --output)")
    return lines
