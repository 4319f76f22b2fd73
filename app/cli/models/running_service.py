"""A service that runs, asked over HTTP with the admin key of the environment."""

from typing import Any

import httpx

from app.cli.models.places import Row
from app.errors import LabelRefused, StartupRefused
from app.registry.labels import Labels, checked_label, labels_at
from app.registry.model_store import checked_name
from app.settings import read_settings

PATIENT = httpx.Timeout(10, read=600)  # a large version takes its time to load


class RunningService:
    """What is active there changes at once."""

    def __init__(self, url: str) -> None:
        key = read_settings().admin_key
        headers = {} if key is None else {"Authorization": f"Bearer {key.get_secret_value()}"}
        self._url = url.rstrip("/")
        self._headers = headers

    def versions(self, name: str | None) -> list[Row]:
        if name is not None:
            return _rows(self._ask("GET", f"/v1/models/{checked_name(name)}"))
        models = self._ask("GET", "/v1/models")["models"]
        return [row for model in models for row in _rows(model)]

    def activate(self, reference: str) -> Row:
        name, at, version = reference.partition("@")
        if not at:
            raise StartupRefused(f"which version of {name}? Say {name}@VERSION")
        path = f"/v1/models/{checked_name(name)}/versions/{checked_name(version)}/activate"
        return _active_row(self._ask("POST", path))

    def rollback(self, name: str) -> Row:
        return _active_row(self._ask("POST", f"/v1/models/{checked_name(name)}/rollback"))

    def label(self, name: str, label: str, version: str | None) -> Labels:
        try:
            path = f"/v1/models/{checked_name(name)}/labels/{checked_label(label)}"
        except LabelRefused as refused:
            raise StartupRefused(refused.detail) from None
        if version is None:
            asked = self._ask("DELETE", path)
        else:
            asked = self._ask("PUT", path, {"version": version})
        labels: dict[str, str] = asked["labels"]
        return labels

    def roll_out(self, name: str, plan: dict[str, Any] | None) -> dict[str, Any]:
        """What is under way then, and what was before. None stops it."""
        path = f"/v1/models/{checked_name(name)}/rollout"
        asked = self._ask("DELETE", path) if plan is None else self._ask("PUT", path, plan)
        rollout: dict[str, Any] = asked["rollout"]
        return rollout

    def rollout(self, name: str) -> dict[str, Any]:
        rollout: dict[str, Any] = self._ask("GET", f"/v1/models/{checked_name(name)}")["rollout"]
        return rollout

    def _ask(self, method: str, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        try:
            answer = httpx.request(
                method, f"{self._url}{path}", headers=self._headers, timeout=PATIENT, json=body
            )
            content = answer.json()
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise StartupRefused(f"no service answers at {self._url}: {error}") from None
        except ValueError:
            raise StartupRefused(f"what answers at {self._url} is no ctr-serve") from None
        if not isinstance(content, dict):
            raise StartupRefused(f"what answers at {self._url} is no ctr-serve")
        if answer.status_code in {401, 403}:
            raise StartupRefused(f"{content.get('detail')} (here the key is CTR_ADMIN_KEY's value)")
        if not answer.is_success or ("name" not in content and "models" not in content):
            raise StartupRefused(content.get("detail", f"{self._url}: {answer.status_code}"))
        described: dict[str, Any] = content
        return described


def _rows(model: dict[str, Any]) -> list[Row]:
    return [
        {"name": model["name"], "labels": labels_at(model["labels"], one["version"]), **one}
        for one in model["versions"]
    ]


def _active_row(model: dict[str, Any]) -> Row:
    (row,) = [row for row in _rows(model) if row["version"] == model["version"]]
    return row
