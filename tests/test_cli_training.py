"""`sft train`, `raft train`, `benchmark run` and `compare` on the tiny random model: files, keys, resuming, errors."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest
import typer
from conftest import adapter_weights
from typer.testing import CliRunner

from halo_forge.cli import benchmark as cli_benchmark
from halo_forge.cli import raft as cli_raft
from halo_forge.cli import sft as cli_sft
from halo_forge.errors import InputError
from halo_forge.model.dtype import computes_bfloat16
from halo_forge.train import lora

pytestmark = pytest.mark.needs("python")
SYSTEM = "You are an expert programmer."
ANSWER = '```cpp\n#include <cstdio>\nint main() {{ std::puts("{0}"); }}\n```'
SEED_KEYS = "cycle elapsed_minutes total_samples above_threshold kept avg_reward avg_kept_reward success_rate"
SMALL_SFT = ("--batch-size", "2", "--gradient-accumulation", "1", "--no-gradient-checkpointing", "--lora-dropout", "0")
SMALL_RAFT = (
    *("--checkpoint", "models/sft/final_model", "--prompts", "data/prompts.jsonl", "--verifier", "gcc"),
    *("--samples-per-prompt", "2", "--max-new-tokens", "8", "--reward-threshold", "0"),
)


def text_row(number: int, system: str = SYSTEM) -> dict:
    turns = [("system", system), ("user", f"Print {number}."), ("assistant", ANSWER.format(number))]
    return {"text": "\n".join(f"<|im_start|>{role}\n{content}<|im_end|>" for role, content in turns)}


def task_row(number: int) -> dict:
    tests = {"kind": "stdio", "cases": [{"stdin": "", "stdout": f"{number}\n"}]}
    own = {"task_id": f"print/{number}", "language": "cpp", "family": f"print{number}", "source": {"dataset": "x"}}
    return own | {"prompt": f"Print {number} with C++.", "tests": tests}


def write_rows(path: Path, rows: list[dict]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


@pytest.fixture(scope="module")
def cache(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture
def here(tmp_path, monkeypatch, cache) -> Path:
    """An empty folder to work in."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HALO_FORGE_CACHE", str(cache))
    monkeypatch.delenv("DVC_ROOT", raising=False)
    return tmp_path


@pytest.fixture
def call(here):
    """call("sft", "train", …) -> what it printed; errors meant for the user are raised."""
    from halo_forge.state import drop_state

    whole = typer.Typer()
    for name, module in (("sft", cli_sft), ("raft", cli_raft), ("benchmark", cli_benchmark)):
        whole.add_typer(module.app, name=name)

    def call(*words: str) -> str:
        result = CliRunner().invoke(whole, [str(word) for word in words])
        drop_state()
        if result.exception and not isinstance(result.exception, SystemExit):
            raise result.exception
        assert result.exit_code == 0, result.output
        return result.output

    return call


@pytest.fixture
def sft(call, here, tiny_model):
    """sft(*flags) trains on six rows into models/sft."""
    write_rows(here / "data/train.jsonl", [text_row(number) for number in range(6)])

    def sft(*flags: str) -> str:
        return call("sft", "train", "--data", "data/train.jsonl", "--model", tiny_model, *SMALL_SFT, *flags)

    return sft


def test_sft_leaves_model_checkpoints_logs_and_numbers_where_they_are_looked_for(sft, here, tiny_model) -> None:
    said = sft("--epochs", "1", "--save-steps", "1", "--validation-split", "0.34", "--learning-rate", "1e-2")
    folder = here / "models/sft"
    final = folder / "final_model"
    assert {"adapter_config.json", "adapter_model.safetensors", "tokenizer.json", "base.json"} <= {
        path.name for path in final.iterdir()
    }
    assert (folder / "checkpoint-2").is_dir() and list((folder / "logs").glob("events*"))
    numbers = json.loads((folder / "training.json").read_text())
    assert (numbers["rows"], numbers["steps"], numbers["held_out"]["rows"]) == (4, 2, 2)
    assert "judged_with" not in numbers["provenance"]  # no verdict decided anything here
    assert [entry["step"] for entry in numbers["held_out"]["loss"]] == [1, 2]
    assert "4 rows, 2 held out" in said.replace("training on ", "") and ("bf16" in said) is not computes_bfloat16()
    base = json.loads((final / "base.json").read_text())
    assert (base["provider"], base["id"], base["system_prompt"]) == ("local", str(tiny_model), SYSTEM)
    assert not list((here / ".state").glob("*"))


