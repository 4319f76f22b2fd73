"""Every Prometheus collector, declared once; labels are bounded, never a user or an ad."""

from prometheus_client import CollectorRegistry, Counter, Gauge
from prometheus_client.gc_collector import GCCollector
from prometheus_client.platform_collector import PlatformCollector
from prometheus_client.process_collector import ProcessCollector

from app.monitoring.histograms import Histogram
from app.monitoring.queues import Queues

# 0.1 ms to 1.6 s in powers of two, with the budgets of ad servers (10, 25, 50, 100 ms) among them
SECONDS = (
    *(0.0001, 0.0002, 0.0004, 0.0008, 0.0016, 0.0032, 0.0064, 0.010, 0.0128, 0.025, 0.050),
    *(0.1, 0.2, 0.4, 0.8, 1.6),
)
# 0.1 s, a small model, to 205 s in powers of two
LOAD_SECONDS = tuple(0.1 * 2**power for power in range(12))
SHED_REASONS = ("overloaded", "deadline-exceeded", "not-ready", "engine-failed")
PRIOR_REASONS = ("deadline-exceeded", "engine-failed")
COUNTS = tuple(float(2**power) for power in range(11))  # 1 to 1024
AGES_S = (1.0, 5.0, 15.0, 60.0, 300.0, 900.0, 3600.0, 4 * 3600.0, 24 * 3600.0)
PAIRS = tuple(
    float(4**power) for power in range(4, 11)
)  # 256 to 1,048,576 candidate-behavior pairs

RATIOS = (0.25, 0.5, 0.71, 0.84, 1.0, 1.19, 1.41, 2.0, 4.0, 8.0)


