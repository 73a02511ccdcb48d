"""The Modelfile by which `ollama create` makes a model of an export: weights, template, stop token, sampling.

Ollama's own defaults draw otherwise than the benchmark did: above all it punishes repetition (1.1), which programs are
full of. So each of its settings that decides what is drawn is written.
"""

from __future__ import annotations

import dataclasses

from halo_forge.export.sampling import Sampling
from halo_forge.export.turns import ROLES, Turns, turns_of
from halo_forge.model.chat import Chat


def modelfile(weights: str, turns: Turns | None, stop: str, sampling: Sampling, license_id: str | None) -> str:
    """The text of a Modelfile beside `weights`, a GGUF file or `.` for the folder with safetensors.

    Without `turns` there is no TEMPLATE: Ollama then goes by the Jinja template in the file, if it knows it.
    """
    lines = [f"FROM {weights if weights == '.' else './' + weights}"]
    if turns:
        lines.append(f'TEMPLATE """{go_template(turns)}"""')
        if turns.system:
            lines.append(f'SYSTEM """{turns.system}"""')
    settings = {
        "stop": f'"{stop}"',
        "temperature": f"{sampling.temperature:g}",
        "top_k": sampling.top_k,
        "top_p": f"{sampling.top_p:g}",
        "min_p": 0,
        "repeat_penalty": 1,
        "num_predict": sampling.max_new_tokens,
    }
    lines += [f"PARAMETER {name} {value}" for name, value in settings.items()]
    if license_id:
        lines.append(f'LICENSE """{license_id}"""')
    return "\n".join(lines) + "\n"


def ollama_turns(chat: Chat) -> Turns | None:
    """`turns_of` a chat, without the token that begins a text where the tokenizer puts it there by itself."""
    turns = turns_of(chat)
    doubled = turns and chat.begins_with_bos and turns.begin == chat.tokenizer.bos_token
    return dataclasses.replace(turns, begin="") if doubled else turns


def go_template(turns: Turns) -> str:
    """`turns` in the language of Go's text/template, over Ollama's .Messages."""
    branches = [
        f'{{{{ {"if" if number == 0 else "else if"} eq .Role "{role}" }}}}{pre}{{{{ .Content }}}}{post}'
        for number, role in enumerate(ROLES)
        for pre, post in [map(_text, turns.around[role])]
    ]
    return _text(turns.begin) + "{{ range .Messages }}" + "".join(branches) + "{{ end }}{{ end }}" + _text(turns.header)


def _text(text: str) -> str:
    """Text that no template takes for its own: braces are printed as values."""
    return text.replace("{{", '{{ "{{" }}')
