"""transformers' Trainer with the loss on answers and a learning rate that is never 0."""

from __future__ import annotations

from typing import Any

from halo_forge.train.rows import IGNORED


def answer_trainer(warmup_ratio: float) -> type:
    """The class. The rate's factor rises linearly from 1/(w+1) over w warm-up steps, then falls linearly from 1 to
    1/(n-w)."""
    from transformers import Trainer

    class AnswerTrainer(Trainer):
        def compute_loss(self, model, inputs, return_outputs=False, num_items_in_batch=None):  # noqa: ANN001, ANN202
            """Cross-entropy summed over the answers' tokens, divided by their number in the whole optimizer step.

            Logits are computed from the first answer token of the batch on: over a vocabulary of 50,000 the prompt's
            would cost a tenth of the time and a third of the memory for nothing.
            """
            import torch

            labels = inputs.pop("labels")  # (batch, length)
            start = int((labels != IGNORED).any(dim=0).nonzero()[0]) - 1
            kept = torch.arange(start, labels.shape[1] - 1, device=labels.device)
            logits = model(**inputs, logits_to_keep=kept).logits.float()  # (batch, kept, vocabulary)
            targets = labels[:, kept + 1]
            total = torch.nn.functional.cross_entropy(
                logits.flatten(0, 1), targets.flatten(), ignore_index=IGNORED, reduction="sum"
            )
            loss = total / (num_items_in_batch or (targets != IGNORED).sum())
            return (loss, {}) if return_outputs else loss

        def get_batch_samples(self, epoch_iterator, num_batches, device):  # noqa: ANN001, ANN202
            """No batch once training is to end: Trainer asks only after a step, and a run that is resumed where it had
            stopped early must not make one more."""
            if self.control.should_training_stop:
                return [], None
            return super().get_batch_samples(epoch_iterator, num_batches, device)

        def create_scheduler(self, num_training_steps: int, optimizer: Any = None) -> Any:
            from torch.optim.lr_scheduler import LambdaLR

            warmup = int(warmup_ratio * num_training_steps)

            def factor(step: int) -> float:
                if step < warmup:
                    return (step + 1) / (warmup + 1)
                return max(num_training_steps - step, 0) / max(num_training_steps - warmup, 1)

            self.lr_scheduler = LambdaLR(optimizer or self.optimizer, factor)
            return self.lr_scheduler

    return AnswerTrainer
