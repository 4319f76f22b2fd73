"""What an ad server does: rank a few ads for a user within a budget, and serve without us if late.

Start `make demo` in another terminal, then: python examples/rank_ads.py user-0200
"""

import sys

import httpx

BUDGET_MS = 50

candidates = [
    {"ad_id": "ad-1", "item_id": "espresso-062", "category_id": "espresso", "bid": 0.40},
    {"ad_id": "ad-2", "item_id": "yoga-mats-041", "category_id": "yoga mats", "bid": 0.25},
]

with httpx.Client(base_url="http://127.0.0.1:8000", timeout=1.0) as client:
    response = client.post(
        "/v1/rank",
        json={
            "user_id": sys.argv[1] if len(sys.argv) > 1 else "user-0200",
            "candidates": candidates,
            "rank_by": "ecpm",
            "explain": 1,
        },
        headers={"X-Deadline-Ms": str(BUDGET_MS)},
    )

if response.status_code in {429, 503, 504}:
    sys.exit(f"no scores in time ({response.json()['title']}): serve the ad by other means")
answer = response.raise_for_status().json()
for ad in answer["ranked"]:
    because = ", ".join(str(behavior["item_id"]) for behavior in ad["attention"])
    print(f"{ad['rank']}. {ad['ad_id']}: ctr {ad['ctr']:.3f}, ecpm {ad['ecpm']:.1f}, saw {because}")