def test_the_same_training_is_not_done_twice_and_another_one_sets_it_aside(sft, here) -> None:
    sft("--epochs", "1")
    before = (here / "models/sft/final_model/adapter_model.safetensors").stat().st_mtime_ns
    assert "trained before" in sft("--epochs", "1")
    assert (here / "models/sft/final_model/adapter_model.safetensors").stat().st_mtime_ns == before
    assert "moved to models/sft/previous" in sft("--epochs", "2")
    (set_aside,) = (here / "models/sft/previous").iterdir()
    assert (set_aside / "final_model").is_dir()
    assert json.loads((here / "models/sft/training.json").read_text())["epochs"] == 2
    said = sft("--epochs", "1")
    assert f"taken up again from models/sft/previous/{set_aside.name}" in said and "trained before" in said
    assert (here / "models/sft/final_model/adapter_model.safetensors").stat().st_mtime_ns == before
    assert "trained before" in sft("--epochs", "2")


def test_resume_goes_on_from_the_checkpoint_it_names_to_the_same_weights(sft, here) -> None:
    flags = ("--epochs", "2", "--save-steps", "2", "--validation-split", "0")
    sft(*flags)
    final = here / "models/sft/final_model"
    whole = adapter_weights(final)
    sft(*flags, "--resume", "models/sft/checkpoint-4")
    assert json.loads((here / "models/sft/training.json").read_text())["steps"] == 6
    assert all(whole[name].equal(tensor) for name, tensor in adapter_weights(final).items())
    (later,) = (here / "models/sft/previous").glob("*-beyond-checkpoint-4")
    assert {"checkpoint-6", "final_model", "training.json"} == {path.name for path in later.iterdir()}
    assert "trained before" in sft(*flags) and later.is_dir()


def test_a_resume_with_other_settings_leaves_the_first_run_to_come_back_to(sft, here) -> None:
    flags = ("--epochs", "2", "--save-steps", "2", "--validation-split", "0")
    sft(*flags)
    whole = adapter_weights(here / "models/sft/final_model")
    sft(*flags, "--learning-rate", "1e-3", "--resume", "models/sft/checkpoint-4")
    said = sft(*flags)
    assert "trained before" in said
    assert all(whole[name].equal(tensor) for name, tensor in adapter_weights(here / "models/sft/final_model").items())


def test_a_resume_that_is_no_checkpoint_is_told_which_there_are(sft) -> None:
    sft("--epochs", "1", "--save-steps", "2")
    with pytest.raises(InputError, match="models/sft/checkpoint-9 is no checkpoint; models/sft has checkpoint-2"):
        sft("--epochs", "1", "--save-steps", "2", "--resume", "models/sft/checkpoint-9")
    with pytest.raises(InputError, match="was trained with lora r 16, not 4; set --lora-rank 16"):
        sft("--resume", "models/sft/checkpoint-2", "--lora-rank", "4")


def test_training_stops_early_when_the_held_out_loss_does_not_fall(sft, here) -> None:
    """At a rate of 1e-12 nothing is gained: after the first evaluation, two more, then the end."""
    often = ("--eval-steps", "1", "--early-stopping-patience", "2", "--validation-split", "0.2")
    sft("--epochs", "9", "--learning-rate", "1e-12", *often)
    numbers = json.loads((here / "models/sft/training.json").read_text())
    assert numbers["steps"] == 3 and numbers["held_out"]["stopped_early"]


def test_rows_that_cannot_be_learnt_from_are_counted_on_the_screen(sft, here) -> None:
    rows = [text_row(1), {"prompt": "Print 3."}, {"prompt": "Print 4."}, {"prompt": "p", "completion": "long " * 600}]
    write_rows(here / "data/train.jsonl", rows)
    said = sft("--epochs", "1", "--validation-split", "0")
    assert "left out: 2 rows without an answer" in said and "left out: 1 rows: longer than" in said


