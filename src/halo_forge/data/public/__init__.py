"""Public data sets: one YAML file each in this folder, and the functions that read their columns."""
