"""`halo-forge benchmark`: pass@k of any model on any prompts, and how two such results differ."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import typer

from halo_forge.cli.bridge import benchmark_params, generation, given_k, short_name, verify_settings, wanted_k
from halo_forge.cli.options import Host, Key, Strict, User, judged_prompts, say
from halo_forge.cli.samples import Mapping, SamplesFile, TasksFile, VerifyParams, Workers, read_answers
from halo_forge.data.samples import UNKNOWN_MODEL
from halo_forge.errors import InputError
from halo_forge.files import read_json, write_json
from halo_forge.progress import print_table
from halo_forge.records import Sample
from halo_forge.settings.benchmark import USUAL_K, Unanswered
from halo_forge.settings.generate import Stop, Weights

app = typer.Typer(no_args_is_help=True)


@app.command("run")
def run(
    model: Annotated[
        str, typer.Option("--model", "-m", help="A model folder (adapter or whole), a hub id or a wheel.")
    ],
    prompts: Annotated[
        str, typer.Option("--prompts", "-p", help="Rows with a prompt; those with tests are judged by them.")
    ],
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="JSON file. [default: results/<model>.json]")
    ] = None,
    verifier: Annotated[
        str, typer.Option(help="gcc, clang, mingw, msvc, python, pytest, rust, go, custom; auto: by language.")
    ] = "auto",
    samples: Annotated[int, typer.Option(min=1, help="Answers to each prompt.")] = 10,
    k: Annotated[str | None, typer.Option(help="[default: 1,5,10 as far as --samples allows]")] = None,
    temperature: Annotated[float, typer.Option(min=0.0, help="0 for the likeliest answer.")] = 0.7,
    max_new_tokens: Annotated[int, typer.Option(min=1)] = 1024,
    max_prompts: Annotated[int | None, typer.Option(min=1, help="Take only the first rows.")] = None,
    batch_size: Annotated[
        int | None, typer.Option(min=1, help="Answers sampled at once. [default: what suits the engine]")
    ] = None,
    weights: Annotated[
        Weights | None, typer.Option(help="How the openvino engine holds them. [default: see generate.weights]")
    ] = None,
    stop: Annotated[Stop, typer.Option(help="Where an answer ends: see generate.stop.")] = "end_of_turn",
    host: Host = None,
    user: User = None,
    ssh_key: Key = None,
    seed: Annotated[int, typer.Option(min=0)] = 42,
    strict: Strict = False,
) -> None:
    """Sample answers, judge them, and write pass@k with 95 % intervals."""
    from halo_forge.model.reference import find_checkpoint
    from halo_forge.runs.benchmark import benchmark
    from halo_forge.settings.benchmark import Benchmark

    settings = Benchmark(
        samples_per_task=samples, k=wanted_k(k, samples), temperature=temperature, max_new_tokens=max_new_tokens
    )
    verify = verify_settings(host=host, user=user, ssh_key=ssh_key)
    path, tasks = judged_prompts(prompts, verifier, verify, max_prompts, strict=strict)
    checkpoint = find_checkpoint(model)
    out = output or Path("results") / f"{short_name(model)}.json"
    generate = generation(batch_size).model_copy(update={"weights": weights, "stop": stop})
    params = benchmark_params(checkpoint, settings, verify, generate=generate, seed=seed)
    card = benchmark(checkpoint, tasks, path, out, params=params, verifier=verifier, name=short_name(checkpoint.name))
    _print([(str(out), card)])
    print(f"{card['passed']} of {card['total']} prompts solved by any of their {samples} answers; written to {out}")


@app.command("score")
def score(
    tasks: TasksFile,
    samples: SamplesFile,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="JSON file. [default: results/<model>.json]")
    ] = None,
    model: Annotated[
        str | None,
        typer.Option("--model", "-m", help="Its name. [default: what the samples say, or the file's]"),
    ] = None,
    verifier: Annotated[str, typer.Option(help="Its name, or auto: by language.")] = "auto",
    k: Annotated[str | None, typer.Option(help="[default: 1,5,10 as far as the samples of every task allow]")] = None,
    unanswered: Annotated[
        Unanswered,
        typer.Option(help="Tasks without a sample: stop at them, count them as failed, or score the others alone."),
    ] = "stop",
    workers: Workers = None,
    mapping: Mapping = None,
    strict: Strict = False,
    params: VerifyParams = None,
    host: Host = None,
    user: User = None,
    ssh_key: Key = None,
    seed: Annotated[int, typer.Option(min=0, help="Of the bootstrap.")] = 42,
) -> None:
    """Judge anybody's samples, and write pass@k with 95 % intervals.

    What it writes is what `benchmark run` writes. A task may have more samples than another; pass@k is over all tasks,
    so each must have k. Run again, it resumes.
    """
    from halo_forge.runs.score import score as score_samples

    verify = verify_settings(params=params, workers=workers, host=host, user=user, ssh_key=ssh_key)
    given = read_answers(tasks, samples, verifier, mapping, strict)
    name = model or _model_of(given.samples, samples)
    out = output or Path("results") / f"{short_name(name)}.json"
    card = score_samples(
        name,
        list(given.tasks.values()),
        given.samples,
        [tasks, samples],
        out,
        k=given_k(k) if k else None,
        unanswered=unanswered,
        unreadable=given.left_out,
        verify=verify,
        verifier=verifier,
        seed=seed,
    )
    _print([(str(out), card)])
    for line in _reservations(card):
        say(line)
    print(f"{card['passed']} of {card['total']} tasks solved by any of their answers; written to {out}")


def _model_of(samples: list[Sample], path: Path) -> str:
    """The model that the samples name; without one the file's name. Raises InputError if they name several."""
    names = sorted({sample.model for sample in samples} - {UNKNOWN_MODEL})
    if len(names) > 1:
        raise InputError(
            f"{path}: samples of {len(names)} models, {names[0]!r} and {names[1]!r} among them; score one at a time, "
            "or name them as one with --model"
        )
    return names[0] if names else path.name.partition(".")[0]