def test_too_few_rows_to_hold_out_are_all_trained_on(sft, here) -> None:
    assert "nothing is held out" in sft("--epochs", "1").replace("\n", " ")
    assert json.loads((here / "models/sft/training.json").read_text())["rows"] == 6


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        ((), "--data is missing"),
        (("--data", "no.jsonl"), "--data: no.jsonl: no such file"),
        (("--data", "prompts.jsonl"), "none of 1 rows has an answer"),
        (("--data", "bad.jsonl"), "bad.jsonl:2: not JSON"),
        (("--data", "rows.jsonl", "--model", "models/no"), "models/no: no such model folder"),
        (("--data", "rows.jsonl", "--model", "."), "neither adapter_config.json nor config.json"),
        (("--data", "rows.jsonl", "--model", "other==1.0"), "the digest of its GGUF is not known here"),
        (("--data", "rows.jsonl", "--epochs", "0"), "command line: training.num_train_epochs"),
    ],
)
def test_sft_says_what_is_wrong_before_it_trains(call, here, tiny_model, flags, words) -> None:
    write_rows(here / "prompts.jsonl", [{"prompt": "Print 1."}])
    write_rows(here / "rows.jsonl", [text_row(1)])
    (here / "bad.jsonl").write_text(json.dumps(text_row(1)) + "\n{\n")
    (here / "models").mkdir()
    if "--model" not in flags:
        flags = (*flags, "--model", str(tiny_model))
    with pytest.raises(InputError, match=words.replace(".", r"\.").replace("(", r"\(")):
        call("sft", "train", *flags)
    assert not (here / "models/sft/final_model").exists()


def test_code_of_a_model_is_refused_with_a_word_and_attention_is_that_of_the_guide(
    call, here, tiny_model, monkeypatch
) -> None:
    real, asked = lora.use_branch_attention, []
    monkeypatch.setattr(lora, "use_branch_attention", lambda *given: asked.append(given[-1]) or real(*given))
    write_rows(here / "rows.jsonl", [text_row(number) for number in range(2)])
    (here / "sft.yaml").write_text(
        f"model: {{name: {tiny_model}, trust_remote_code: true, attn_implementation: eager}}\n"
        "data: {train_file: rows.jsonl}\n"
        "training: {num_train_epochs: 1, learning_rate: 5e-5, gradient_checkpointing: false}\n"
    )
    said = call("sft", "train", "--config", "sft.yaml")
    assert "trust_remote_code: not honoured" in said
    assert asked == ["eager"]
    assert json.loads((here / "models/sft/training.json").read_text())["learning_rate"] == 5e-5


@pytest.fixture
def raft(sft, call, here):
    """raft(*flags) runs cycles from models/sft/final_model on two prompts; everything that is sampled is kept."""
    sft("--epochs", "1")
    write_rows(here / "data/prompts.jsonl", [{"prompt": "Print 1."}, {"prompt": "Print 2."}])

    def raft(*flags: str) -> str:
        return call("raft", "train", *SMALL_RAFT, *flags)

    return raft


