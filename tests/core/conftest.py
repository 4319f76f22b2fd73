"""Properties hold at any speed: on a busy machine an example may take its time."""

from hypothesis import settings

settings.register_profile("any-speed", deadline=None)
settings.load_profile("any-speed")
