"""A cluster of three masters, and a master with a replica that three sentinels watch."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from redis import Redis
from redis.exceptions import RedisError

from tests.eventually import eventually
from tests.redis_process import RedisProcess, free_ports

SLOTS = 16384
MASTER = "ads"
SENTINEL_PASSWORD = "watch me"  # noqa: S105 - of a server that lives as long as its test


@dataclass(frozen=True, slots=True)
class Cluster:
    """Three masters with a third of the slots each; a lost one costs only its own."""

    nodes: list[RedisProcess]

    @property
    def url(self) -> str:
        hosts = ",".join(f"127.0.0.1:{node.port}" for node in self.nodes[:2])
        return f"redis+cluster://{hosts}"

    def node_of_slot(self, slot: int) -> RedisProcess:
        return self.nodes[slot * len(self.nodes) // SLOTS]


@contextmanager
def redis_cluster(folder: Path) -> Iterator[Cluster]:
    options = ("--cluster-enabled", "yes", "--cluster-require-full-coverage", "no")
    nodes = [RedisProcess(folder / f"node-{port}", port, options) for port in free_ports(3)]
    cluster = Cluster(nodes)
    with ExitStack() as stack:
        for node in nodes:
            stack.callback(node.kill)
            node.start()
        clients = [stack.enter_context(node.client()) for node in nodes]
        for node, client in zip(nodes, clients, strict=True):
            own = [slot for slot in range(SLOTS) if cluster.node_of_slot(slot) is node]
            client.execute_command("CLUSTER", "ADDSLOTS", *own)
            client.execute_command("CLUSTER", "MEET", "127.0.0.1", nodes[0].port)
        eventually(lambda: all(map(_knows_all_slots, clients)))
        yield cluster


def _knows_all_slots(client: Redis) -> bool:
    slots = client.execute_command("CLUSTER SLOTS")
    return len(slots) == 3 and client.execute_command("CLUSTER INFO")["cluster_state"] == "ok"


@dataclass(frozen=True, slots=True)
class Watched:
    """A master, its replica, and the sentinels that name the one that is master now."""

    servers: list[RedisProcess]
    sentinels: list[RedisProcess]

    @property
    def url(self) -> str:
        hosts = ",".join(f"127.0.0.1:{sentinel.port}" for sentinel in self.sentinels)
        return f"redis+sentinel://{hosts}/{MASTER}/0"

    def master_port(self) -> int:
        for sentinel in self.sentinels:
            try:
                with sentinel.client(password=SENTINEL_PASSWORD) as client:
                    _, port = client.execute_command("SENTINEL GET-MASTER-ADDR-BY-NAME", MASTER)
            except (RedisError, OSError):
                continue
            return int(port)
        raise AssertionError("no sentinel answers")

    def master(self) -> RedisProcess:
        port = self.master_port()
        return next(server for server in self.servers if server.port == port)

    def replica(self) -> RedisProcess:
        master = self.master()
        return next(server for server in self.servers if server is not master)

    def wait_for_replica(self) -> None:
        """Until the replica has all that the master has."""
        with self.replica().client() as client:
            eventually(lambda: client.info("replication")["master_link_status"] == "up")
        with self.master().client() as client:
            eventually(lambda: client.wait(1, 1000) == 1)


@contextmanager
def watched_redis(folder: Path) -> Iterator[Watched]:
    ports = free_ports(5)
    servers = [RedisProcess(folder / f"server-{port}", port) for port in ports[:2]]
    servers[1].options = ("--replicaof", "127.0.0.1", str(ports[0]))
    for server in servers:
        server.options = (*server.options, "--repl-diskless-sync-delay", "0")
    sentinels = [_Sentinel(folder / f"sentinel-{port}", port) for port in ports[2:]]
    watched = Watched(servers, list(sentinels))
    with ExitStack() as stack:
        for server in servers:
            stack.callback(server.kill)
            server.start()
        for sentinel in sentinels:
            stack.callback(sentinel.kill)
            sentinel.watch(ports[0])
        eventually(lambda: all(map(_knows_everybody, sentinels)))
        watched.wait_for_replica()
        yield watched


class _Sentinel(RedisProcess):
    """Rewrites its own configuration, so it gets one."""

    def watch(self, port: int) -> None:
        self.folder.mkdir(parents=True)
        configuration = self.folder / "sentinel.conf"
        lines = [
            f"port {self.port}",
            "bind 127.0.0.1",
            f'requirepass "{SENTINEL_PASSWORD}"',
            f'sentinel sentinel-pass "{SENTINEL_PASSWORD}"',
            f"sentinel monitor {MASTER} 127.0.0.1 {port} 2",
            f"sentinel down-after-milliseconds {MASTER} 500",
            f"sentinel failover-timeout {MASTER} 3000",
        ]
        configuration.write_text("\n".join(lines))
        self.run([str(configuration), "--sentinel"])


def _knows_everybody(sentinel: RedisProcess) -> bool:
    with sentinel.client(password=SENTINEL_PASSWORD) as client:
        replicas = client.execute_command("SENTINEL SLAVES", MASTER)
        others = client.execute_command("SENTINEL SENTINELS", MASTER)
    return len(replicas) == 1 and len(others) == 2
