"""The one place where it is decided which version answers a request."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from app.errors import FieldError, InvalidRequest, StartupRefused, UnknownModel, UnknownVersion
from app.registry.labels import Labels
from app.registry.rollout.user_split import UserSplit
from app.registry.servable import Servable
from app.registry.version_states import VersionKey

SHIPPED_DEMO = "demo"


@dataclass(frozen=True, slots=True)
class Canary:
    """A version that is not active, and the users that it answers all the same."""

    servable: Servable
    split: UserSplit


class ServedModels:
    """The active version of every model, by name, and others that a request can ask for."""

    def __init__(self, servables: Mapping[str, Servable], *, default: str | None) -> None:
        self.servables = dict(servables)
        self.loaded = {servable.key: servable for servable in servables.values()}
        self.labels: dict[str, Labels] = {}  # of a model
        self.default = default
        self.canaries: dict[str, Canary] = {}
        self.on_swap: Callable[[str], None] | None = None  # told the name of a model
        self._stopping = False

    def serve(self, servable: Servable) -> None:
        """From now on for every new request; whoever holds the one before is scored by that."""
        name = servable.version.manifest.name
        self.servables[name] = servable
        self.canaries.pop(name, None)  # it was compared with the one before
        if self.on_swap is not None:
            self.on_swap(name)

    def route(self, model: str | None, user_id: str = "") -> Servable:
        """Decided once per request, which holds it until it is answered.

        `model`: NAME, or NAME@VERSION or NAME@LABEL of a version that is loaded.
        Raises UnknownModel, UnknownVersion or InvalidRequest.
        """
        name, at, chosen = self._name_of(model).partition("@")
        if at:
            return self._chosen(name, chosen)
        if name in self.canaries and self.canaries[name].split.takes(user_id):
            return self.canaries[name].servable
        return self.active(name)

    def active(self, model: str | None) -> Servable:
        """What answers all users but those of a canary. Raises UnknownModel or InvalidRequest."""
        name = self._name_of(model)
        try:
            return self.servables[name]
        except KeyError:
            raise UnknownModel(f"no model {name!r} is served here") from None

    def has_label(self, key: VersionKey) -> bool:
        return key.version in self.labels.get(key.name, {}).values()

    def _chosen(self, name: str, chosen: str) -> Servable:
        if name not in self.servables:
            raise UnknownModel(f"no model {name!r} is served here")
        version = self.labels.get(name, {}).get(chosen, chosen)
        try:
            return self.loaded[VersionKey(name, version)]
        except KeyError:
            raise UnknownVersion(
                f"no version of {name} with the number or label {chosen!r} is loaded here"
            ) from None

    def _name_of(self, model: str | None) -> str:
        name = model or self.default
        if name is None:
            served = ", ".join(sorted(self.servables))
            raise InvalidRequest(
                [FieldError("model", f"several models are served, choose one of {served}")]
            )
        return name

    def is_ready(self) -> bool:
        """A servable exists only loaded, self-tested and warm."""
        return bool(self.servables) and not self._stopping

    def stop(self) -> None:
        """Not ready any more, whatever becomes of the servables."""
        self._stopping = True


def choose_default(active: Mapping[str, str], configured: str | None) -> str | None:
    """The model for requests that name none; None where that would be a guess.

    Raises StartupRefused when nothing can be served or the configured one is not among them.
    """
    if not active:
        raise StartupRefused(
            "the model store (CTR_MODEL_STORE) has no active model: train one, or activate a "
            "version, `ctr-serve models activate NAME@VERSION`"
        )
    if configured is not None:
        if configured not in active:
            served = ", ".join(sorted(active))
            raise StartupRefused(f"CTR_DEFAULT_MODEL={configured}, but the store serves: {served}")
        return configured
    # The shipped demo steps aside for the first model of one's own.
    names = [name for name in active if name != SHIPPED_DEMO] or [SHIPPED_DEMO]
    return names[0] if len(names) == 1 else None
