"""The YAML files of the command line: what wins over what, what is refused and with which words."""

from __future__ import annotations

import dataclasses

import pytest
from conftest import REPOSITORY
from typer.testing import CliRunner

from halo_forge.cli.bridge import intervals, raft_params, verify_settings
from halo_forge.cli.files import RaftFile, SftFile, Verifier, read_settings
from halo_forge.cli.main import app
from halo_forge.data.prompts import named_language
from halo_forge.data.rows import Row, conversation
from halo_forge.errors import InputError
from halo_forge.model.checkpoint import Checkpoint
from halo_forge.model.reference import EMBEDDED, choice_of, default_base
from halo_forge.runs.finetune import split_rows
from halo_forge.settings.checking import read_yaml
from halo_forge.settings.verify import Verify


def test_a_flag_wins_over_the_file_and_the_file_over_the_default(tmp_path) -> None:
    path = tmp_path / "sft.yaml"
    path.write_text("training:\n  num_train_epochs: 7\n  learning_rate: 5e-5\nlora: {r: 4}\n")
    settings = read_settings(SftFile, path, {"training.num_train_epochs": 1, "lora.alpha": None})
    assert settings.training.num_train_epochs == 1
    assert settings.training.learning_rate == 5e-5
    assert (settings.lora.r, settings.lora.alpha, settings.lora.dropout) == (4, 32, 0.05)
    assert settings.training.per_device_train_batch_size == 2


def test_without_file_and_flags_the_defaults_are_those_of_the_documents() -> None:
    sft, raft = read_settings(SftFile, None, {}), read_settings(RaftFile, None, {})
    own = sft.training
    assert (own.num_train_epochs, own.per_device_train_batch_size, own.gradient_accumulation_steps) == (3, 2, 16)
    assert (own.learning_rate, own.output_dir, own.bf16, own.gradient_checkpointing) == (2e-4, "models/sft", True, True)
    assert (sft.data.validation_split, sft.data.max_seq_length) == (0.05, 2048)
    loop = raft.raft
    assert (loop.num_cycles, loop.samples_per_prompt, loop.reward_threshold, loop.keep_top_percent) == (5, 8, 0.5, 0.5)
    assert (raft.generation.max_new_tokens, raft.generation.temperature, raft.generation.batch_size) == (
        1024,
        0.7,
        None,
    )
    assert (raft.training.learning_rate, raft.output_dir) == (5e-5, "models/raft")


@pytest.mark.parametrize(("kind", "name"), [(SftFile, "sft"), (RaftFile, "raft")])
def test_the_files_in_configs_are_whole_and_their_numbers_are_numbers(kind, name) -> None:
    path = REPOSITORY / "configs" / f"{name}.yaml"
    settings = read_settings(kind, path, {})
    assert isinstance(settings.training.learning_rate, float)
    assert isinstance(read_yaml(path)["training"]["learning_rate"], float)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("training: {num_epochs: 3}", "training.num_epochs: unknown key (did you mean 'num_train_epochs'?)"),
        ("trainig: {}", "trainig: unknown key (did you mean 'training'?)"),
        ("lora: {rank: 8}", "lora.rank: unknown key"),
        ("model: {attn_implementation: flash_attention_2}", "attn_implementation: Input should be 'sdpa' or 'eager'"),
        ("training: {learning_rate: fast}", "training.learning_rate: Input should be a valid number, got 'fast'"),
        ("training: {learning_rate: -1}", "training.learning_rate: Input should be greater than 0, got -1"),
        ("data: {validation_split: 1.5}", "data.validation_split: Input should be less than 1, got 1.5"),
        ("training: [1]", "training: "),
        ("a: b: c", ":1: not YAML"),
    ],
)
def test_what_is_wrong_in_a_file_is_one_line_with_file_key_and_value(tmp_path, text, words) -> None:
    path = tmp_path / "sft.yaml"
    path.write_text(text + "\n")
    with pytest.raises(InputError) as caught:
        read_settings(SftFile, path, {})
    assert str(path) in str(caught.value) and words in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1


def test_a_bad_flag_is_not_blamed_on_the_file(tmp_path) -> None:
    path = tmp_path / "raft.yaml"
    path.write_text("raft: {num_cycles: 3}\n")
    with pytest.raises(InputError, match=r"^command line: raft.keep_top_percent: .*got 1.5$"):
        read_settings(RaftFile, path, {"raft.keep_top_percent": 1.5})


