"""Marks put into the tests' source, so that a watch (`watch.py`) sees what they checked, whoever swallows a failure.

    for item in f(9):                 a loop whose body checks something tells that it was entered, and that it was left
        assert item
    assert all(ok(x) for x in f(9))   `all` and `not any` tell that there was nothing to look at
    raise AssertionError              a failure is remembered when it is raised
    except AssertionError:            and forgotten where a handler that the tests name by Python's own name takes it;
                                      `except Exception` must judge, with an assert of its own

Only `ast` is imported: this runs outside the box for asserts, inside of it for pytest files.
"""

import ast

WATCH = "_halo"
_RAISES = {"raises", "warns", "deprecated_call", "RaisesGroup"}
_BROAD = {"Exception", "BaseException"}
_DEFINITIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
_FUNCTIONS = (*_DEFINITIONS, ast.Lambda)


class Marker(ast.NodeTransformer):
    """What asserts and pytest files have in common. `tree`: the whole file."""

    def __init__(self, tree):
        self.own = bound(tree)
        """Names that the tests bind themselves."""
        self._helpers = {node.name for node in ast.walk(tree) if isinstance(node, _DEFINITIONS) and _has_checks(node)}
        self._given = _given(tree)
        self._pins = _pinned(tree)
        self._free = False
        self._conditional = False

    def visit_FunctionDef(self, node):  # noqa: N802 - the visitor's protocol
        before = self._pins, self._free, self._conditional
        spec = node.args
        self._free = not (spec.posonlyargs or spec.args or spec.kwonlyargs or spec.vararg or spec.kwarg)
        self._pins, self._conditional = self._pins | _pinned(node), False
        self.generic_visit(node)
        self._pins, self._free, self._conditional = before
        return node

    visit_AsyncFunctionDef = visit_FunctionDef  # noqa: N815

    def visit_If(self, node):  # noqa: N802 - the visitor's protocol
        before, self._conditional = self._conditional, True
        self.generic_visit(node)
        self._conditional = before
        return node

    def visit_For(self, node):  # noqa: N802 - the visitor's protocol
        tested = [inner.test for inner in near(node.body) if isinstance(inner, ast.Assert)]
        if any(_compares(test, node.target) for test in tested):
            self._pair(node.iter)
        return self._loop(node, node.iter, "for %s in %s" % (ast.unparse(node.target), ast.unparse(node.iter)))

    visit_AsyncFor = visit_For  # noqa: N815

    def visit_While(self, node):  # noqa: N802 - the visitor's protocol
        return self._loop(node, node.test, "while %s" % ast.unparse(node.test))

    def _loop(self, node, over, text):
        marked = any(map(self._checks, near(node.body))) and not self._is_pinned(over)
        self.generic_visit(node)
        if not marked:
            return node
        place = "line %d: %s" % (node.lineno, text[:200])
        node.body.insert(0, mark("entered", place))
        return [node, mark("left", place)]

    def _checks(self, node):
        """Whether a statement checks something, or calls a function of the tests' that does."""
        called = isinstance(node, ast.Expr) and isinstance(node.value, ast.Call) and _last(node.value) in self._helpers
        return called or checks(node)

    def visit_Raise(self, node):  # noqa: N802 - the visitor's protocol
        self.generic_visit(node)
        if node.exc is None or self._is_other_error(node.exc):
            return node
        flags = [ast.Constant(self._free), ast.Constant(not self._conditional)]
        node.exc = ast.copy_location(ast.Call(_watch("failing"), [node.exc, *flags], []), node.exc)
        return node

    def _is_other_error(self, error):
        """Whether it is an error of Python's by its name, and no failure."""
        name = getattr(error.func if isinstance(error, ast.Call) else error, "id", "AssertionError")
        return name != "AssertionError" and name in _ERRORS and name not in self.own

    def _seen(self, test):
        """The condition of an assert, with `all` and `not any` as the watch's own where they stand by themselves."""
        if isinstance(test, ast.BoolOp) and isinstance(test.op, ast.And):
            test.values = [self._seen(part) for part in test.values]
            return test
        negated = isinstance(test, ast.UnaryOp) and isinstance(test.op, ast.Not)
        call = test.operand if negated else test
        wanted = "any" if negated else "all"
        if isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.func.id == wanted and call.args:
            over = call.args[0]
            if isinstance(over, (ast.GeneratorExp, ast.ListComp)):
                pair, over = over, over.generators[0].iter
                if not negated and _compares(pair.elt, pair.generators[0].target):
                    self._pair(over)
            if wanted not in self.own and not self._is_pinned(over):
                call.func = ast.copy_location(_watch(wanted), call.func)
        return test

    def _pair(self, over):
        """zip(answer(), expected), where it is compared pair by pair, must not end before `expected` does."""
        if not (isinstance(over, ast.Call) and isinstance(over.func, ast.Name) and over.func.id == "zip"):
            return
        own = [number for number, given in enumerate(over.args) if self._is_given(given)]
        if own and len(own) < len(over.args) and not over.keywords and "zip" not in self.own:
            over.func = ast.copy_location(_watch("zip"), over.func)
            over.args.insert(0, ast.Tuple([ast.Constant(number) for number in own], ast.Load()))

    def _is_given(self, node):
        return isinstance(node, (ast.List, ast.Tuple)) or getattr(node, "id", None) in self._given

    def _is_pinned(self, over):
        return any(ast.dump(part) in self._pins for part in _parts(over))