def _reservations(card: dict[str, Any]) -> Iterator[str]:
    """What must be said beside a score of samples that are not as many for each task, or not for all."""
    from halo_forge.runs.score import too_few

    silent = card["unanswered"]
    if silent["tasks"]:
        what = "count as failed" if silent["counted_as"] == "failed" else "are not scored"
        yield f"warning: {len(silent['tasks'])} tasks without a sample {what}, {silent['tasks'][0]!r} the first"
    counts = {task_id: row["n"] for task_id, row in card["per_task"].items() if task_id not in silent["tasks"]}
    most = max(counts.values())
    if missing := [k for k in USUAL_K if str(k) not in card["pass_at_k"] and k <= most]:
        yield f"no pass@{missing[0]}: {too_few(counts, missing[0])}"


@app.command("compare")
def compare(
    results: Annotated[
        list[Path], typer.Argument(help="Two or more files of `benchmark run` or `score`, the reference first.")
    ],
    output: Annotated[Path | None, typer.Option("--output", "-o", help="Write the comparisons as JSON too.")] = None,
    resamples: Annotated[int, typer.Option(min=100, help="Of the bootstrap.")] = 10_000,
    seed: Annotated[int, typer.Option(min=0)] = 42,
) -> None:
    """Show results side by side, and each against the first. On the same tasks: difference, interval, p-value."""
    from halo_forge.statistics.compare import compare as compare_two
    from halo_forge.statistics.compare import print_comparisons

    if len(results) < 2:
        raise InputError("benchmark compare: name two result files or more, the reference first")
    cards = [(str(path), _card(path)) for path in results]
    _print(cards)
    (first_name, first), *others = cards
    pairs, unpaired = [], []
    for name, card in others:
        if first["per_task"].keys() != card["per_task"].keys():
            unpaired.append(f"{name}: not on the same tasks as {first_name}: no paired comparison")
            continue
        pairs.append(compare_two(first, card, resamples, seed) | {"before": first_name, "after": name})
    if pairs:
        print()
        print_comparisons(pairs)
    for line in unpaired:
        say(line)
    if output:
        write_json(output, pairs)


def _card(path: Path) -> dict[str, Any]:
    card = read_json(path)
    missing = [key for key in ("pass_at_k", "intervals", "per_task") if not isinstance(card, dict) or key not in card]
    if missing:
        raise InputError(f"{path}: no key {missing[0]!r}; this is no result of `halo-forge benchmark run` or `score`")
    return card


def _print(cards: list[tuple[str, dict[str, Any]]]) -> None:
    """One line a result."""
    ks = sorted({int(k) for _, card in cards for k in card["pass_at_k"]})

    def line(name: str, card: dict[str, Any]) -> list[Any]:
        low, high = card["intervals"]["pass@1"]
        shares = [f"{card['pass_at_k'][str(k)]:.1%}" if str(k) in card["pass_at_k"] else "" for k in ks[1:]]
        interval = f"{low:.1%} to {high:.1%}"
        return [
            name,
            f"{card['pass_at_k']['1']:.1%}",
            interval,
            *shares,
            f"{card['compile_rate']:.1%}",
            card["n_tasks"],
            card["n_samples"],
        ]

    headers = ["result", "pass@1", "95 % interval", *(f"pass@{k}" for k in ks[1:]), "compiles", "prompts", "samples"]
    print_table(headers, [line(name, card) for name, card in cards])
