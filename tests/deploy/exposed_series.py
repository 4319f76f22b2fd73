"""What `/metrics` exposes, and what is wrong with an expression that asks for it."""

from dataclasses import dataclass
from functools import cache

from prometheus_client import CollectorRegistry, Counter
from prometheus_client.metrics import MetricWrapperBase

from app.api.probe_routes import probe_router
from app.api.problem import SHED_STATUSES
from app.api.rank_routes import rank_router
from app.errors import CtrError
from app.monitoring.histograms import Histogram
from app.monitoring.metrics import Metrics
from tests.deploy.promql import NotPromql, selectors

TARGET_LABELS = frozenset({"job", "instance"})  # every scraped series gets them
SUFFIXES = {"counter": ("_total",), "histogram": ("_bucket", "_sum", "_count"), "gauge": ("",)}
# The process collector finds these on Linux only.
PROCESS = {
    "process_resident_memory_bytes": "gauge",
    "process_virtual_memory_bytes": "gauge",
    "process_cpu_seconds": "counter",
    "process_start_time_seconds": "gauge",
    "process_open_fds": "gauge",
    "process_max_fds": "gauge",
}


@dataclass(frozen=True, slots=True)
class Family:
    """One metric under the name that the documentation uses."""

    name: str
    type: str
    labels: frozenset[str]
    edges: frozenset[float] = frozenset()

    @property
    def exposed_name(self):
        return f"{self.name}_total" if self.type == "counter" else self.name


@dataclass(frozen=True, slots=True)
class Series:
    """One name that an expression can select."""

    labels: frozenset[str]
    only_grows: bool
    edges: frozenset[float]


@cache
def families():
    metrics = Metrics()
    own = [
        item for item in vars(metrics).values() if isinstance(item, MetricWrapperBase | Histogram)
    ]
    found = {family.name: family for family in map(_own_family, own)}
    for name, kind in PROCESS.items():
        found[name] = Family(name, kind, frozenset())
    for family in metrics.registry.collect():
        if family.name not in found:
            labels = frozenset(label for sample in family.samples for label in sample.labels)
            found[family.name] = Family(family.name, family.type, labels)
    return tuple(found.values())


@cache
def exposed_series():
    # Prometheus itself adds `up` to every target.
    found = {"up": Series(TARGET_LABELS, only_grows=False, edges=frozenset())}
    for family in families():
        for suffix in SUFFIXES[family.type]:
            labels = family.labels | TARGET_LABELS | ({"le"} if suffix == "_bucket" else set())
            only_grows = family.type != "gauge"
            found[family.name + suffix] = Series(frozenset(labels), only_grows, family.edges)
    return found


@cache
def routes():
    # Only the paths are read, so there is nothing behind them.
    routers = (probe_router(CollectorRegistry(), lambda: True), rank_router(None))
    return frozenset(route.path for router in routers for route in router.routes)


def shed_reasons():
    """The slugs of every error that counts as shed."""
    return frozenset(
        error.title.lower().replace(" ", "-")
        for error in _descendants(CtrError)
        if error.status in SHED_STATUSES
    )


def problems(expression):
    """Why the expression would show nothing, or nonsense; none for a sound one."""
    try:
        found = selectors(expression)
    except NotPromql as error:
        return [str(error)]
    return [problem for selector in found for problem in _problems_of(selector)]


def _problems_of(selector):
    series = exposed_series().get(selector.name)
    if series is None:
        return [f"{selector.name} is not exposed"]
    asked = {label for label, _, _ in selector.matchers}.union(*selector.kept_labels)
    unknown = [f"{selector.name} has no label {label}" for label in sorted(asked - series.labels)]
    return [*unknown, *_use_problems(selector, series), *_value_problems(selector, series)]


def _use_problems(selector, series):
    around = selector.inside[-1] if selector.inside else None
    if series.only_grows and (around not in {"rate", "increase"} or selector.window is None):
        yield f"{selector.name} only grows: it needs a rate or an increase over a window"
    if not series.only_grows and (selector.window is None) == (around == "changes"):
        yield f"{selector.name} is a gauge: a window needs changes(), and changes() a window"
    if not series.only_grows and around in {"rate", "increase"}:
        yield f"{selector.name} is a gauge: it has no rate"
    keeps_edges = all("le" in kept for kept in selector.kept_labels)
    has_edges = selector.name.endswith("_bucket")
    if "histogram_quantile" in selector.inside and not (has_edges and keeps_edges):
        yield f"{selector.name}: a quantile needs buckets, kept apart by le"


def _value_problems(selector, series):
    for label, operator, value in selector.matchers:
        known = _known_values(selector.name, label)
        wanted = value.split("|") if operator in {"=~", "!~"} else [value]
        if known is not None and not known.issuperset(wanted):
            yield f"{selector.name}: {label} is never {value}"
        if label == "le" and float(value) not in series.edges:
            yield f"{selector.name} has no bucket that ends at {value}"


def _known_values(name, label):
    if label == "route":
        return routes()
    if (name, label) == ("ctr_shed_total", "reason"):
        return shed_reasons()
    return None


def _own_family(collector):
    family = next(iter(collector.describe()))
    if isinstance(collector, Histogram):
        labels, edges = frozenset(collector.label_names), frozenset(collector.bounds)
        return Family(family.name, "histogram", labels, edges)
    kind = "counter" if isinstance(collector, Counter) else "gauge"
    return Family(family.name, kind, frozenset(collector._labelnames), frozenset())


def _descendants(error):
    for child in error.__subclasses__():
        yield child
        yield from _descendants(child)