class Metrics:
    """The collectors of one process, in a registry of their own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._register_requests()
        self._register_versions()
        self._register_batching()
        self._register_user_states()
        self._register_features()
        self._register_redis()
        self._register_event_loop()
        self._register_recording()
        self._register_rollouts()
        ProcessCollector(registry=self.registry)
        PlatformCollector(registry=self.registry)
        GCCollector(registry=self.registry)

    def _register_requests(self) -> None:
        self.requests = Counter(
            "ctr_requests_total",
            "Requests by route template and status.",
            ("route", "status"),
            registry=self.registry,
        )
        self.request_seconds = Histogram(
            "ctr_request_duration_seconds",
            "From the first byte of a request to the last byte of its answer.",
            ("route",),
            buckets=SECONDS,
            registry=self.registry,
        )
        self.stage_seconds = Histogram(
            "ctr_stage_duration_seconds",
            "Time of a rank request by stage: parse, features, queue, encode, compute, render.",
            ("stage",),
            buckets=SECONDS,
            registry=self.registry,
        )
        self.candidates = Histogram(
            "ctr_request_candidates",
            "Candidates in a rank request.",
            buckets=COUNTS,
            registry=self.registry,
        )
        self.behaviors = Histogram(
            "ctr_request_behaviors",
            "Behaviors that a rank request was scored with.",
            buckets=(0.0, *COUNTS),
            registry=self.registry,
        )
        self.shed = Counter(
            "ctr_shed_total",
            "Requests refused or given up, by reason.",
            ("reason",),
            registry=self.registry,
        )
        for reason in SHED_REASONS:  # there from the start, so that a first one is an increase
            self.shed.labels(reason)
        self.admissions = Counter(
            "ctr_admissions_total",
            "Rank requests at the door by priority: admitted, or refused for lack of time.",
            ("priority", "outcome"),
            registry=self.registry,
        )
        self.in_flight = Gauge(
            "ctr_in_flight_requests",
            "Rank requests that came in and are not answered yet.",
            registry=self.registry,
        )
        self.in_flight_seconds = Gauge(
            "ctr_in_flight_cost_seconds",
            "Compute that they are predicted to take.",
            registry=self.registry,
        )
        self.capacity = Gauge(
            "ctr_capacity_ratio",
            "Predicted seconds of compute that are finished per second under load.",
            registry=self.registry,
        )
        self.degraded = Counter(
            "ctr_degraded_total",
            "Requests answered with less than they should have had, by rung and cause.",
            ("rung", "reason"),
            registry=self.registry,
        )
        for reason in PRIOR_REASONS:
            self.degraded.labels("prior", reason)

    def _register_versions(self) -> None:
        self.model_info = Gauge(
            "ctr_model_info",
            "1 for every model version that is in memory.",
            ("model", "version", "architecture", "device"),
            registry=self.registry,
        )
        self.version_state = Gauge(
            "ctr_model_version_state",
            "1 for the state of every version that is in memory, gets there, or was refused.",
            ("model", "version", "state"),
            registry=self.registry,
        )
        self.swaps = Counter(
            "ctr_model_swaps_total",
            "Times that a version was to become the active one, by what came of it.",
            ("model", "outcome"),
            registry=self.registry,
        )
        self.load_seconds = Histogram(
            "ctr_model_load_duration_seconds",
            "From the first read of a version until it was verified and warm.",
            ("model",),
            buckets=LOAD_SECONDS,
            registry=self.registry,
        )

    def _register_batching(self) -> None:
        self.batch_jobs = Histogram(
            "ctr_batch_jobs",
            "Requests, or parts of long ones, scored together in one batch.",
            ("model",),
            buckets=COUNTS,
            registry=self.registry,
        )
        self.batch_pairs = Histogram(
            "ctr_batch_cost_pairs",
            "Cost of a batch in candidate-behavior pairs.",
            ("model",),
            buckets=PAIRS,
            registry=self.registry,
        )
        self.queued_jobs = Gauge(
            "ctr_queue_jobs",
            "Requests, or parts of long ones, waiting for an engine thread.",
            ("model",),
            registry=self.registry,
        )
        self.queued_pairs = Gauge(
            "ctr_queue_cost_pairs",
            "Cost of the waiting requests in candidate-behavior pairs.",
            ("model",),
            registry=self.registry,
        )
        self.queues = Queues(self.queued_jobs, self.queued_pairs)
        self.prediction_ratio = Histogram(
            "ctr_batch_compute_ratio",
            "Compute time of a batch, as a multiple of what was predicted.",
            ("model",),
            buckets=RATIOS,
            registry=self.registry,
        )
        self.engine_failures = Counter(
            "ctr_engine_failures_total",
            "Batches whose computation raised an error.",
            ("model",),
            registry=self.registry,
        )

    def _register_user_states(self) -> None:
        self.user_state_lookups = Counter(
            "ctr_user_state_lookups_total",
            "Users of a batch by what was kept of them: hit, extended by new behaviors, or miss.",
            ("result",),
            registry=self.registry,
        )
        for result in ("hit", "extended", "miss"):
            self.user_state_lookups.labels(result)
        self.user_state_bytes = Gauge(
            "ctr_user_state_memory_bytes",
            "Memory that kept user states take.",
            registry=self.registry,
        )

    def _register_features(self) -> None:
        self.feature_reads = Counter(
            "ctr_feature_reads_total",
            "Values read from Redis by kind (behaviors, profile, ad) and outcome.",
            ("kind", "outcome"),
            registry=self.registry,
        )
        self.feature_round_trip_keys = Histogram(
            "ctr_feature_round_trip_keys",
            "Keys that shared one round trip to Redis.",
            ("kind",),
            buckets=COUNTS,
            registry=self.registry,
        )
        self.cold_users = Counter(
            "ctr_cold_users_total",
            "Rank requests of users without any behavior.",
            registry=self.registry,
        )
        self.unknown_ids = Counter(
            "ctr_unknown_ids_total",
            "Ids that the model does not know, by field; they score as the OOV row.",
            ("field",),
            registry=self.registry,
        )

        self.history_copy_lookups = Counter(
            "ctr_history_copy_lookups_total",
            "Histories looked for among those read lately, because Redis did not answer.",
            ("result",),
            registry=self.registry,
        )
        for result in ("hit", "too_old", "miss"):
            self.history_copy_lookups.labels(result)
        self.history_copy_age_seconds = Histogram(
            "ctr_history_copy_age_seconds",
            "How long ago a history had been read that a request was answered with.",
            buckets=AGES_S,
            registry=self.registry,
        )
        self.history_copy_bytes = Gauge(
            "ctr_history_copy_memory_bytes",
            "Memory that histories read lately take.",
            registry=self.registry,
        )

    def _register_redis(self) -> None:
        self.redis_circuit_state = Gauge(
            "ctr_redis_circuit_state",
            "Whether a Redis server is asked: 0 yes, 1 on probation, 2 not before a probe answers.",
            ("node",),
            registry=self.registry,
        )
        self.redis_circuit_changes = Counter(
            "ctr_redis_circuit_changes_total",
            "Times that a circuit became closed, half_open or open.",
            ("state",),
            registry=self.registry,
        )
        self.redis_connects = Counter(
            "ctr_redis_connects_total",
            "Attempts to connect to Redis: opened, failed, or held_back to spare the server.",
            ("result",),
            registry=self.registry,
        )
        for state in ("closed", "half_open", "open"):
            self.redis_circuit_changes.labels(state)
        for result in ("opened", "failed", "held_back"):
            self.redis_connects.labels(result)

    def _register_event_loop(self) -> None:
        self.event_loop_lag_seconds = Histogram(
            "ctr_event_loop_lag_seconds",
            "How late the event loop's beat came, fifty times a second.",
            buckets=SECONDS,
            registry=self.registry,
        )
        self.event_loop_tasks = Gauge(
            "ctr_event_loop_tasks",
            "Tasks of the event loop that are not done.",
            registry=self.registry,
        )

    def _register_recording(self) -> None:
        self.recorded_requests = Counter(
            "ctr_recorded_requests_total",
            "Requests drawn to be recorded: written, queue_full, or not_written by the disk.",
            ("outcome",),
            registry=self.registry,
        )
        for outcome in ("written", "queue_full", "not_written"):
            self.recorded_requests.labels(outcome)
        self.record_folder_bytes = Gauge(
            "ctr_record_folder_bytes",
            "Bytes of the recorded requests on disk.",
            registry=self.registry,
        )

    def _register_rollouts(self) -> None:
        self.rollout_percent = Gauge(
            "ctr_rollout_percent",
            "Users that a version which is not active is rolled out to.",
            ("model", "version"),
            registry=self.registry,
        )
        self.rollout_measure = Gauge(
            "ctr_rollout_measure",
            "How that version compares with the active one: an estimate and its bounds.",
            ("model", "measure", "bound"),
            registry=self.registry,
        )
        self.rollout_requests = Gauge(
            "ctr_rollout_requests",
            "Requests of either version since the rollout began: scored, late, nan or error.",
            ("model", "side", "outcome"),
            registry=self.registry,
        )
        self.rollout_copies = Counter(
            "ctr_rollout_copies_total",
            "Requests to be scored by both versions: scored, busy (dropped), late or failed.",
            ("model", "outcome"),
            registry=self.registry,
        )
        self.rollout_events = Counter(
            "ctr_rollout_events_total",
            "Rollouts that started, changed, were promoted, rolled_back or stopped, or failed.",
            ("model", "event"),
            registry=self.registry,
        )
