"""transformers' Trainer with packed rows, the loss on answers and a learning rate that is never 0."""

from __future__ import annotations

from typing import Any

from halo_forge.settings.training import Training


def answer_trainer(settings: Training) -> type:
    """The class. The rate's factor rises linearly from 1/(w+1) over w warm-up steps, then falls linearly from 1 to
    1/(n-w)."""
    import torch
    from torch.utils.data import DataLoader
    from transformers import Trainer

    from halo_forge.train.loss import answer_loss
    from halo_forge.train.order import TogetherByPrompt
    from halo_forge.train.shares import Shares

    class AnswerTrainer(Trainer):
        def compute_loss(self, model, inputs, return_outputs=False, num_items_in_batch=None):  # noqa: ANN001, ANN202
            """Cross-entropy of the answers' tokens, divided by their number in the whole optimizer step."""
            total = answer_loss(model, inputs)
            # Processes average their gradients, and the number is that of them all.
            loss = total / num_items_in_batch * self.accelerator.num_processes
            return (loss, {}) if return_outputs else loss

        def _get_num_items_in_batch(self, batch_samples, device):  # noqa: ANN001, ANN202
            """The answer tokens of an optimizer step, over all processes."""
            if not batch_samples:
                return None
            total = torch.tensor(sum(len(batch["labels"]) for batch in batch_samples), device=device)
            return self.accelerator.gather(total).sum()

        def get_train_dataloader(self):  # noqa: ANN202
            """This process's rows. accelerate would fill up the last batch with rows that were there before."""
            args = self.args
            order = TogetherByPrompt(self.train_dataset.prompts)
            micro_batch = args.per_device_train_batch_size
            shares = Shares(order, settings.batch_size, micro_batch, args.process_index, args.world_size)
            return self._loader(self.train_dataset, batch_sampler=shares)

        def get_eval_dataloader(self, eval_dataset=None):  # noqa: ANN001, ANN202
            """All rows held out, in every process: the loss is that of one, and all stop at the same step."""
            return self._loader(self.eval_dataset, batch_size=self.args.per_device_eval_batch_size)

        def _loader(self, dataset, **rows):  # noqa: ANN001, ANN003, ANN202
            return DataLoader(
                dataset, collate_fn=self.data_collator, pin_memory=self.args.dataloader_pin_memory, **rows
            )

        def get_batch_samples(self, epoch_iterator, num_batches, device):  # noqa: ANN001, ANN202
            """No batch once training is to end: Trainer asks only after a step, and a run that is resumed where it had
            stopped early must not make one more."""
            if self.control.should_training_stop:
                return [], None
            return super().get_batch_samples(epoch_iterator, num_batches, device)

        def create_scheduler(self, num_training_steps: int, optimizer: Any = None) -> Any:
            from torch.optim.lr_scheduler import LambdaLR

            warmup = int(settings.warmup_ratio * num_training_steps)

            def factor(step: int) -> float:
                if step < warmup:
                    return (step + 1) / (warmup + 1)
                return max(num_training_steps - step, 0) / max(num_training_steps - warmup, 1)

            self.lr_scheduler = LambdaLR(optimizer or self.optimizer, factor)
            return self.lr_scheduler

    return AnswerTrainer
