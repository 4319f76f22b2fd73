"""Plain FastAPI over TorchScript: no batching, one request at a time in each process."""

import asyncio
import os
from concurrent.futures import ThreadPoolExecutor

import orjson
import uvicorn
from exported_dien import ExportedDien
from fastapi import FastAPI, Request, Response


def make_app() -> FastAPI:
    app, model = FastAPI(), ExportedDien()
    compute = ThreadPoolExecutor(max_workers=1)

    @app.get("/ready")
    async def ready() -> Response:
        return Response()

    @app.post("/rank")
    async def rank(request: Request) -> Response:
        body = orjson.loads(await request.body())
        loop = asyncio.get_running_loop()
        scores = await loop.run_in_executor(compute, model.score, [body])
        return Response(orjson.dumps({"scores": scores[0]}), media_type="application/json")

    return app


if __name__ == "__main__":
    uvicorn.run(
        "fastapi_service:make_app",
        factory=True,
        port=int(os.environ["RACE_PORT"]),
        workers=int(os.environ["RACE_WORKERS"]),
        log_level="warning",
        access_log=False,
    )
