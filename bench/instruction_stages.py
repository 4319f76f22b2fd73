"""What of a request is counted apart: functions that can be called again as they were called.

Those that are not here change what they depend on, or wait: reading Redis, admission, the hand-over
to the engine. Adding to counters and to a log takes as much the second time.
"""

from app.api import rank_routes
from app.api.request_context import RequestContext, RequestRecorder
from app.features.encoder import Encoder
from app.inference.fused.runtime import FusedRuntime
from app.ranking import ranker
from app.registry.loaded_version import PreparedBatch
from bench.replays import Functions

STAGES: dict[str, Functions] = {
    "parse": [(rank_routes, "parse_rank_body")],
    "encode": [(Encoder, "encode")],
    "prepare the batch": [(FusedRuntime, "prepare")],
    "scores by request": [(PreparedBatch, "results")],
    "assemble": [(ranker, "assemble")],
    "render": [(rank_routes, "answer_json"), (RequestContext, "headers")],
    "log line, metrics": [(ranker.Ranker, "_count"), (RequestRecorder, "finish")],
}
EVERYTHING = "everything in the application, with its log line"
