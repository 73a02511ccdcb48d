"""What is rendered for training is what generation renders, character for character."""

from __future__ import annotations

import dataclasses

import pytest

from halo_forge.data.rows import conversation, parse_row
from halo_forge.data.templates import TEMPLATES, prompt_text, render
from halo_forge.errors import InputError
from halo_forge.model.chat import Chat, fenced
from halo_forge.train.rows import tokenised

PROMPT, ANSWER = "Add {two} numbers.\n\n  Indented <b>.", fenced("int main() {\n    return 0;\n}", "cpp")
# The turns of the published templates of these models, without what they do for tools.
QWEN = (
    "{%- if messages[0]['role'] == 'system' %}{{- '<|im_start|>system\n' + messages[0]['content'] + '<|im_end|>\n' }}"
    "{%- else %}{{- '<|im_start|>system\nYou are Qwen, created by Alibaba Cloud. You are a helpful assistant.<|im_end|>\n' }}"
    "{%- endif %}{%- for message in messages %}{%- if not (loop.first and message.role == 'system') %}"
    "{{- '<|im_start|>' + message.role + '\n' + message.content + '<|im_end|>' + '\n' }}{%- endif %}{%- endfor %}"
    "{%- if add_generation_prompt %}{{- '<|im_start|>assistant\n' }}{%- endif %}"
)
LLAMA = (
    "{{- '<|begin_of_text|>' }}{%- for message in messages %}{{- '<|start_header_id|>' + message['role'] + "
    "'<|end_header_id|>\n\n' + message['content'] | trim + '<|eot_id|>' }}{%- endfor %}"
    "{%- if add_generation_prompt %}{{- '<|start_header_id|>assistant<|end_header_id|>\n\n' }}{%- endif %}"
)


def with_template(chat: Chat, template: str | None, system: str) -> Chat:
    import copy

    tokenizer = copy.deepcopy(chat.tokenizer)
    tokenizer.chat_template = template or chat.tokenizer.chat_template
    if template is LLAMA:
        tokenizer.add_special_tokens({"eos_token": "<|eot_id|>"})
        return Chat(tokenizer, system, tokenizer.convert_tokens_to_ids("<|eot_id|>"))
    return Chat(tokenizer, system, chat.end)


@pytest.mark.parametrize("system", ["", "You are an expert programmer."])
@pytest.mark.parametrize(("name", "template"), [("qwen", QWEN), ("chatml", None), ("llama", LLAMA), ("model", QWEN)])
def test_a_text_is_what_training_sees_and_begins_with_what_generation_is_given(tiny_chat, name, template, system):
    chat = with_template(tiny_chat, template, system)
    text = render(conversation(PROMPT, ANSWER, system), name, chat)
    (row,) = tokenised(chat, [(PROMPT, ANSWER)], 100_000, "test").examples
    assert text == chat.tokenizer.decode(row["input_ids"])
    generated_from = chat.tokenizer.decode(chat.prompt_ids(PROMPT))
    assert text.startswith(generated_from)
    if name != "model":
        assert prompt_text(conversation(PROMPT, None, system), name) == generated_from


@pytest.mark.parametrize("name", TEMPLATES)
def test_a_rendered_text_is_read_back_as_the_same_messages(tiny_chat, name):
    messages = conversation(PROMPT, ANSWER, "You are an expert programmer.")
    row = parse_row("d.jsonl", 1, {"text": render(messages, name, tiny_chat)})
    assert list(row.messages) == messages


@pytest.mark.parametrize("name", TEMPLATES)
def test_a_prompt_without_an_answer_ends_with_its_own_turn(tiny_chat, name):
    text = render(conversation(PROMPT), name, tiny_chat)
    assert text.rstrip("\n").endswith(f"{PROMPT}{'<|eot_id|>' if name == 'llama' else '<|im_end|>'}")


def test_earlier_turns_are_kept(tiny_chat):
    turns = [("user", "one"), ("assistant", "1"), ("user", "two"), ("assistant", "2")]
    messages = [{"role": role, "content": content} for role, content in turns]
    for name in ("chatml", "model"):
        assert render(messages, name, tiny_chat) == (
            "<|im_start|>user\none<|im_end|>\n<|im_start|>assistant\n1<|im_end|>\n"
            "<|im_start|>user\ntwo<|im_end|>\n<|im_start|>assistant\n2<|im_end|>"
        )


def test_the_models_own_system_prompt_stands_where_a_row_has_none(tiny_chat):
    chat = dataclasses.replace(tiny_chat, system_prompt="Be brief.")
    assert "Be brief." in render(conversation("a", "b"), "model", chat)
    assert "Be brief." not in render(conversation("a", "b", "Be long."), "model", chat)


def test_an_unknown_template_is_refused_with_the_known_ones():
    with pytest.raises(InputError, match="qwen, llama, chatml, model"):
        render(conversation("a"), "alpaca")
