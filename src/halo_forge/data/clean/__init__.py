"""Good data from bad: duplicates, copies of benchmark problems, references that fail their own tests."""
