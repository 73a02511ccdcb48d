"""The Modelfile's template writes what the model's own chat template writes, or is left out."""

from __future__ import annotations

import json
import shutil
import subprocess
from types import SimpleNamespace

import pytest
from tiny import TEMPLATE

from halo_forge.export.modelfile import go_template, modelfile
from halo_forge.export.sampling import Sampling
from halo_forge.export.turns import turns_of

SMOLLM = (
    "{% for message in messages %}{% if loop.first and messages[0]['role'] != 'system' %}{{ '<|im_start|>system\n"
    "You are SmolLM.<|im_end|>\n' }}{% endif %}{{'<|im_start|>' + message['role'] + '\n' + message['content'] + "
    "'<|im_end|>' + '\n'}}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)
LLAMA = (  # a begin of the text, other marks, and no default
    "{{ '<|endoftext|>' }}{% for m in messages %}{{ '<|im_start|>' + m['role'] + '<|x|>\n\n' + m['content'] | trim + "
    "'<|im_end|>' }}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant<|x|>\n\n' }}{% endif %}"
)
BRACES = TEMPLATE.replace("<|im_start|>' + message", "<|im_start|>{{' + message")
# What no sequence of turns says: only the last user turn is marked; the system turn inside the user's.
LAST_ONLY = TEMPLATE.replace("+ message['content']", "+ ('/last ' if loop.last else '') + message['content']")
INSIDE = (
    "{% for m in messages %}{% if m['role'] == 'system' %}{% else %}{{ '<|im_start|>' + (messages[0]['content'] if "
    "messages[0]['role'] == 'system' and loop.index0 == 1 else '') + m['content'] + '<|im_end|>' }}{% endif %}"
    "{% endfor %}"
)
CONVERSATION = [
    {"role": role, "content": f"{role} says\n{{{{ {number} }}}}"}
    for number, role in enumerate(("system", "user", "assistant", "user"))
]
SAMPLING = Sampling(0.7, 50, 1.0, 99)


def chat_with(tiny_chat, template: str, system_prompt: str = ""):
    def rendered(messages, **options):
        return tiny_chat.tokenizer.apply_chat_template(messages, chat_template=template, **options)

    tokenizer = SimpleNamespace(apply_chat_template=rendered, decode=tiny_chat.tokenizer.decode)
    return SimpleNamespace(tokenizer=tokenizer, system_prompt=system_prompt, end=tiny_chat.end)


def by_template(chat, messages) -> str:
    return chat.tokenizer.apply_chat_template(messages, add_generation_prompt=True, tokenize=False)


@pytest.mark.parametrize("template", [TEMPLATE, SMOLLM, LLAMA, BRACES])
def test_turns_put_together_are_what_the_template_writes(tiny_chat, template) -> None:
    chat = chat_with(tiny_chat, template)
    assert turns_of(chat).render(CONVERSATION) == by_template(chat, CONVERSATION)


def test_what_the_template_says_by_itself_becomes_the_system_prompt(tiny_chat) -> None:
    turns = turns_of(chat_with(tiny_chat, SMOLLM))
    assert turns.system == "You are SmolLM."
    assert turns_of(chat_with(tiny_chat, SMOLLM, "Be brief.")).system == "Be brief."
    assert turns_of(chat_with(tiny_chat, TEMPLATE)).system == ""


@pytest.mark.parametrize("template", [LAST_ONLY, INSIDE])
def test_no_template_is_written_for_what_is_no_sequence_of_turns(tiny_chat, template) -> None:
    assert turns_of(chat_with(tiny_chat, template)) is None
    assert "TEMPLATE" not in modelfile("x.gguf", None, "<|im_end|>", SAMPLING, None)


GO = """package main

import ("os"; "text/template"; "encoding/json")

func main() {
    var given struct { Template string; Messages []struct { Role, Content string } }
    if err := json.NewDecoder(os.Stdin).Decode(&given); err != nil { panic(err) }
    if err := template.Must(template.New("").Parse(given.Template)).Execute(os.Stdout, given); err != nil { panic(err) }
}
"""


@pytest.mark.slow
@pytest.mark.skipif(not shutil.which("go"), reason="go is not installed: apt install golang")
@pytest.mark.parametrize("template", [TEMPLATE, SMOLLM, LLAMA, BRACES])
def test_gos_own_templates_write_the_same(tiny_chat, template, tmp_path) -> None:
    (tmp_path / "main.go").write_text(GO)
    chat = chat_with(tiny_chat, template)
    given = {"Template": go_template(turns_of(chat)), "Messages": CONVERSATION}
    command = ["go", "run", str(tmp_path / "main.go")]
    done = subprocess.run(command, input=json.dumps(given), capture_output=True, text=True, check=True)
    assert done.stdout == by_template(chat, CONVERSATION)
