"""The entropy of a benchmarked model's tokens, over its first answer to every task.

Reads  models/base.json, models/pipeline/<model>/, data/split/benchmark.jsonl, data/benchmark/<model>/samples.jsonl
Writes results/entropy/<model>.json
Params seed, benchmark.bootstrap
"""

from __future__ import annotations

from pathlib import Path

from begin import stage

from halo_forge.benchmark.token_entropy import answer_bits, token_entropy
from halo_forge.files import write_json
from halo_forge.jsonl import each_record, read_records
from halo_forge.model.checkpoint import of_pipeline
from halo_forge.progress import Progress
from halo_forge.records import Sample, Task
from halo_forge.settings.params import Params


def main(params: Params, model: str) -> None:
    family = {task.task_id: task.family for task in read_records("data/split/benchmark.jsonl", Task)}
    path = Path("data/benchmark") / model / "samples.jsonl"
    samples = [one for one in each_record(path, Sample) if one.index == 0 and one.completion]
    bits = []
    with Progress(len(samples), f"{model}: entropy of its tokens") as progress:
        for own in answer_bits(of_pipeline(model), samples):
            bits.append(own)
            progress.advance()
    families = [family[sample.task_id] for sample in samples]
    found = token_entropy(bits, families, params.benchmark.bootstrap, params.seed) if bits else {"answers": 0}
    write_json(f"results/entropy/{model}.json", {"model": model} | found)
    print(f"{model}: {found['bits']:.3f} bits a token" if bits else f"{model}: no answer has a token")


if __name__ == "__main__":
    stage(main, on_gpus=True, model="base, sft, a key of raft.cycles or of controls")
