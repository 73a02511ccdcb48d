"""Tokens per second of the openvino engine against the transformers engine, in turns, on the real model.

    python benchmarks/generation_speed.py [--prompts 8] [--samples 8] [--tokens 64] [--rounds 2]

Both draw the same number of samples of the same prompts at the same settings; real tokens only are counted. The
baseline is `transformers`, whose `generate` is what most programs of this kind call.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "src"))

from halo_forge.data.builtin import load_families, variants  # noqa: E402
from halo_forge.generate.engine import open_engine  # noqa: E402
from halo_forge.generate.protocol import Request  # noqa: E402
from halo_forge.model.base import materialise, resolve  # noqa: E402
from halo_forge.model.chat import Chat  # noqa: E402
from halo_forge.settings.generate import Generate  # noqa: E402
from halo_forge.settings.params import load_params  # noqa: E402


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--prompts", type=int, default=8)
    parser.add_argument("--samples", type=int, default=8)
    parser.add_argument("--tokens", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=2)
    options = parser.parse_args()

    base = materialise(resolve(load_params(ROOT / "params.yaml").base_model))
    chat = Chat.of(str(base))
    prompts = [chat.prompt_ids(task.prompt("cpp")) for task in variants(load_families(ROOT / "data" / "builtin"))]
    requests = [
        Request(prompt, 1000 * number + index, 0.8, 50, 1.0, options.tokens)
        for number, prompt in enumerate(prompts[:: len(prompts) // options.prompts][: options.prompts])
        for index in range(options.samples)
    ]
    engines = {
        name: open_engine(Generate(engine=name, batch_size=64), base, None, chat.end)
        for name in ("transformers", "openvino")
    }
    rates: dict[str, list[float]] = {name: [] for name in engines}
    for turn in range(options.rounds):
        for name, engine in engines.items():
            began = time.monotonic()
            tokens = sum(completion.n_tokens for completion in engine.generate(requests))
            rates[name].append(tokens / (time.monotonic() - began))
            print(f"turn {turn + 1}: {name} {rates[name][-1]:.0f} tokens/s ({tokens} tokens, {len(requests)} samples)")
    ratios = [ours / theirs for ours, theirs in zip(rates["openvino"], rates["transformers"], strict=True)]
    print(f"openvino / transformers: median {statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})")


if __name__ == "__main__":
    main()
