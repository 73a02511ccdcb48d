"""`python -m halo_forge …` is `halo-forge …`."""

from halo_forge.cli import main

main()
