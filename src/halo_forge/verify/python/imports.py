"""Which modules the tests of a task import, and whether there will be any: said before an answer is judged.

In the box are Python's own library and, for pytest files, pytest. One module comes from the answer: `solution`, or the
one module that pytest files import and nobody else has. Whatever else is missing the answer could otherwise supply, and
decide its own tests with it.
"""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from halo_forge.errors import InputError

ANSWER = "solution"
LIBRARIES = frozenset(
    """
    aiohttp attr attrs bs4 cv2 dateutil django faker fastapi flask freezegun frozendict hypothesis httpx jax keras lxml
    matplotlib mock more_itertools networkx nltk numpy pandas parameterized PIL polars psutil pydantic pyspark pytz
    redis requests responses scipy seaborn setuptools sklearn sortedcontainers sqlalchemy sympy tabulate tensorflow
    torch tornado tqdm typing_extensions urllib3 yaml
    """.split()  # noqa: SIM905 - a list of them would be one name a line
)
"""Modules that are never an answer's, though tests may import nothing else that is missing."""
USUAL_NAMES = {"np": "numpy", "pd": "pandas", "plt": "matplotlib", "pytest": "pytest"}
USUAL_NAMES |= {name: name for name in LIBRARIES}
"""What tests call a library, though they may have forgotten to import it."""
TAKEN = {"approx": "pytest", "allclose": "numpy", "array_equal": "numpy", "assert_allclose": "numpy"}
"""What tests take from one without saying so."""
_DYNAMIC = ("import_module", "__import__")
_CATCH_MISSING = {"ImportError", "ModuleNotFoundError", "Exception", "BaseException"}


def answer_modules(files: Mapping[str, str], task_id: str, entry_point: str | None, library: Path) -> list[str]:
    """The modules, all of one top name, that pytest files take from the answer.

    Raises InputError if they import what neither the task nor the box has.
    """
    places = [name.removesuffix(".py").split("/") for name in files]
    own = {part for place in places for part in (place[0], place[-1])}  # a helper beside the tests has no folder
    known = sys.stdlib_module_names | own | {path.name.split(".")[0] for path in library.iterdir()}
    asked: dict[str, bool] = {}
    where: dict[str, str] = {}
    for name, text in files.items():
        if name.endswith(".py"):
            for module, needed, line in imported(_tree(text, f"{task_id}: {name}")):
                if module.split(".")[0] not in known:
                    asked[module] = asked.get(module, False) or needed
                    where.setdefault(module.split(".")[0], f"tests.files[{name!r}] line {line}")
    tops = sorted({module.split(".")[0] for module, needed in asked.items() if needed})
    answer = _answer(tops, [*asked], "\n".join(files.values()), entry_point)
    for top in tops:
        if top != answer:
            raise missing(task_id, where[top], top)
    return sorted({ANSWER, *(module for module in asked if module.split(".")[0] == answer)})


def _answer(needed: list[str], asked: list[str], text: str, entry_point: str | None) -> str:
    candidates = [top for top in needed if top not in LIBRARIES]
    if ANSWER in {module.split(".")[0] for module in asked} or re.search(rf"""["']{ANSWER}["'.]""", text):
        return ANSWER
    if len(candidates) == 1:
        return candidates[0]
    return entry_point if entry_point in candidates else ANSWER


def missing(task_id: str, where: str, module: str) -> InputError:
    return InputError(
        f"{task_id}: {where}: the module {module!r} is not in the sandbox, and not one of the task's; the sandbox has "
        f"Python's own library and, for pytest files, pytest; call the answer's module {ANSWER!r}, write the test "
        "without the module, or leave the task out"
    )


def imported(tree: ast.AST) -> Iterator[tuple[str, bool, int]]:
    """(module, whether the tests cannot do without, line) of every import of a module by its full name."""
    yield from _imported(tree, True)


def _imported(node: ast.AST, needed: bool) -> Iterator[tuple[str, bool, int]]:
    if isinstance(node, ast.Import):
        yield from ((alias.name, needed, node.lineno) for alias in node.names)
    elif isinstance(node, ast.ImportFrom):
        if not node.level and node.module:
            yield node.module, needed, node.lineno
    elif isinstance(node, ast.Call) and _name(node.func) in _DYNAMIC:
        module = getattr(node.args[0], "value", None) if node.args else None
        if isinstance(module, str):
            yield module, needed, node.lineno
    guarded = node.body if _does_without(node) else ()
    for child in ast.iter_child_nodes(node):
        yield from _imported(child, needed and not any(child is other for other in guarded))


def _does_without(node: ast.AST) -> bool:
    """Whether what stands in this block may fail to be imported."""
    if isinstance(node, ast.Try):
        return any(map(_catches_missing, node.handlers))
    if isinstance(node, ast.With):
        return any(_name(item.context_expr) == "suppress" for item in node.items)
    return isinstance(node, ast.If) and _name(node.test) == "TYPE_CHECKING"


def _catches_missing(handler: ast.ExceptHandler) -> bool:
    if handler.type is None:
        return True
    return bool({node.id for node in ast.walk(handler.type) if isinstance(node, ast.Name)} & _CATCH_MISSING)


def _name(node: ast.AST) -> str | None:
    """The last word of what is called or looked at: `raises` of `pytest.raises(…)`."""
    if isinstance(node, ast.Call):
        return _name(node.func)
    return node.attr if isinstance(node, ast.Attribute) else getattr(node, "id", None)


def unknown_modules(tree: ast.AST) -> Iterable[tuple[str, int]]:
    """(top name, line) of what asserts import, though there is only Python's own library and the answer."""
    for module, needed, line in imported(tree):
        top = module.split(".")[0]
        if needed and top != ANSWER and top not in sys.stdlib_module_names:
            yield top, line


def _tree(text: str, where: str) -> ast.Module:
    try:
        return ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        line = getattr(error, "lineno", None)
        words = getattr(error, "msg", error)
        raise InputError(f"{where}: line {line}: {words}; mend the tests of this task") from error
