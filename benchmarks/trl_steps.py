"""Optimizer steps by TRL's SFTTrainer, for training_speed.py: a line of rows in, a line of seconds out.

    python benchmarks/trl_steps.py BASE MICRO_BATCH

Runs in a Python of its own that has trl, transformers and peft, and nothing of this project.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time

import torch
from datasets import Dataset
from peft import LoraConfig
from transformers import AutoModelForCausalLM, AutoTokenizer, TrainerCallback
from trl import SFTConfig, SFTTrainer

answers = os.fdopen(os.dup(1), "w", buffering=1)
os.dup2(2, 1)  # what libraries print is no answer


class Clock(TrainerCallback):
    def on_step_begin(self, args, state, control, **kwargs):  # noqa: ANN001, ANN201 - transformers' protocol
        self.wall, self.cpu = time.perf_counter(), time.process_time()

    def on_step_end(self, args, state, control, **kwargs):  # noqa: ANN001, ANN201
        self.seconds = {"wall": time.perf_counter() - self.wall, "cpu": time.process_time() - self.cpu}


def main() -> None:
    base, micro = sys.argv[1], int(sys.argv[2])
    tokenizer = AutoTokenizer.from_pretrained(base)
    model = AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32)
    lora = LoraConfig(r=16, lora_alpha=32, target_modules="all-linear", task_type="CAUSAL_LM")
    for line in sys.stdin:
        rows = [{"input_ids": row["input_ids"], "labels": row["labels"]} for row in json.loads(line)]
        clock = Clock()
        with tempfile.TemporaryDirectory() as folder:
            config = SFTConfig(
                output_dir=folder,
                per_device_train_batch_size=micro,
                gradient_accumulation_steps=len(rows) // micro,
                max_steps=1,
                max_length=None,
                train_sampling_strategy="group_by_length",
                gradient_checkpointing=False,
                bf16=False,
                use_cpu=True,
                save_strategy="no",
                report_to=[],
                disable_tqdm=True,
            )
            trainer = SFTTrainer(
                model=model,
                args=config,
                train_dataset=Dataset.from_list(rows),
                processing_class=tokenizer,
                peft_config=lora,
                callbacks=[clock],
            )
            trainer.train()
        model, lora = trainer.model, None
        print(json.dumps(clock.seconds), file=answers)


if __name__ == "__main__":
    main()
