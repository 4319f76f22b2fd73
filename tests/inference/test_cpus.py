"""A container's quota bounds the threads, whichever version of cgroups says so."""

import os

import pytest

from app.inference.cpus import usable_cpus

BOUND = len(os.sched_getaffinity(0))


@pytest.mark.parametrize(
    ("limit", "cpus"),
    [
        ("100000 100000", 1),
        ("50000 100000", 1),
        ("150000 100000", min(2, BOUND)),
        ("max 100000", BOUND),
        ("6400000 100000", min(64, BOUND)),
        ("nonsense", BOUND),
    ],
)
def test_version_2(tmp_path, limit, cpus):
    (tmp_path / "cpu.max").write_text(limit + "\n")

    assert usable_cpus(tmp_path) == cpus


@pytest.mark.parametrize(("quota", "cpus"), [("100000", 1), ("-1", BOUND)])
def test_version_1(tmp_path, quota, cpus):
    (tmp_path / "cpu").mkdir()
    (tmp_path / "cpu" / "cpu.cfs_quota_us").write_text(quota)
    (tmp_path / "cpu" / "cpu.cfs_period_us").write_text("100000")

    assert usable_cpus(tmp_path) == cpus


def test_without_cgroups_it_is_what_the_process_is_bound_to(tmp_path):
    assert usable_cpus(tmp_path) == BOUND