class FileMarker(Marker):
    """A pytest file: its asserts stay, for pytest to explain. `answers`: modules that are the answer."""

    def __init__(self, tree, name, answers):
        super().__init__(tree)
        self._name, self._answers = name, answers
        self.free_lines = set()
        """Lines of asserts in functions that take nothing."""

    def visit_FunctionDef(self, node):  # noqa: N802 - the visitor's protocol
        checking = _has_checks(node)
        super().visit_FunctionDef(node)
        if checking:
            node.body.insert(ast.get_docstring(node) is not None, mark("has_checks"))
        return node

    visit_AsyncFunctionDef = visit_FunctionDef  # noqa: N815

    def visit_ImportFrom(self, node):  # noqa: N802 - the visitor's protocol
        if node.module in self._answers and not node.level and node.names[0].name == "*":
            return ast.copy_location(mark("star", node.module, tuple(sorted(self.own))), node)
        return node

    def visit_Assert(self, node):  # noqa: N802 - the visitor's protocol
        if is_trap(node):
            words = node.msg or ast.Constant(None)
            error = ast.Call(_watch("trap"), [words, ast.Constant(self._free)], [])
            return ast.copy_location(ast.Raise(error), node)
        if self._free:
            self.free_lines.add(node.lineno)
        place = self._place(node)
        self.generic_visit(node)
        node.test = self._seen(node.test)
        return [node, mark("held", place)]

    def visit_Expr(self, node):  # noqa: N802 - the visitor's protocol
        checking, place = checks(node), self._place(node)
        self.generic_visit(node)
        return [node, mark("held", place)] if checking else node

    def visit_With(self, node):  # noqa: N802 - the visitor's protocol
        checking, place = checks(node), "%s line %d" % (self._name, node.lineno)
        waiting = any(map(self._waits, node.items))
        self.generic_visit(node)
        if waiting:
            node.items.insert(0, ast.withitem(ast.Call(_watch("expecting"), [], [])))
        return [node, mark("held", place)] if checking else node

    visit_AsyncWith = visit_With  # noqa: N815

    def visit_ExceptHandler(self, node):  # noqa: N802 - the visitor's protocol
        forgives = forgiving(node, self.own)
        named = _all_of_python(node, self.own)
        self.generic_visit(node)
        if named:
            node.body.insert(0, mark("caught"))
        if forgives:
            node.body.insert(0, mark("forgive"))
        return node

    def _waits(self, item):
        named = {getattr(node, "id", None) or getattr(node, "attr", None) for node in ast.walk(item.context_expr)}
        return "AssertionError" in named - self.own or {"fail", "Exception"} <= named

    def _place(self, node):
        return "%s line %d: %s" % (self._name, node.lineno, ast.unparse(node)[:200])


class RaiseMarker(ast.NodeTransformer):
    """What pytest has made of the asserts of a file: their failures are remembered too."""

    def __init__(self, free_lines):
        self._free_lines = free_lines

    def visit_Raise(self, node):  # noqa: N802 - the visitor's protocol
        if isinstance(node.exc, ast.Call) and _last(node.exc) == "AssertionError":
            free = ast.Constant(node.lineno in self._free_lines)
            failing = ast.Call(_watch("failing"), [node.exc, free], [])
            node.exc = ast.fix_missing_locations(ast.copy_location(failing, node.exc))
        return node


def mark(method, *values):
    return ast.Expr(ast.Call(_watch(method), [ast.Constant(value) for value in values], []))


def _watch(method):
    return ast.Attribute(ast.Name(WATCH, ast.Load()), method, ast.Load())


def is_trap(node):
    """An assert that can only fail: it stands where no right answer leads."""
    return isinstance(node, ast.Assert) and isinstance(node.test, ast.Constant) and not node.test.value


def checks(node):
    """Whether a statement checks something: an assert, a call of assertEqual and its like, a block that must raise."""
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
        return _last(node.value).startswith("assert") or _last(node.value) in _RAISES
    if isinstance(node, (ast.With, ast.AsyncWith)):
        return any(
            isinstance(item.context_expr, ast.Call)
            and (_last(item.context_expr) in _RAISES or _last(item.context_expr).startswith("assert"))
            for item in node.items
        )
    return isinstance(node, ast.Assert) and not is_trap(node)


def _has_checks(function):
    return any(map(checks, near(function.body)))


def _last(call):
    return getattr(call.func, "attr", None) or getattr(call.func, "id", "")


