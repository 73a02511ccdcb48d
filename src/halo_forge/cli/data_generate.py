"""`halo-forge data generate`: problems with solutions and tests, written by a language model and checked here."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from halo_forge.cli.bridge import verify_settings
from halo_forge.errors import InputError
from halo_forge.files import write_json
from halo_forge.progress import print_table
from halo_forge.settings.checking import check
from halo_forge.settings.generate_data import GenerateData
from halo_forge.settings.params import load_section


def generate(
    list_topics: Annotated[bool, typer.Option("--list", help="Show the topics and exit.")] = False,
    topic: Annotated[
        str | None, typer.Option("--topic", "-t", help="A name from --list, or the path of a YAML file of yours.")
    ] = None,
    backend: Annotated[
        str | None,
        typer.Option("--backend", "-b", help="deepseek, anthropic (claude), openai, ollama, openai-compatible."),
    ] = None,
    model: Annotated[str | None, typer.Option(help="Default: the backend's.")] = None,
    base_url: Annotated[
        str | None, typer.Option(help="Of any server that speaks the backend's protocol: vLLM, a proxy.")
    ] = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Default: data/<topic>_generated.jsonl.")
    ] = None,
    count: Annotated[int | None, typer.Option(min=1, help="Problems to ask for; default: what the topic says.")] = None,
    temperature: Annotated[float | None, typer.Option(help="Default: the backend's.")] = None,
    max_tokens: Annotated[int | None, typer.Option(min=1, help="Of one answer.")] = None,
    concurrency: Annotated[int | None, typer.Option(min=1, help="Requests under way at once.")] = None,
    budget: Annotated[float | None, typer.Option(help="What it may cost, earlier runs included.")] = None,
    budget_tokens: Annotated[int | None, typer.Option(min=1, help="The same in tokens.")] = None,
    price_input: Annotated[float | None, typer.Option(min=0, help="Of a million prompt tokens.")] = None,
    price_output: Annotated[float | None, typer.Option(min=0, help="Of a million answer tokens.")] = None,
    key_variable: Annotated[str | None, typer.Option(help="The environment variable that holds the key.")] = None,
    timeout: Annotated[float | None, typer.Option(min=0.1, help="Seconds for one try of a request.")] = None,
    template: Annotated[str | None, typer.Option(help="Of the field text: qwen, llama or chatml.")] = None,
    cache: Annotated[bool | None, typer.Option("--cache/--no-cache", help="Keep answers between runs.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show requests and estimate; send nothing.")] = False,
    params: Annotated[
        Path | None, typer.Option("--params", help="Settings from the section generate_data of this file.")
    ] = None,
) -> None:
    """Have a language model write problems, solutions and tests. What compiles and passes is kept.

    Run again, it pays for nothing twice. Flags win over params.yaml (if it is here), that over the defaults.
    """
    if list_topics:
        return _list()
    if topic is None:
        raise InputError("--topic is missing: a name from `halo-forge data generate --list`, or a YAML file of yours")
    from halo_forge.data.llm.topics import load_topic

    flags = {
        "model": model,
        "base_url": base_url,
        "count": count,
        "temperature": temperature,
        "max_tokens": max_tokens,
        "concurrency": concurrency,
        "budget": budget,
        "budget_tokens": budget_tokens,
        "key_variable": key_variable,
        "timeout_s": timeout,
        "template": template,
        "cache": cache,
        "prices": _prices(price_input, price_output),
    }
    settings = _settings(params, backend, {name: value for name, value in flags.items() if value is not None})
    verify = verify_settings(params=params)
    spec = load_topic(topic)
    if dry_run:
        from halo_forge.cli.plan import print_plan

        return print_plan(spec, settings)
    from halo_forge.data.llm_generate import generate_file

    path = output or Path("data") / f"{spec.name}_generated.jsonl"
    report = generate_file(spec, settings, verify, path)
    write_json(path.with_suffix(".report.json"), report.as_json())
    print(report)
    print(f"{report.kept} rows are in {path}")


def _list() -> None:
    from halo_forge.data.llm.topics import load_topic, topic_files

    rows = []
    for name in topic_files():
        spec = load_topic(name)
        rows.append([name, spec.language, spec.tests, spec.total, ", ".join(spec.categories), spec.description.strip()])
    if not rows:
        raise InputError("no topics: data/topics/*.yaml is neither here nor beside the program")
    print_table(["topic", "language", "tests", "problems", "categories", "about"], rows)


def _prices(of_input: float | None, of_output: float | None) -> dict[str, float] | None:
    if (of_input is None) != (of_output is None):
        raise InputError("--price-input and --price-output go together: give both")
    return None if of_input is None else {"input": of_input, "output": of_output}


def _settings(params: Path | None, backend: str | None, flags: dict[str, Any]) -> GenerateData:
    """The section of the params file (params.yaml if it is here), with what was given on the command line.

    Another backend than the file's takes none of the file's model, URL, key, temperature and prices: they are not its.
    """
    before = load_section("generate_data", params).model_dump(exclude_unset=True)
    if backend is not None:
        from halo_forge.data.llm.endpoints import known_backend

        known_backend(backend)
        if backend != before.get("backend", "deepseek"):
            own = ("model", "base_url", "key_variable", "temperature", "concurrency", "prices")
            before = {name: value for name, value in before.items() if name not in own}
        flags = {**flags, "backend": backend}
    return check(GenerateData, {**before, **flags}, "data generate")
