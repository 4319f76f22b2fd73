"""`ctr-serve prepare`."""


def prepare() -> None: ...
