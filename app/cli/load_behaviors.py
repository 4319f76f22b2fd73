"""`ctr-serve load_behaviors`."""


def load_behaviors() -> None: ...
