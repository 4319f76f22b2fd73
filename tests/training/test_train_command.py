"""`ctr-serve train` and `prepare` from files to a version that serving loads."""

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import get_args

import numpy as np
import pytest
import torch
from typer.testing import CliRunner, Result

from app.cli import app
from app.errors import ArtifactRefused, StartupRefused
from app.features.encoder import Encoder
from app.inference.engine import Engine
from app.models.dien.config import DienConfig
from app.models.factory import build_model
from app.registry.golden import verify
from app.registry.model_store import Artifact, ModelStore
from app.training.encoding import encode_samples
from app.training.evaluation import evaluate
from app.training.features import Features
from app.training.offline import engine_of, score_samples
from app.training.prediction import predict
from app.training.samples import read_samples
from app.training.side_fields import fields_of
from tests.training.builders import planted_folder, sample, write_rows

QUICK_OPTIONS = (
    "--epochs=2",
    "--batch-size=128",
    "--learning-rate=0.01",
    "--embedding-dim=4",
    "--hidden-size=8",
    "--max-behaviors=5",
)
SIDE_FIELDS = ("--field=context:device:sparse:3", "--field=candidate:price:dense", "--user-id")
