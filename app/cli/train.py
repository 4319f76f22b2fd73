"""`ctr-serve train`."""


def train() -> None: ...
