"""`ctr-serve demo`."""


def demo() -> None: ...
