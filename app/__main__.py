"""`python -m app` is the same as `ctr-serve`."""

from app.cli import main

main()
