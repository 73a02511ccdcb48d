"""What goes into the box of another project's grader, and what comes out: read from stdin, said on stdout.

A question holds the program, the tests, and a text that nobody can guess, with which the answer begins: a program that
prints shares the stdout of a grader that runs it in its own process.
"""

import marshal
import os
import sys


def read():
    """The question; the packages that it names can be imported from then on."""
    question = marshal.load(sys.stdin.buffer)
    sys.path.insert(1, question["packages"])  # before what is installed beside the interpreter
    os.environ["HOME"] = "/tmp"
    return question


def answer(question, accepted):
    os.write(1, f"\n{question['nonce']} {'accepted' if accepted else 'refused'}\n".encode())