def test_raft_leaves_its_models_logs_and_statistics_and_adds_cycles_to_those_it_has(raft, here) -> None:
    said = raft("--cycles", "1", "--keep-top-percent", "1")
    assert "none of the 2 prompts has tests" in said and "cannot tell right from wrong" in said
    folder = here / "models/raft"
    first = (folder / "cycle_1_final/adapter_model.safetensors").stat().st_mtime_ns
    assert list((folder / "cycle_1/logs").glob("events*"))
    (row,) = json.loads((folder / "raft_statistics.json").read_text())
    assert row.keys() >= {*SEED_KEYS.split(), "reward_distribution", "threshold_adjusted", "effective_threshold"}
    assert (row["cycle"], row["total_samples"], row["effective_threshold"]) == (1, 4, 0.0)
    assert row["steps"] == 1 and row["kept"] >= 2
    assert "g++" in json.loads((folder / "cycle_1/cycle.json").read_text())["provenance"]["judged_with"]
    assert "cycle_1: done before" in raft("--cycles", "2", "--keep-top-percent", "1")
    assert (folder / "cycle_1_final/adapter_model.safetensors").stat().st_mtime_ns == first
    rows = json.loads((folder / "raft_statistics.json").read_text())
    assert [row["cycle"] for row in rows] == [1, 2] and rows[1]["from"] == "models/raft/cycle_1_final"
    base = json.loads((folder / "cycle_2_final/base.json").read_text())
    assert base == json.loads((here / "models/sft/final_model/base.json").read_text())
    assert "models/raft held a run with other data" in raft(
        "--cycles", "1", "--keep-top-percent", "1", "--temperature", "0.9"
    )
    assert not (folder / "cycle_2_final").exists() and list(folder.glob("previous/*/cycle_2_final"))
    said = raft("--cycles", "2", "--keep-top-percent", "1")
    assert "cycle_1: done before" in said and "cycle_2: done before" in said
    assert (folder / "cycle_1_final/adapter_model.safetensors").stat().st_mtime_ns == first
    assert [row["cycle"] for row in json.loads((folder / "raft_statistics.json").read_text())] == [1, 2]


@pytest.mark.slow
def test_raft_leaves_out_what_all_cycles_together_show_to_be_easy(raft, here) -> None:
    """Two samples that fail in each of two cycles: (0 + 1) / (2 + 2) = 0.25, then (0 + 1) / (4 + 2) = 0.17."""
    raft("--cycles", "2", "--max-pass-rate", "0.2")
    rows = json.loads((here / "models/raft/raft_statistics.json").read_text())
    assert [(row["tasks_too_easy"], row["tasks_covered"]) for row in rows] == [(2, 0), (0, 2)]


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (("--max-pass-rate", "0"), "raft.max_pass_rate: Input should be greater than 0"),
    ],
)
def test_raft_settings_that_cannot_be_are_refused_with_the_cure(call, here, tiny_model, flags, words) -> None:
    write_rows(here / "data/prompts.jsonl", [{"prompt": "Print 1."}])
    own = ("--model", tiny_model, "--prompts", "data/prompts.jsonl", "--samples-per-prompt", "2", "--cycles", "1")
    with pytest.raises(InputError, match=words):
        call("raft", "train", *own, *flags)
    assert not (here / "models/raft/cycle_1").exists()


def test_a_cycle_that_keeps_nothing_goes_on_with_the_model_it_had(raft, here) -> None:
    said = raft("--cycles", "1", "--reward-threshold", "1")
    assert "no answer was kept" in said
    before, after = (adapter_weights(here / f"models/{name}") for name in ("sft/final_model", "raft/cycle_1_final"))
    assert all(before[name].equal(after[name]) for name in before)


def test_a_base_model_that_keeps_nothing_has_no_adapter_to_go_on_from(call, here, tiny_model) -> None:
    write_rows(here / "prompts.jsonl", [{"prompt": "Print 1."}])
    flags = ("--samples-per-prompt", "1", "--max-new-tokens", "4", "--prompts", "prompts.jsonl", "--model", tiny_model)
    with pytest.raises(InputError, match="fine-tune it first"):
        call("raft", "train", *flags)


def start(here: Path, *words: str) -> subprocess.Popen:
    """A real process of the command line in `here`."""
    program = "import sys; from halo_forge.process import exit_code; from halo_forge.cli import {0}; sys.exit(exit_code({0}.app))"
    command = [sys.executable, "-c", program.format(words[0]), *words[1:]]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    return subprocess.Popen(
        command, cwd=here, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )


def kill_when(process: subprocess.Popen, condition) -> None:
    """SIGKILL as soon as `condition` holds; it must come to that."""
    while not condition():
        assert process.poll() is None, process.stdout.read()
        time.sleep(0.01)
    process.kill()
    process.wait()


