"""`python -m halo_forge …` is `halo-forge …`."""

from halo_forge.cli.main import main

main()