def near(statements):
    """All nodes below, but for the insides of functions."""
    waiting = list(statements)
    while waiting:
        node = waiting.pop()
        yield node
        if not isinstance(node, _FUNCTIONS):
            waiting.extend(ast.iter_child_nodes(node))


def forgiving(handler, own):
    """Whether a failed assert may end in this handler: AssertionError is named, or the handler judges by itself."""
    named = handler.type.elts if isinstance(handler.type, ast.Tuple) else [handler.type]
    names = {node.id for node in named if isinstance(node, ast.Name)} - own
    if "AssertionError" in names:
        return True
    broad = handler.type is None or names & _BROAD
    return bool(broad) and any(map(judges, near(handler.body)))


def _all_of_python(handler, own):
    """Whether a handler names nothing but Python's own classes."""
    named = handler.type.elts if isinstance(handler.type, ast.Tuple) else [handler.type]
    return all(isinstance(node, ast.Name) and node.id in _ERRORS - own for node in named if node is not None)


def judges(node):
    return (
        checks(node)
        or is_trap(node)
        or isinstance(node, ast.Raise)
        or (isinstance(node, ast.Call) and _last(node) == "fail")
    )


def bound(tree):
    """Every name that is bound anywhere in a file: as a module, by a definition, an assignment, a parameter."""
    names = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load):
            names.add(node.id)
        elif isinstance(node, (ast.Import, ast.ImportFrom)):
            names |= {(alias.asname or alias.name).split(".")[0] for alias in node.names}
        elif isinstance(node, (*_DEFINITIONS, ast.ClassDef)):
            names.add(node.name)
        elif isinstance(node, ast.arg):
            names.add(node.arg)
    return names


def _compares(test, target):
    """Whether a condition has to do with two of the names of a loop at once."""
    targets = {node.id for node in ast.walk(target) if isinstance(node, ast.Name)}
    return len(targets & {node.id for node in ast.walk(test) if isinstance(node, ast.Name)}) > 1


def _given(tree):
    """Names that stand for lists of the tests' own: literal ones, parameters, and what loops over them take out."""
    given, others = set(), set()
    for node in ast.walk(tree):
        if isinstance(node, ast.arg):
            given.add(node.arg)
        elif isinstance(node, (ast.For, ast.AsyncFor, ast.comprehension)):
            given |= {inner.id for inner in ast.walk(node.target) if isinstance(inner, ast.Name)}
        elif isinstance(node, ast.Assign):
            found = given if isinstance(node.value, (ast.List, ast.Tuple)) else others
            found |= {inner.id for target in node.targets for inner in ast.walk(target) if isinstance(inner, ast.Name)}
    return given - others


def _pinned(tree):
    """What the asserts of a function compare as a whole: nothing in it is then what they say that it is."""
    found = set()
    nodes = near(tree.body) if isinstance(tree, (ast.Module, *_DEFINITIONS)) else ()
    for node in nodes:
        if isinstance(node, ast.Assert):
            _pin(node.test, found)
        elif isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
            name, given = _last(node.value), node.value.args
            if name.startswith("assert") and name.endswith("Equal") and "Not" not in name and len(given) >= 2:
                _pin_equal(given[0], given[1], found)
            elif name == "assertFalse" and given:
                found.add(ast.dump(_whole(given[0])))
    return found


def _pin(test, found):
    if isinstance(test, ast.BoolOp) and isinstance(test.op, ast.And):
        for part in test.values:
            _pin(part, found)
    elif isinstance(test, ast.UnaryOp) and isinstance(test.op, ast.Not):
        found.add(ast.dump(_whole(test.operand)))
    elif isinstance(test, ast.Compare) and len(test.ops) == 1 and isinstance(test.ops[0], ast.Eq):
        _pin_equal(test.left, test.comparators[0], found)


def _pin_equal(left, right, found):
    for side, other in ((left, right), (right, left)):
        whole = _whole(side)
        if isinstance(whole, ast.Constant) or _names(whole) & _names(other):
            continue  # a value compared with itself
        found.add(ast.dump(whole))


def _whole(node):
    """x of len(x), sorted(x), set(x) and their like."""
    while (
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id in ("len", "sorted", "set", "list", "tuple", "dict", "sum", "Counter")
        and node.args
    ):
        node = node.args[0]
    return node


def _names(node):
    functions = {id(inner.func) for inner in ast.walk(node) if isinstance(inner, ast.Call)}
    return {inner.id for inner in ast.walk(node) if isinstance(inner, ast.Name) and id(inner) not in functions}


def _parts(node):
    """What a loop goes over: itself, and what zip, enumerate, sorted, .items() and their like take it from."""
    yield node
    if isinstance(node, ast.Call):
        for given in node.args:
            yield from _parts(given)
        if isinstance(node.func, ast.Attribute):
            yield from _parts(node.func.value)


_ERRORS = frozenset(
    name
    for name, kind in vars(__import__("builtins")).items()
    if isinstance(kind, type) and issubclass(kind, BaseException)
)
