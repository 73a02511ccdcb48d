"""`halo-forge generate`: the answer that is shown is the model's, and its tests decide how the command ends."""

from __future__ import annotations

import io

import pytest
import torch
from typer.testing import CliRunner

from halo_forge.cli import generate as command
from halo_forge.cli.main import app
from halo_forge.errors import InputError
from halo_forge.export.sampling import Sampling
from halo_forge.model.checkpoint import Checkpoint
from halo_forge.runs import answer
from halo_forge.runs.answer import Answer, stream_answer
from halo_forge.settings.generate import Generate

PROGRAM = "```python\nprint(int(input()) + 1)\n```"


def test_what_is_streamed_is_the_answer_that_the_engine_gives(tiny_model, tiny_chat) -> None:
    from halo_forge.generate.protocol import Request
    from halo_forge.generate.transformers import TransformersEngine

    model = Checkpoint("tiny", {"system_prompt": ""}, tiny_model, None)
    shown = io.StringIO()
    drawn = stream_answer(model, "Add one.", Sampling(0.0, 0, 1.0, 24), 0, shown)
    engine = TransformersEngine(Generate(engine="transformers"), tiny_model, None, tiny_chat.end)
    (right,) = engine.generate([Request(tiny_chat.prompt_ids("Add one."), 0, 0.0, 0, 1.0, 24)])
    assert drawn.text == tiny_chat.text(right.ids) and drawn.n_tokens == right.n_tokens
    assert shown.getvalue() == drawn.text + "\n"


def test_words_are_shown_as_they_come(tiny_chat) -> None:
    shown, seen = io.StringIO(), []
    streamer = answer._streamer(tiny_chat, shown)
    streamer.put(torch.tensor([tiny_chat.prompt_ids("Add one.")]))
    for token in tiny_chat.answer_ids("int main() { return 0; }"):
        streamer.put(torch.tensor([token]))
        seen.append(shown.getvalue())
    streamer.end()
    assert seen[0] == "" and len(set(seen)) > 3 and shown.getvalue() == "int main() { return 0; }\n"


def test_the_same_seed_draws_the_same_answer_and_another_seed_another(tiny_model) -> None:
    model = Checkpoint("tiny", {"system_prompt": ""}, tiny_model, None)
    first, again, other = (
        stream_answer(model, "x", Sampling(1.0, 0, 1.0, 24), seed, io.StringIO()) for seed in (1, 1, 2)
    )
    assert first == again != other


@pytest.fixture
def answers(tiny_model, monkeypatch):
    """The command with an answer that is given, in the place of a model."""

    def run(*words: str, text: str = PROGRAM, drawn=None):
        def given(*_) -> Answer:
            if drawn is not None:
                drawn.append(text)
            return Answer(text, 9, True)

        monkeypatch.setattr(answer, "stream_answer", given)
        return CliRunner().invoke(app, ["generate", "Add one.", "--model", str(tiny_model), *words])

    return run


@pytest.mark.needs("python")
@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        ((), 0, ""),
        (("--verify",), 0, "pass"),
        (("--stdin", "1", "--expect", "2", "--stdin", "41\n", "--expect", "42"), 0, "pass, 2 of 2 tests"),
        (("--stdin", "1", "--expect", "2", "--stdin", "1", "--expect", "3"), 1, "wrong_answer, 1 of 2 tests"),
    ],
)
def test_tests_given_by_hand_decide_how_the_command_ends(answers, words, code, said) -> None:
    done = answers("--language", "python", *words)
    assert (done.exit_code, done.stderr.startswith(said)) == (code, True), done.output


@pytest.mark.needs("python")
def test_an_answer_without_a_program_does_not_pass(answers) -> None:
    done = answers("--language", "python", "--verify", text="I would rather not.")
    assert done.exit_code == 1 and "pass" not in done.stderr


@pytest.mark.parametrize(("language", "words"), [("c++", "c++"), ("cobol", "cobol")])
def test_a_language_that_nothing_judges_is_refused_before_a_model_is_loaded(
    answers, monkeypatch, language, words
) -> None:
    drawn = []
    done = answers("--verify", "--language", language, drawn=drawn)
    assert isinstance(done.exception, InputError) and words in str(done.exception) and drawn == []


def test_an_input_without_its_output_is_refused_before_a_model_is_loaded(answers) -> None:
    done = answers("--stdin", "1", "--stdin", "2", "--expect", "3")
    assert isinstance(done.exception, InputError) and "2 times" in str(done.exception)


def test_without_a_model_and_a_pipeline_the_cure_is_named(tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match="make repro"):
        command._best()
