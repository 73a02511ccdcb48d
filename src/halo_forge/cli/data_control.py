"""What `halo-forge data validate` says of control tokens: names of them in text, and how often they stand in a row."""

from __future__ import annotations

from halo_forge.cli.options import say
from halo_forge.data.rows import Row
from halo_forge.model.chat import Chat
from halo_forge.model.literal import KNOWN_MARKS


def print_control_tokens(rows: list[Row], chat: Chat | None) -> int:
    """Warn of names in text; with a tokenizer also count the tokens of each row. The number of rows with a wrong count.

    A wrong count is a fault of the model's folder that no row can mend: its tokenizer reads text as control tokens, or
    its template and its tokenizer are not of one mind about the token that begins a text.
    """
    named = [(row, found[0]) for row in rows if (found := names_in(row))]
    if named:
        row, name = named[0]
        say(
            f"warning: control tokens are named in the text of {len(named)} of {len(rows)} rows, such as {name!r} in "
            f"{row.place}: here it stays text, but a program that tokenises a rendered `text` reads it as the token"
        )
    if chat is None:
        return 0
    answered = [row for row in rows if row.answer]
    counts = [(row, *chat.marks(row.messages[:-1], row.answer)) for row in answered]
    begun = int(chat.begins_with_bos)
    wrong = [(row, ends, begins) for row, ends, begins in counts if ends != 1 or (begun and begins != begun)]
    for row, ends, begins in wrong[:1]:
        say(
            f"error: {row.place}: {ends} end-of-turn tokens in the answer and {begins} that begin a text; with this "
            f"tokenizer it is so in {len(wrong)} of {len(answered)} rows: its folder is not fit to train on them"
        )
    if answered and not wrong:
        begins = ", one token that begins a text" if begun else ""
        print(f"\ncontrol tokens: in each of {len(answered)} answers one end of turn{begins}")
    return len(wrong)


def names_in(row: Row) -> list[str]:
    """The names of control tokens that a row's turns hold, one a turn. A text row's own marks are not among them."""
    return [found[0] for turn in row.messages if (found := KNOWN_MARKS.search(turn["content"]))]
