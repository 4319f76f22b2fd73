"""Where nobody says how much, CPUs compute several batches at a time, a GPU one large one."""

import torch

from app.inference.concurrency import default_batch_pairs, default_engine_threads
from app.inference.cpus import usable_cpus

CPU, GPU = torch.device("cpu"), torch.device("cuda:0")


def test_every_cpu_computes_a_batch_and_a_gpu_one_at_a_time():
    assert default_engine_threads(CPU) == usable_cpus()
    assert default_engine_threads(GPU) == 1


def test_a_batch_of_a_gpu_has_room_for_many_requests():
    request = 100 * (1 + 50)  # candidates, behaviors

    assert default_batch_pairs(CPU) // request == 3
    assert default_batch_pairs(GPU) // request == 78
