"""Whether a statement takes more than one answer for right, which comparing with one expected output cannot judge.

By the phrases that statements use where they speak of what is to be printed. Phrases that say "any" of something else
("if any of them is even", "edges in any order", "letters in any case") are not these, and neither is a statement that
says which of several answers is wanted.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from halo_forge.records import CallTests, StdioTests, Task

REASON = "more than one answer is right, and there is no checker"

_WORDS = {
    "print": "(?:print|output|return|report|display|write(?: down)?|give|provide|produce|construct|submit)",
    "printed": "(?:printed|output(?:ted)?|returned|reported|displayed|written|given|listed)",
    "choose": "(?:choose|pick|select|find|take)",
    "answer": (
        "(?:answer|solution|output|result|way|construction|configuration|arrangement|assignment|permutation|partition|"
        "array|sequence|subsequence|subset|set|string|word|matrix|grid|graph|tree|path|cycle|route|plan|schedule|pair|"
        "triple|triplet|tuple|number|integer|value|index|position|point|vertex|edge|colou?ring|representation|"
        "possibility|option|variant|list|order|ordering|combination|strategy|table|pattern|example)(?:s|es)?"
    ),
    "valid": "(?:valid|correct|possible|suitable|appropriate|acceptable|optimal|right|feasible|such|good|proper)",
    "several": "(?:several|multiple|many|more than one|two or more|different|various|numerous)",
    "any": "(?:any|an arbitrary|arbitrary)",
    "them": "(?:them|these|those|the|such)",
    "accepted": (
        "(?:accepted|acceptable|allowed|ok|okay|fine|considered (?:as )?(?:correct|right)|judged (?:as )?correct|"
        "treated as correct|counted as correct)"
    ),
    "may": "(?:(?:you|we) )?(?:are allowed to |are free to |may |can |should |could |must |need to |have to )?",
    "then": "(?:(?:then|just|please|simply|only|so|and|it is enough to|it suffices to) )*",
    "no": "(?<!not )(?<!n't )(?<!never )(?<!without )(?<!cannot )(?<!to be )",
    "end": r"(?=\s*(?:[.!;:,)]|$))",
}
_PHRASES = (
    # Print any of them; output any; return any valid permutation; print an arbitrary integer x such that …
    r"<no>\b<print> <any>(?: one)? of <them>\b",
    r"<no>\b<print> (?:any|an arbitrary)(?: single)?(?: one)?<end>",
    r"<no>\b<print> <any>(?: one)?(?: \w+)? <valid>(?: \w+){0,2} <answer>\b",
    r"<no>\b<print> (?:any|an arbitrary)(?: \w+)? <answer>"
    r"(?=(?: \S+){0,4} (?:that|which|such|satisfying|with|for which|of them)\b)",
    r"<no>\b<print> (?:any|an arbitrary) (?:answer|solution)s?<end>",
    r"<no>\b<print> either(?: one)?(?: of them| of these| answer| solution)?<end>",
    # If there are several answers, you may print any of them, or one of them.
    r"\b<several>\b[^.!?]{0,120}?[ ,;:]<then><may><then><print>"
    r" (?:any|an arbitrary|arbitrary|one|just one|either|only one)"
    r"(?: one)?(?: of <them>\b|<end>| <valid>\b)",
    r"\b<several>(?: \w+){0,3} <answer>\b[^.!?]{0,100}?[,;:] ?<then><may><then><choose> <any>"
    r"(?: one)?(?: of <them>\b|<end>)",
    r"\b(?:answer|solution|output|result)s? (?:is|are|may be|might be|need) not (?:be )?(?:necessarily )?unique\b"
    r"[^!?]{0,80}?\b<any>\b",
    # Any valid answer will be accepted; all correct answers are fine; the checker accepts any of them.
    r"\b(?:any|all|every|each)(?: one)?(?: other)?(?: (?:\w+ )?<valid>){0,3} <answer>"
    r"(?: (?:that|which|satisfying|meeting) [^.,]{1,60}?)?"
    r" (?:is|are|will be|would be|shall be|may be|can be)(?: also)? <accepted>\b",
    r"\b(?:any|all|each|either)(?: one)? of (?:them|these|those) (?:is|are|will be|would be)(?: also)? <accepted>\b",
    r"\b(?:we|the (?:judge|checker|grader|system)) (?:will )?accepts? (?:any|all|every)\b",
    r"\b<several> (?:\w+ )?(?:answers|solutions|outputs) (?:are|will be|may be) <accepted>\b",
    r"\b(?:special|custom) (?:judge|checker)\b",
    # Find any suitable sequence, where that is the task.
    r"(?:^|[.!?:,;] |(?<!able )(?<!possible )\bto |\bmust |\bshould |\bplease )find any(?: one)?"
    r"(?: of (?:them|these|those)\b|(?: \w+)? <valid>(?: \w+)? <answer>\b)",
    r"[,;] (?:please )?find any(?: one)?<end>",
    # The order of what is printed.
    r"\b<print>"
    r"(?! (?:the )?(?:number|minimum|maximum|count|total|sum|length|minimal|maximal|smallest|largest|whether)\b)"
    r"(?: (?!(?:if|when|which|can|could|may|number|ways|who|where|whose)\b)[^\s.;:!?]+){0,12},? in <any> order\b",
    r"\b(?:can|may|could|should|must|are allowed to) be <printed>(?: \w+){0,3} in <any> order\b",
    r"\b(?:output|answer)s? (?:is|are|can be|may be)(?: \w+)? in <any> order\b",
    r"\border (?:of|in)(?: \w+){0,5} (?:outputs?|answers?|printed|print|output lines)\b(?: \w+){0,3}"
    r" (?:does not matter|doesn't matter|is not important|is arbitrary)\b",
)


def _compiled() -> re.Pattern[str]:
    text = "|".join(f"(?:{phrase})" for phrase in _PHRASES)
    return re.compile(re.sub(r"<(\w+)>", lambda name: _WORDS.get(name[1], name[0]), text), re.I)


_ASKED = _compiled()
_LAYOUT = re.compile(r"[*_`]+|\\(?:textit|textbf|text|emph)\b|[{}]|</?[A-Za-z][^<>]{0,120}>")


def asks_for_any(statement: str) -> str | None:
    """The words by which a statement takes several answers for right; None if it does not seem to."""
    found = _ASKED.search(_plain(statement))
    return found[0].strip(" .:;,!?") if found else None


def lacks_checker(task: Task) -> bool:
    """Whether a task's statement takes several answers for right, while its tests know one output or value a case."""
    return isinstance(task.tests, StdioTests | CallTests) and asks_for_any(task.prompt) is not None


def warning(places: Sequence[str]) -> str:
    """What is to be said of rows that `lacks_checker` and are kept, by where they stand."""
    return (
        f"rows that take any of several answers for right and have no checker: {len(places)}, the first {places[0]}; "
        "other right answers than the expected ones will be judged wrong: give tests of kind checker, or --mapping "
        "checker=COLUMN"
    )


def _plain(statement: str) -> str:
    """In one line, without marks of layout; a paragraph ends a sentence."""
    lines = [" ".join(line.split()) for line in _LAYOUT.sub("", statement.replace("\u2019", "'")).splitlines()]
    ended = [line if line else "." for line in lines]
    return " ".join(ended).replace(" .", ".")
