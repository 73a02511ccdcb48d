"""Verifiers: whether an answer compiles, runs and prints what it should, judged from outside a sandbox."""
