"""The demo's answers as tables that a person can read."""

import json
from itertools import islice

from rich import box
from rich.console import Console
from rich.table import Table

from app.cli.demo_world import DemoRanking

NARROWEST = 112  # columns, for a file or a pipe

console = Console()
if console.width < NARROWEST:
    console = Console(width=NARROWEST)

CURL_CANDIDATES = 3
TEXT = {"ad", "looked most at"}


def show_ranking(ranking: DemoRanking) -> None:
    likes = ", ".join(f"{name} {share:.0%}" for name, share in islice(ranking.interests.items(), 3))
    answer = ranking.answer
    table = Table(
        title=f"{ranking.user_id} ({answer['user']['behaviors']} clicks) now likes {likes}",
        title_justify="left",
        box=box.SIMPLE,
    )
    for column in ("rank", "ad", "CTR", "true CTR", "eCPM", "looked most at"):
        table.add_column(column, justify="left" if column in TEXT else "right", no_wrap=True)
    for ranked in answer["ranked"]:
        table.add_row(
            str(ranked["rank"]),
            ranked["ad_id"],
            f"{ranked['ctr']:.1%}",
            f"{ranking.true_ctr(ranked['ad_id']):.1%}",
            f"{ranked['ecpm']:.0f}",
            ", ".join(
                f"{behavior['item_id']} {behavior['weight']:.0%}"
                for behavior in ranked["attention"]
            ),
        )
    console.print(table)


def curl_to_try(ranking: DemoRanking, url: str) -> str:
    body = {
        "user_id": ranking.user_id,
        "candidates": ranking.request["candidates"][:CURL_CANDIDATES],
        "explain": 2,
    }
    return (
        f"\nServing on {url} until Ctrl-C. Try:\n\n"
        f"curl -s {url}/v1/rank -H 'Content-Type: application/json' -d '{json.dumps(body)}'\n\n"
        f"curl -s {url}/metrics | grep ctr_stage\n"
    )
