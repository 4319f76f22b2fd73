"""Which functions belong to which stage of a request."""

from app.api import rank_routes
from app.api.request_context import RequestRecorder
from app.api.shortcut import Shortcut
from app.features.coalescing import CoalescedReader
from app.features.feature_reader import FeatureReader
from app.inference.batcher import Batcher
from app.inference.fused.native_workers import NativeWorkers
from app.ranking import ranker
from app.registry.loaded_version import LoadedVersion
from app.registry.servable import Servable
from bench.cpu_meter import CpuMeter

STAGES = (
    *("parse", "features", "hand-over", "encode", "rank", "render"),
    *("log, metrics", "framework"),
)


def meter_stages(meter: CpuMeter) -> None:
    """Before any of these objects is built."""
    meter.functions("parse", rank_routes, "parse_rank_body")
    meter.coroutines("features", FeatureReader, "read")
    meter.coroutines("features", CoalescedReader, "_read_waiting")
    meter.coroutines("hand-over", Servable, "score")
    meter.functions("hand-over", Batcher, "_start")
    meter.functions("hand-over", NativeWorkers, "_finish")
    meter.functions("encode", LoadedVersion, "prepare")
    meter.functions("rank", ranker, "assemble")
    meter.functions("render", rank_routes, "answer_json")
    meter.functions("log, metrics", ranker.Ranker, "_count")
    meter.functions("log, metrics", RequestRecorder, "finish")
    meter.coroutines("framework", Shortcut, "_answer")
