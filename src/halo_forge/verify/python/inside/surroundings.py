"""What the tests change around the answer: names of the standard library that they replace, the environment, the seed.

In one process the answer would see it; in two, each change is done over there too.
"""

import os
import sys
import types

_KEPT = {"stdout", "stderr", "modules", "path", "meta_path", "path_hooks", "path_importer_cache", "flags", "last_type"}
_KEPT |= {"last_value", "last_traceback", "last_exc", "__stdout__", "__stderr__", "__stdin__", "displayhook"}
_KEPT |= {"excepthook", "unraisablehook", "tracebacklimit", "dont_write_bytecode", "_"}
"""Names of sys that pytest and redirect_stdout change for this process alone."""


def asked(text):
    """What of the surroundings the tests may change, by their words; worked out outside of the box, once a task."""
    import re

    modules = set(re.findall(r"[A-Za-z_]\w*", text)) & sys.stdlib_module_names - {"this", "antigravity", "idlelib"}
    return {
        "modules": sorted(modules),
        "replaces": re.search(r"\bsetattr\b|\bpatch\b|\b[a-z_]+\.\w+ *=[^=]", text) is not None,
        "environ": "env" in text,
        "folder": "chdir" in text,
        "seed": "seed" in text,
        "recursion": "setrecursionlimit" in text,
    }


class Surroundings:
    """`ask` is the line's; `wanted` what `asked` says."""

    def __init__(self, ask, wanted):
        self.ask = ask
        self.replaced = {}  # (module, name) -> what was there
        self.environ = dict(os.environ) if wanted["environ"] else None
        self.folder = os.getcwd() if wanted["folder"] else None
        self.recursion = sys.getrecursionlimit() if wanted["recursion"] else None
        for name in wanted["modules"] if wanted["replaces"] else ():
            self._watch(name)
        if wanted["seed"]:
            self._watch_seed()

    def before_call(self):
        """Tell what has changed of what nothing reports."""
        if self.environ is not None and self.environ != os.environ:
            self.environ = dict(os.environ)
            self.ask("environ", {name: value for name, value in self.environ.items() if name[:6] != "PYTEST"})
        if self.folder is not None and os.getcwd() != self.folder:
            self.folder = os.getcwd()
            self.ask("chdir", self.folder)
        if self.recursion is not None and sys.getrecursionlimit() != self.recursion:
            self.recursion = sys.getrecursionlimit()
            self.ask("recursion", self.recursion)

    def _watch(self, name):
        module = sys.modules.get(name)
        if module is None:
            try:
                module = __import__(name)
            except ImportError:
                return
        if type(module) is not types.ModuleType:
            return
        surroundings = self

        class Watched(types.ModuleType):
            def __setattr__(self, name, value):
                before = vars(self).get(name)
                super().__setattr__(name, value)
                surroundings._replace(module, name, before, value)

        Watched.__name__ = Watched.__qualname__ = "module"
        module.__class__ = Watched

    def _replace(self, module, name, before, value):
        if name[:2] == "__" or module is sys and name in _KEPT:
            return
        place = module.__name__, name
        original = self.replaced.setdefault(place, before)
        if value is original:
            self.ask("unpatch", *place)
            return
        try:
            self.ask("patch", *place, value)
        except TypeError:
            self.ask("unpatch", *place)  # it is not for the answer, such as what pytest reads from

    def _watch_seed(self):
        import random

        seed = random.seed

        def seeded(*arguments, **keywords):
            seed(*arguments, **keywords)
            self.ask("seed", *arguments)

        vars(random)["seed"] = seeded