def test_host_user_and_key_make_the_windows_host_over_what_the_files_say(tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "params.yaml").write_text(
        "verify: {run_timeout_s: 3.0, memory_mb: 300, msvc: {host: old, user: me, port: 2222}}\n"
    )
    own = Verifier(type="msvc", run_timeout_s=4.0, host="from-file")
    found = verify_settings(own, host="192.168.1.100", ssh_key="~/.ssh/win")
    assert (found.msvc.host, found.msvc.user, found.msvc.port) == ("192.168.1.100", "me", 2222)
    assert (found.msvc.ssh_key, found.run_timeout_s, found.memory_mb) == ("~/.ssh/win", 4.0, 300)


def test_a_host_without_a_user_is_told_so(tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match="--user is missing"):
        verify_settings(host="192.168.1.100")


WITH_PARAMS = [
    ("verify", "list"),
    ("verify", "selfcheck", "python", "--only", "python_stdio/exit_at_once", "--stress", "0"),
    ("verify", "run", "--tasks", "rows.jsonl", "--samples", "rows.jsonl", "--output", "v.jsonl"),
    ("data", "generate", "--topic", "mine.yaml", "--dry-run"),
]
WITHOUT = [
    ("benchmark", "run", "--model", "models/no", "--prompts", "rows.jsonl"),
    ("raft", "train", "--model", "models/no", "--prompts", "rows.jsonl"),
]