@pytest.mark.slow
def test_sft_killed_with_9_ends_with_the_same_weights_by_the_same_command(sft, here, tiny_model) -> None:
    flags = ("--epochs", "4", "--save-steps", "1", "--validation-split", "0.2")
    sft(*flags, "--output", "whole")
    own = ("--data", "data/train.jsonl", "--model", str(tiny_model), *SMALL_SFT, *flags, "--output", "killed")
    kill_when(start(here, "sft", "train", *own), lambda: (here / "killed/checkpoint-4/trainer_state.json").exists())
    assert not (here / "killed/final_model").exists()
    sft(*flags, "--output", "killed")
    whole, killed = (adapter_weights(here / name / "final_model") for name in ("whole", "killed"))
    assert all(whole[name].equal(killed[name]) for name in whole)


@pytest.mark.slow
def test_raft_killed_with_9_ends_with_the_same_models_by_the_same_command(raft, here) -> None:
    flags = ("--cycles", "2", "--keep-top-percent", "1")
    raft(*flags, "--output", "whole")
    process = start(here, "raft", "train", *SMALL_RAFT, *flags, "--output", "killed")
    kill_when(process, lambda: (here / "killed/cycle_2/samples.jsonl").exists())
    first = (here / "killed/cycle_1_final/adapter_model.safetensors").stat().st_mtime_ns
    raft(*flags, "--output", "killed")
    assert (here / "killed/cycle_1_final/adapter_model.safetensors").stat().st_mtime_ns == first
    whole, killed = (adapter_weights(here / name / "cycle_2_final") for name in ("whole", "killed"))
    assert all(whole[name].equal(killed[name]) for name in whole)
    rows = [json.loads((here / name / "raft_statistics.json").read_text()) for name in ("whole", "killed")]
    assert [row["kept"] for row in rows[0]] == [row["kept"] for row in rows[1]]


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        ((), "--checkpoint is missing"),
        (("--model", "x", "--checkpoint", "y"), "give one"),
        (("--checkpoint", "models/sft/final_modl"), "did you mean models/sft/final_model"),
        (("--checkpoint", "models/sft"), "did you mean models/sft/final_model"),
        (("--checkpoint", "models/sft/final_model", "--verifier", "gc"), "verifier 'gc' is not known"),
        (("--checkpoint", "models/sft/final_model", "--verifier", "msvc"), "--host and --user"),
        (("--checkpoint", "models/sft/final_model", "--prompts", "no.jsonl"), "--prompts: no.jsonl: no such file"),
        (("--checkpoint", "models/sft/final_model", "--keep-top-percent", "50"), "raft.keep_top_percent"),
    ],
)
def test_raft_says_what_is_wrong_before_it_samples(call, here, flags, words) -> None:
    (here / "models/sft/final_model").mkdir(parents=True)
    (here / "models/sft/final_model/adapter_config.json").write_text("{}")
    write_rows(here / "prompts.jsonl", [{"prompt": "Print 1."}])
    if "--prompts" not in flags:
        flags = ("--prompts", "prompts.jsonl", *flags)
    with pytest.raises(InputError, match=words):
        call("raft", "train", *flags)


def test_raft_says_what_its_default_threshold_keeps_before_it_looks_for_the_model(here) -> None:
    write_rows(here / "prompts.jsonl", [task_row(1)])
    (here / "models").mkdir()
    process = start(here, "raft", "train", "--prompts", "prompts.jsonl", "--checkpoint", "models/no")
    said = process.communicate()[0].splitlines()
    assert said[0].startswith("reward_threshold 0.5 keeps programs that run to their end, right or wrong, and those")
    assert said[0].endswith("; --reward-threshold 1.0 keeps only what passes every test")
    assert said[1].startswith("error: models/no: no such model folder")


@pytest.fixture
def bench(call, here, tiny_model):
    write_rows(here / "data/test.jsonl", [task_row(number) for number in range(3)])

    def bench(*flags: str) -> str:
        given = ("--model", tiny_model, "--prompts", "data/test.jsonl", "--max-new-tokens", "8")
        return call("benchmark", "run", *given, *flags)

    return bench


