"""The measurements of gpu_check, a function each."""

from __future__ import annotations

import functools
import gc
import importlib.metadata
import importlib.util
import itertools
import random
import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from gpu.report import Report
from halo_forge import memory
from halo_forge.data.builtin import load_families, variants
from halo_forge.generate.draws import Settings, draw
from halo_forge.generate.protocol import Request
from halo_forge.generate.transformers import TransformersEngine
from halo_forge.hashing import digest
from halo_forge.model.chat import Chat
from halo_forge.provenance import cpu_model
from halo_forge.settings.generate import Generate
from halo_forge.settings.training import Lora, Training
from halo_forge.train.adapter import solutions
from halo_forge.train.lora import Run, train
from halo_forge.train.packing import packed
from halo_forge.train.rows import Rows, tokenised

BUILTIN = Path(__file__).resolve().parents[2] / "data" / "builtin"
GB = 1e9
BATCHES = (64, 256, 1024)
NEW_TOKENS = 256
PARITY = 32
"""Prompts whose answers are compared."""


@dataclass
class Bench:
    base: Path
    report: Report
    adapter: Path | None = None
    peak_flops: float | None = None

    @functools.cached_property
    def chat(self) -> Chat:
        return Chat.of(str(self.base))

    @functools.cached_property
    def tasks(self) -> list[Any]:
        return [variant.task("cpp") for variant in variants(load_families(BUILTIN))]

    @functools.cached_property
    def folder(self) -> Path:
        self._folder = tempfile.TemporaryDirectory()
        return Path(self._folder.name)

    def requests(self, number: int, temperature: float, new: int) -> list[Request]:
        """So many, of prompts in turn, each of them with four answers where there are enough."""
        tasks = itertools.cycle(self.tasks[:: max(1, len(self.tasks) // max(1, number // 4))])
        prompts = [self.chat.prompt_ids(task.prompt) for task, _ in zip(tasks, range(-(-number // 4)), strict=False)]
        return [Request(prompts[i // 4], i, temperature, 50, 1.0, new) for i in range(number)]

    def engine(self, dtype: str, batch: int | None = None, adapter: Path | None = None) -> TransformersEngine:
        return TransformersEngine(Generate(dtype=dtype, batch_size=batch), self.base, adapter, self.chat.end)

    def free(self) -> None:
        gc.collect()
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()


def device(bench: Bench) -> None:
    facts = bench.report.facts
    told = torch.cuda.get_device_properties(0)
    facts["GPU"] = f"{told.name}, {told.total_memory / GB:.1f} GB, {told.multi_processor_count} multiprocessors"
    facts["GPUs visible"] = torch.cuda.device_count()
    facts["compute capability"] = f"{told.major}.{told.minor}"
    facts["torch"] = f"{torch.__version__}, CUDA {torch.version.cuda}, HIP {torch.version.hip}"
    facts["driver"] = _driver()
    facts["cuDNN"] = torch.backends.cudnn.version()
    facts["float32 matmul precision"] = torch.get_float32_matmul_precision()
    facts["bfloat16"] = torch.cuda.is_bf16_supported()
    facts["CPU"] = f"{cpu_model()}, {torch.get_num_threads()} threads of torch"
    for package in ("transformers", "peft", "accelerate", "vllm"):
        try:
            facts[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            facts[package] = "not installed"
    config = _config(bench)
    facts["model"] = f"{config.model_type}, {config.num_hidden_layers} layers, hidden {config.hidden_size}"


def matmul(bench: Bench) -> None:
    """The most that this device gives: a square product in bfloat16 and in float32, and a copy."""
    for dtype, size in ((torch.bfloat16, 8192), (torch.float32, 8192)):
        one, other = (torch.randn(size, size, device="cuda", dtype=dtype) for _ in range(2))
        seconds = _seconds(functools.partial(torch.mm, one, other), 20)
        rate = 2 * size**3 / seconds
        if dtype == torch.bfloat16:
            bench.peak_flops = rate
        bench.report.add(f"matmul {size}², {str(dtype)[6:]}", rate / 1e12, "TFLOP/s", "median", 20)
    source = torch.empty(1 << 30, device="cuda", dtype=torch.uint8)
    target = torch.empty_like(source)
    seconds = _seconds(lambda: target.copy_(source), 20)
    bench.report.add("memory bandwidth", 2 * source.numel() / seconds / GB, "GB/s", "copy of 1 GiB, read + written", 20)


def train_steps(bench: Bench) -> None:
    """Two epochs of bf16 LoRA on reference solutions; the second is timed."""
    settings = Training(epochs=2, batch_size=32, micro_batch_size=16, dtype="bfloat16", save_steps=10_000)
    rows = _rows(bench, 512)
    for checkpointing in (False, True):
        times: list[float] = []
        run = Run(
            base=bench.base,
            start=None,
            lora=Lora(),
            settings=settings.model_copy(update={"gradient_checkpointing": checkpointing}),
            learning_rate=2e-4,
            seed=0,
            checkpoints=bench.folder / f"checkpoints-{checkpointing}",
        )
        bench.free()
        out = bench.folder / f"adapter-{checkpointing}"
        told = train(run, rows, bench.chat, out, lambda _, times=times: times.append(time.monotonic()))
        steps = told["steps"] // 2
        seconds = times[-1] - times[steps - 1]
        rate, name = rows.tokens / seconds, "LoRA bf16" + (", checkpointing" if checkpointing else "")
        bench.report.add(f"{name}: training", rate, "tokens/s", f"{told['answer_tokens'] / seconds:,.0f} of answers", 1)
        weights = _weights(bench)
        if bench.peak_flops:
            share = 6 * weights * rate / bench.peak_flops
            note = f"6·N·tokens, N = {weights / 1e6:,.0f} M in matrices; LoRA itself needs 4·N·tokens and a little"
            bench.report.add(f"{name}: share of the measured peak", 100 * share, "%", note)
        note = f"worked out: {_training_memory(bench, rows, run) / GB:.1f} GB"
        bench.report.add(f"{name}: memory peak", torch.cuda.max_memory_allocated() / GB, "GB", note)
        bench.report.add(f"{name}: loss", f"{told['loss_first']:.3f} → {told['loss_last']:.3f}", "", "", told["steps"])
        bench.adapter = out
    kinds = _kinds(bench.adapter)
    bench.report.add("adapter saved as", kinds)


def again(bench: Bench) -> None:
    """The same short training twice: are the adapters equal to the byte?"""
    rows = _rows(bench, 64)
    digests = []
    for turn in range(2):
        settings = Training(epochs=1, batch_size=8, micro_batch_size=8, dtype="bfloat16", save_steps=10_000)
        run = Run(bench.base, None, Lora(), settings, 2e-4, 0, bench.folder / f"again-{turn}")
        train(run, rows, bench.chat, bench.folder / f"again-out-{turn}")
        digests.append(digest(bench.folder / f"again-out-{turn}" / "adapter_model.safetensors"))
    bench.report.add(
        "the same training twice", "equal bytes" if len(set(digests)) == 1 else "different bytes", "", "", 2
    )


def sampling(bench: Bench) -> None:
    """Tokens a second of the transformers engine; a short run before records the steps."""
    for adapter in (None, bench.adapter):
        name = "transformers bf16" + (" + LoRA" if adapter else "")
        for batch in BATCHES if adapter is None else BATCHES[1:2]:
            engine = bench.engine("bfloat16", batch, adapter)
            engine.generate(bench.requests(batch, 0.8, 8))
            requests = bench.requests(2 * batch, 0.8, NEW_TOKENS)
            seconds, answers = _timed(engine, requests)
            again, same = _timed(engine, requests)
            tokens = sum(answer.n_tokens for answer in answers)
            note = f"first {tokens / seconds:,.0f}; {tokens:,} tokens of {len(requests)} answers; memory " + (
                f"{torch.cuda.max_memory_allocated() / GB:.1f} GB; recorded {len(engine._cache._graphs)} shapes"
            )
            bench.report.add(f"{name}, {batch} at once", tokens / again, "tokens/s", note, 1)
            equal = sum(a == b for a, b in zip(answers, same, strict=True))
            bench.report.add(f"{name}, {batch} at once: drawn twice", f"{equal} of {len(answers)} equal")
            del engine
            bench.free()
        if bench.adapter is None:
            break
    bench.report.add("batch size found by itself", bench.engine("bfloat16").batch_size)


def parity(bench: Bench) -> None:
    """Greedy answers and logits: bf16 and float32 on the GPU against float32 on the CPU; draws from the same logits."""
    requests = bench.requests(4 * PARITY, 0.0, 64)[::4]
    found, logits = {}, {}
    for name, dtype, where in (
        ("bf16 GPU", "bfloat16", "cuda"),
        ("float32 GPU", "float32", "cuda"),
        ("float32 CPU", "float32", "cpu"),
    ):
        engine = bench.engine(dtype, PARITY)
        if where == "cpu":
            engine.model, engine.device = engine.model.cpu(), "cpu"
        found[name] = [answer.ids for answer in engine.generate(requests)]
        with torch.inference_mode():
            logits[name] = torch.stack([_logits(engine.model, request.prompt_ids) for request in requests])
        reference = engine.model
        engine._cache = None
        bench.free()
    for name, other in (("bf16 GPU", "float32 GPU"), ("float32 GPU", "float32 CPU"), ("bf16 GPU", "float32 CPU")):
        off = (logits[name] - logits[other]).abs()
        best = (logits[name].argmax(-1) == logits[other].argmax(-1)).sum().item()
        note = f"mean {off.mean():.2g}, greatest logit {logits[other].abs().max():.3g}; same best token {best}"
        bench.report.add(f"logits {name} − {other}: greatest difference", off.max().item(), "", note, PARITY)
        gaps = [
            _gap(reference, request, one, two)
            for request, one, two in zip(requests, found[name], found[other], strict=True)
            if one != two
        ]
        told = ", ".join(f"{gap:.2g}" for gap in sorted(gaps)) or "none"
        equal = f"{PARITY - len(gaps)} of {PARITY} equal"
        bench.report.add(
            f"greedy answers {name} and {other}", equal, "", f"gap of the two best where they part: {told}"
        )
    rows = logits["float32 CPU"]
    drawing = [Request([0], seed, 0.8, 50, 0.95, 1) for seed in range(len(rows))]
    same = 0
    for step in range(32):
        steps = torch.full((len(rows),), step)
        here = draw(rows, Settings.of(drawing, torch.device("cpu")), steps)
        there = draw(rows.cuda(), Settings.of(drawing, torch.device("cuda")), steps.cuda())
        same += (here == there.cpu()).sum().item()
    bench.report.add("draws from the same logits, GPU and CPU", f"{same} of {32 * len(rows)} equal")


def lora_step(bench: Bench) -> None:
    """Loss and gradients of one step of the trainer's own loss in float32, on the GPU and on the CPU."""
    from accelerate.utils import send_to_device
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM

    from halo_forge.train.attention import use_branch_attention
    from halo_forge.train.loss import answer_loss
    from halo_forge.train.packing import collate

    batch = collate(_rows(bench, 4).examples)
    torch.manual_seed(0)
    base = AutoModelForCausalLM.from_pretrained(bench.base, dtype=torch.float32)
    shape = LoraConfig(r=16, lora_alpha=32, target_modules="all-linear", task_type="CAUSAL_LM", init_lora_weights=False)
    use_branch_attention(base, str(bench.base))
    model = get_peft_model(base, shape)
    losses, gradients = {}, {}
    for where in ("cpu", "cuda"):
        model.to(where).zero_grad()
        loss = answer_loss(model, send_to_device(batch, where)) / len(batch["labels"])
        loss.backward()
        losses[where] = loss.item()
        gradients[where] = {
            name: weight.grad.cpu().clone() for name, weight in model.named_parameters() if weight.requires_grad
        }
    off = [
        ((gradients["cuda"][name] - grad).norm() / grad.norm().clamp_min(1e-30)).item()
        for name, grad in gradients["cpu"].items()
    ]
    note = f"CPU {losses['cpu']:.6f}; float32 matmul precision {torch.get_float32_matmul_precision()}"
    bench.report.add("LoRA step, float32: loss GPU − CPU", losses["cuda"] - losses["cpu"], "", note)
    note = f"median {statistics.median(off):.2g}, over {len(off)} matrices, ‖GPU − CPU‖ / ‖CPU‖"
    bench.report.add("LoRA step, float32: greatest relative difference of a gradient", max(off), "", note)


def vllm(bench: Bench) -> None:
    if importlib.util.find_spec("vllm") is None:
        bench.report.missing("vllm", "not installed here")
        return
    from halo_forge.generate.vllm import VllmEngine

    requests = bench.requests(512, 0.8, NEW_TOKENS)
    engine = VllmEngine(Generate(dtype="bfloat16", batch_size=256), bench.base, bench.adapter, bench.chat.end)
    engine.generate(requests[:8])
    seconds, answers = _timed(engine, requests)
    tokens = sum(answer.n_tokens for answer in answers)
    bench.report.add("vllm bf16, 256 at once", tokens / seconds, "tokens/s", f"{tokens:,} tokens", 1)


PARTS: dict[str, Callable[[Bench], None]] = {
    "device": device,
    "matmul": matmul,
    "train": train_steps,
    "sampling": sampling,
    "parity": parity,
    "step": lora_step,
    "again": again,
    "vllm": vllm,
}


def _driver() -> str:
    try:
        import pynvml

        pynvml.nvmlInit()
        return str(pynvml.nvmlSystemGetDriverVersion())
    except (ImportError, OSError, RuntimeError) as error:
        return f"unknown ({type(error).__name__})"
    except Exception as error:  # noqa: BLE001 - NVMLError is a class of a module that may not be there
        return f"unknown ({error})"


def _config(bench: Bench) -> Any:
    from transformers import AutoConfig

    return AutoConfig.from_pretrained(bench.base).get_text_config()


def _weights(bench: Bench) -> int:
    """Numbers in the matrices that every token is multiplied with, the output layer's included."""
    from transformers import AutoModelForCausalLM

    with torch.device("meta"):
        model = AutoModelForCausalLM.from_config(_config(bench))
    return sum(part.weight.numel() for part in model.modules() if isinstance(part, torch.nn.Linear))


def _training_memory(bench: Bench, rows: Rows, run: Run) -> float:
    """Bytes, worked out, of the largest micro-batch of as many batches as a run has, drawn anew."""
    config, micro = _config(bench), run.settings.micro_batch_size
    batches = random.Random(0).sample(rows.examples, len(rows.examples))
    sizes = [packed(batches[start : start + micro]) for start in range(0, len(batches), micro)]
    tokens, answers = max((len(one.tokens), len(set(one.predicted_at))) for one in sizes)
    return memory.training(memory.Shape.of(config), run.settings, run.lora, tokens, answers)


def _rows(bench: Bench, number: int) -> Rows:
    pairs = solutions(bench.tasks[:: max(1, len(bench.tasks) // number)])[:number]
    return tokenised(bench.chat, pairs, 1024, "the built-in tasks")


def _seconds(work: Callable[[], Any], times: int) -> float:
    """The median of so many runs by the device's own clock."""
    for _ in range(3):
        work()
    found = []
    for _ in range(times):
        start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        start.record()
        work()
        end.record()
        torch.cuda.synchronize()
        found.append(start.elapsed_time(end) / 1000)
    return statistics.median(found)


def _timed(engine: Any, requests: list[Request]) -> tuple[float, list[Any]]:
    began = time.monotonic()
    answers = engine.generate(requests)
    return time.monotonic() - began, answers


def _logits(model: Any, ids: list[int]) -> torch.Tensor:
    """(vocabulary,) float32 on the CPU, after `ids`."""
    where = next(model.parameters()).device
    return model(torch.tensor([ids], device=where)).logits[0, -1].float().cpu()


def _gap(model: Any, request: Request, one: list[int], other: list[int]) -> float:
    """How far the reference's two best tokens are apart where two answers part; an end counts as a token."""
    pairs = itertools.zip_longest(one, other)
    same = next(place for place, (left, right) in enumerate(pairs) if left != right)
    with torch.inference_mode():
        best = _logits(model, request.prompt_ids + one[:same]).topk(2).values
    return (best[0] - best[1]).item()


def _kinds(adapter: Path) -> str:
    from safetensors import safe_open

    with safe_open(adapter / "adapter_model.safetensors", "pt") as file:
        return ", ".join(sorted({str(file.get_tensor(name).dtype) for name in file.keys()}))  # noqa: SIM118 - no dict