@pytest.mark.parametrize(
    "command", [*WITH_PARAMS, *WITHOUT, *((*words, "--params", "params.yaml") for words in WITH_PARAMS)], ids=" ".join
)
def test_a_wrong_section_verify_is_told_alike_by_every_command(command, tmp_path, monkeypatch) -> None:
    """Also where no presets.yaml is, and where sections that are not its own are wrong too."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.yaml").write_text("description: x\ncategories: [c]\ncomplexity_levels: {easy: y}\n")
    (tmp_path / "rows.jsonl").write_text('{"prompt": "Print 1.", "task_id": "a", "completion": "x"}\n')
    (tmp_path / "params.yaml").write_text("sft: {learning_rate: fast}\nverify: {memory: 300}\n")
    result = CliRunner().invoke(app, command)
    assert isinstance(result.exception, InputError), result.output
    assert str(result.exception) == "params.yaml: verify.memory: unknown key (did you mean 'memory_mb'?)"


def test_the_embedded_model_is_found_beside_a_params_file_without_presets(tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "params.yaml").write_text("verify: {memory_mb: 300}\n")
    assert choice_of(EMBEDDED.id) == EMBEDDED


def test_the_base_model_is_that_of_params_where_it_says_one_and_the_embedded_one_where_it_does_not(
    tmp_path, monkeypatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert default_base() == EMBEDDED
    (tmp_path / "params.yaml").write_text("verify: {memory_mb: 300}\n")
    assert default_base() == EMBEDDED
    (tmp_path / "params.yaml").write_text("base_model: {provider: local, id: mine}\n")
    assert default_base().id == "mine"
    (tmp_path / "params.yaml").write_text("preset: big\n")
    (tmp_path / "presets.yaml").write_text("big: {base_model: {provider: local, id: theirs}}\n")
    assert default_base().id == "theirs"


def test_a_preset_that_is_not_there_is_told_by_a_command_that_reads_one_section_too(tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "params.yaml").write_text("preset: bog\n")
    (tmp_path / "presets.yaml").write_text("big: {verify: {memory_mb: 300}}\n")
    with pytest.raises(InputError, match="params.yaml: preset: 'bog' is not in presets.yaml .*'big'"):
        verify_settings()


def test_a_section_has_its_preset_below_it_where_there_is_one(tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "params.yaml").write_text("preset: big\nverify: {memory_mb: 300}\n")
    assert (verify_settings().memory_mb, verify_settings().run_timeout_s) == (300, 2.0)
    (tmp_path / "presets.yaml").write_text("big: {verify: {memory_mb: 900, run_timeout_s: 7.0}}\n")
    found = verify_settings(Verifier(workers=3), workers=5)
    assert (found.memory_mb, found.run_timeout_s, found.workers) == (300, 7.0, 5)
    with pytest.raises(InputError, match="other.yaml: no such file"):
        verify_settings(params=tmp_path / "other.yaml")


@pytest.mark.parametrize("value", ["3", "[1]", "text"])
def test_a_section_that_is_no_mapping_is_an_error_and_an_empty_one_is_none(value, tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "params.yaml").write_text("verify:\n")
    assert verify_settings() == Verify()
    (tmp_path / "params.yaml").write_text(f"verify: {value}\n")
    with pytest.raises(InputError, match="^params.yaml: verify: "):
        verify_settings()


@pytest.mark.parametrize(
    ("given", "sequences"), [(None, None), (4, 32), (64, 512)], ids=["left out", "as in the guides", "more"]
)
def test_the_engine_chooses_how_many_answers_are_sampled_at_once_unless_the_file_says(given, sequences) -> None:
    """The file counts prompts, each with its 8 samples."""
    settings = read_settings(RaftFile, None, {"generation.batch_size": given})
    lock = {"provider": "local", "id": "m", "revision": "0", "system_prompt": ""}
    params = raft_params(settings, Checkpoint("m", lock, REPOSITORY, None), Verify())
    assert params.generate.batch_size == sequences
    assert params.raft.samples_per_task == 8


def test_nothing_below_the_command_line_knows_its_words() -> None:
    package = REPOSITORY / "src/halo_forge"
    below = [path for path in package.rglob("*.py") if path.parent != package / "cli" and path.name != "__main__.py"]
    assert [path for path in below if "halo_forge.cli" in path.read_text(encoding="utf-8")] == []


@pytest.mark.parametrize(
    ("given", "epoch", "expected"),
    [
        ((None, None), 1000, (250, 500)),  # the seeds' sizes, where an epoch is long
        ((None, None), 40, (40, 40)),  # at least one evaluation an epoch
        ((None, 30), 1000, (30, 30)),
        ((None, 1000), 1000, (250, 1000)),
        ((None, 7), 5, (1, 7)),
        ((100, None), 1000, (100, 500)),
        ((30, None), 1000, (30, 30)),
        ((5, 10), 1000, (5, 10)),
    ],
)
def test_checkpoints_fall_on_evaluations(given, epoch, expected) -> None:
    evaluate, save = intervals(*given, epoch, True)
    assert (evaluate, save) == expected and save % evaluate == 0


def test_checkpoints_that_miss_the_evaluations_are_refused_only_where_rows_are_held_out() -> None:
    with pytest.raises(InputError, match="--save-steps 10 is no multiple of --eval-steps 3"):
        intervals(3, 10, 100, True)
    assert intervals(3, 10, 100, False) == (3, 10)


def test_one_problem_is_never_on_both_sides_of_the_validation_split() -> None:
    rows = [Row("rows.jsonl", n, "completion", tuple(conversation(f"Print {n % 7}.", f"{n}"))) for n in range(70)]
    sides = split_rows(rows, 0.2, seed=3)
    prompts = [{turns[-1]["content"] for turns, _ in side} for side in (sides.training, sides.held_out)]
    assert len(sides.training) + len(sides.held_out) == 70 and len(sides.held_out) == 10
    assert not prompts[0] & prompts[1]


@pytest.mark.parametrize(
    ("prompt", "language"),
    [
        ("Implement binary search in C++", "cpp"),
        ("Write a Python function that adds", "python"),
        ("Port this Python script to Rust", "cpp"),  # two are named: no guess
        ("Where does the ball go?", "cpp"),
        ("Write a Go program", "go"),
    ],
)
def test_the_language_of_a_prompt_is_the_one_it_names(prompt, language) -> None:
    assert named_language(prompt) == language


def test_turns_are_rendered_as_the_same_prompt_is_when_it_is_asked(tiny_chat) -> None:
    """What training renders for a row with a system turn is what generation renders with that system prompt."""
    asked = dataclasses.replace(tiny_chat, system_prompt="Be brief.")
    taught = tiny_chat.prompt_ids(conversation("Add 1 and 2.", system="Be brief."))
    assert taught == asked.prompt_ids("Add 1 and 2.") == asked.prompt_ids(conversation("Add 1 and 2."))
    assert taught != tiny_chat.prompt_ids("Add 1 and 2.")