def test_a_benchmark_has_the_keys_that_scripts_read_and_its_answers_beside_it(bench, here) -> None:
    said = bench("--verifier", "gcc", "--samples", "2", "--k", "1,2", "--output", "results/a.json")
    card = json.loads((here / "results/a.json").read_text())
    assert card.keys() >= {"pass_rate", "pass_at_k", "total", "passed", "intervals", "compile_rate", "per_task"}
    assert (card["pass_at_k"], card["total"], card["passed"]) == ({"1": 0.0, "2": 0.0}, 3, 0)
    assert (card["n_samples"], card["compile_only"], card["verifier"]) == (6, 0, "gcc")
    assert card["provenance"]["judged_with"].keys() == {"bwrap", "g++", "libc", "python"}
    assert {path.name for path in (here / "results/a_answers").iterdir()} == {
        "tasks.jsonl",
        "samples.jsonl",
        "generation.json",
        "verdicts.jsonl",
        "run.json",
    }
    assert "warning" not in said


def test_a_benchmark_in_the_place_of_another_one_loses_neither(bench, here) -> None:
    (here / "results").mkdir()
    (here / "results/a.json").write_text("{}")
    flags = ("--samples", "1", "--output", "results/a.json")
    assert "moved to results/previous/unknown: a.json" in bench(*flags)
    first = (here / "results/a.json").read_bytes()
    assert "moved to results/previous/" in bench(*flags, "--seed", "43")
    second = (here / "results/a.json").read_bytes()
    said = bench(*flags)
    assert "measured before" in said and (here / "results/a.json").read_bytes() == first != second
    assert "measured before" in bench(*flags, "--seed", "43") and (here / "results/a.json").read_bytes() == second
    assert (here / "results/previous/unknown/a.json").read_text() == "{}"


def test_k_fits_the_samples_unless_it_is_given(bench, here) -> None:
    with pytest.raises(InputError, match=r"--k: pass@5 needs at least 5 samples a prompt, --samples is 2"):
        bench("--samples", "2", "--k", "1,5")
    with pytest.raises(InputError, match="--k: 'one' is no number"):
        bench("--k", "one")
    bench("--samples", "1")
    (written,) = (here / "results").glob("*.json")
    assert json.loads(written.read_text())["pass_at_k"].keys() == {"1"}


def test_two_results_are_compared_in_pairs_where_the_tasks_are_the_same(bench, call, here) -> None:
    bench("--samples", "1", "--output", "a.json")
    card = json.loads((here / "a.json").read_text())
    better = json.loads(json.dumps(card))
    for row in better["per_task"].values():
        row["passed"] = 1
    better["pass_at_k"]["1"], better["intervals"]["pass@1"] = 1.0, [0.3, 1.0]
    (here / "b.json").write_text(json.dumps(better))
    other = json.loads(json.dumps(card))
    other["per_task"] = {"another": next(iter(card["per_task"].values()))}
    (here / "c.json").write_text(json.dumps(other))
    said = call("benchmark", "compare", "a.json", "b.json", "c.json", "--output", "d.json")
    assert "a.json -> b.json" in said and "c.json: not on the same tasks as a.json" in said
    (pair,) = json.loads((here / "d.json").read_text())
    assert (pair["pass@1"]["difference"], pair["pass@1"]["p"], len(pair["gained"])) == (1.0, 0.25, 3)


def test_a_file_that_is_no_result_is_refused(call, here) -> None:
    (here / "a.json").write_text("[]")
    with pytest.raises(InputError, match="a.json: no key 'pass_at_k'"):
        call("benchmark", "compare", "a.json", "a.json")
    with pytest.raises(InputError, match="two result files"):
        call("benchmark", "compare", "a.json")


def test_an_adapter_finds_its_base_by_the_file_in_it_and_says_when_that_is_gone(call, here, tiny_model) -> None:
    copy = here / "base"
    shutil.copytree(tiny_model, copy)
    write_rows(here / "rows.jsonl", [text_row(1)])
    call("sft", "train", "--data", "rows.jsonl", "--model", "base", "--epochs", "1", "--output", "models/x", *SMALL_SFT)
    write_rows(here / "test.jsonl", [task_row(1)])
    flags = ("--model", "models/x/final_model", "--prompts", "test.jsonl", "--samples", "1", "--max-new-tokens", "4")
    call("benchmark", "run", *flags)
    (copy / "config.json").write_text("{}")
    with pytest.raises(InputError, match=r"models/x/final_model/base.json: the base model base is gone, or no longer"):
        call("benchmark", "run", *flags)
