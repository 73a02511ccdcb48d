"""One answer of a model, shown as it is drawn, and judged by tests given by hand."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, TextIO

from halo_forge.export.sampling import Sampling
from halo_forge.model.chat import Chat, Prompt
from halo_forge.model.checkpoint import Checkpoint
from halo_forge.model.dtype import computes_bfloat16
from halo_forge.records import CompileTests, Source, StdioCase, StdioTests, Task
from halo_forge.settings.verify import Verify
from halo_forge.verify.core.protocol import Judgement
from halo_forge.verify.registry import get_verifier, resolve


class Answer(NamedTuple):
    """`n_tokens` counts the end of the turn, which `ended` says was drawn."""

    text: str
    n_tokens: int
    ended: bool


def stream_answer(model: Checkpoint, prompt: Prompt, sampling: Sampling, seed: int, out: TextIO) -> Answer:
    """Draw an answer by transformers, which for one at a time is as fast as any engine, and write it to `out` in words.

    Temperature 0 is greedy. The same call gives the same answer on the same machine.
    """
    import torch
    from transformers import GenerationConfig

    chat = Chat.of(str(model.base), model.lock["system_prompt"])
    ids = torch.tensor([chat.prompt_ids(prompt)])
    whole = _loaded(model)
    settings = GenerationConfig(
        max_new_tokens=sampling.max_new_tokens,
        eos_token_id=chat.end,
        pad_token_id=chat.end,
        do_sample=sampling.temperature > 0,
        **(
            {"temperature": sampling.temperature, "top_k": sampling.top_k, "top_p": sampling.top_p}
            if sampling.temperature
            else {}
        ),
    )
    torch.manual_seed(seed)
    ids = ids.to(whole.device)
    with torch.inference_mode():
        drawn = whole.generate(
            ids, attention_mask=torch.ones_like(ids), generation_config=settings, streamer=_streamer(chat, out)
        )
    answer = drawn[0, ids.shape[1] :].tolist()
    ended = bool(answer) and answer[-1] == chat.end
    return Answer(chat.text(answer[:-1] if ended else answer), len(answer), ended)


def judge_of_answers(
    prompt: str, language: str, cases: Sequence[tuple[str, str]], settings: Verify
) -> Callable[[str], Judgement]:
    """What judges an answer by (stdin, expected output) pairs; without any it only has to compile.

    Raises InputError for a language without a verifier, InfrastructureError where its compiler or sandbox is missing.
    """
    tests = (
        StdioTests(cases=[StdioCase(stdin=given, stdout=expected) for given, expected in cases])
        if cases
        else CompileTests()
    )
    source = Source(dataset="command line")
    task = Task(task_id="prompt", language=language, prompt=prompt, tests=tests, source=source, family="prompt")
    verifier = get_verifier(resolve("auto", task), settings)
    verifier.probe()
    verifier.check(task)

    def judge(answer: str) -> Judgement:
        try:
            return verifier.judge(task, answer)
        finally:
            getattr(verifier, "close", lambda: None)()

    return judge


def _loaded(model: Checkpoint) -> Any:
    import torch
    from transformers import AutoModelForCausalLM

    gpu = torch.cuda.is_available()
    dtype = torch.bfloat16 if gpu and computes_bfloat16() else torch.float32
    whole = AutoModelForCausalLM.from_pretrained(model.base, dtype=dtype)
    if model.adapter is not None:
        from peft import PeftModel

        whole = PeftModel.from_pretrained(whole, model.adapter).merge_and_unload()
    return whole.to("cuda" if gpu else "cpu").eval()


def _streamer(chat: Chat, out: TextIO) -> Any:
    from transformers import TextStreamer

    class Words(TextStreamer):
        def on_finalized_text(self, text: str, stream_end: bool = False) -> None:
            out.write(text + ("\n" if stream_end else ""))
            out.flush()

    return Words(chat.tokenizer, skip_prompt=True, skip_special_tokens=True)
