"""Templates that the standard headers use themselves, instantiated once while the header is precompiled.

An inline function of <string> that calls a function template leaves that to be instantiated at the end of every
program that includes <string>, called or not: more than half of what compiling with a precompiled header costs. The
language lets a compiler do it where the header ends as well ([temp.point]), so both compilers then make the same
functions of a program, and save the work in the precompiled file. Only which of the library's own templates the object
holds besides, rather than calling them in the library or leaving out what nobody calls, is not always the same.

clang++ has an option for it. g++ has none but takes plugins, so a few lines are compiled into one that gives headers a
pragma. Only precompiling loads it: answers are compiled by the compiler as it was installed. A g++ without plugins
ignores the pragma and takes its time.
"""

from __future__ import annotations

import functools
import os
import subprocess
from pathlib import Path

from halo_forge.cache import unfinished
from halo_forge.verify.sandbox.job import BOX_PATH

PRAGMA = "#pragma halo_forge instantiate\n"
"""The last line of a header that g++ precompiles."""
_CLANG = "-fpch-instantiate-templates"
# The few names are declared here, as the headers of g++ that declare them are another package.
_PLUGIN = """\
struct cpp_reader;
void instantiate_pending_templates(int retries);
void c_register_pragma(const char *space, const char *name, void (*handler)(cpp_reader *));
extern "C" int get_named_event_id(const char *name, int insert);
extern "C" void register_callback(const char *plugin, int event, void (*callback)(void *, void *), void *data);
extern "C" { int plugin_is_GPL_compatible; }

static void instantiate(cpp_reader *) { instantiate_pending_templates(0); }

static void add_pragma(void *, void *) { c_register_pragma("halo_forge", "instantiate", instantiate); }

enum { FIND_ONLY };

extern "C" int plugin_init(void *, void *)
{
    register_callback("halo_forge", get_named_event_id("PLUGIN_PRAGMAS", FIND_ONLY), add_pragma, nullptr);
    return 0;
}
"""


def options(compiler: str, folder: Path, *, clang: bool) -> list[str]:
    """What precompiling is told so that it instantiates; nothing for a compiler that cannot.

    `folder` keeps the plugin of a g++ of this version.
    """
    if clang:
        return [_CLANG] if _reads(compiler, "", _CLANG) else []
    plugin = _plugin(compiler, folder)
    return [f"-fplugin={plugin}"] if plugin else []


@functools.cache
def _plugin(compiler: str, folder: Path) -> Path | None:
    path = folder / "instantiate.so"
    with unfinished(path) as scratch:
        if not path.exists():
            built = scratch / path.name
            command = [compiler, "-x", "c++", "-shared", "-fPIC", "-fno-rtti", "-o", str(built), "-"]
            done = subprocess.run(command, input=_PLUGIN, capture_output=True, text=True, env={"PATH": BOX_PATH})
            if done.returncode != 0:
                return None
            os.replace(built, path)
    # Used, not only loaded: a function that this g++ lacks is not missed before the pragma calls it.
    return path if _reads(compiler, PRAGMA, f"-fplugin={path}") else None


def _reads(compiler: str, text: str, option: str) -> bool:
    """Whether a compiler reads `text` without a word."""
    command = [compiler, option, "-Wall", "-fsyntax-only", "-x", "c++", "-"]
    done = subprocess.run(command, input=text, capture_output=True, text=True, env={"PATH": BOX_PATH})
    return done.returncode == 0 and not done.stderr
