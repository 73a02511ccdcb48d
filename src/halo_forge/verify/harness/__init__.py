"""Tests that are C or C++ code: in a process of their own where values can cross, beside the answer where not."""
