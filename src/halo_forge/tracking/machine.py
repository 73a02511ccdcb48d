"""What a stage takes of the machine: memory and processor, and of each NVIDIA GPU memory, utilisation, power, energy.

The GPU is asked through pynvml (package nvidia-ml-py, which vLLM brings along); without it, or without a GPU, there is
nothing of it. What a device does not tell is left out.
"""

from __future__ import annotations

import os
from types import ModuleType
from typing import Any, NamedTuple

import psutil

from halo_forge.devices import named_gpus


class Sampled(NamedTuple):
    system: dict[str, float]
    """Of the whole machine, by the names of MLflow's own monitor: the page for system metrics shows them."""
    stage: dict[str, float]
    """Of the stage alone, its child processes included; energy since the first sample, of the GPUs it may use."""


class Machine:
    """What there is to be measured, of the machine and of the process `stage`."""

    def __init__(self, stage: psutil.Process, nvml: ModuleType | None):
        self._stage = stage
        self._gpus = _Gpus(nvml) if nvml else None
        psutil.cpu_percent()  # the first answer counts from here

    def sample(self) -> Sampled:
        memory = psutil.virtual_memory()
        system = {
            "cpu_utilization_percentage": psutil.cpu_percent(),
            "system_memory_usage_megabytes": round((memory.total - memory.available) / 1e6),
            "system_memory_usage_percentage": memory.percent,
        }
        stage = {"memory_megabytes": round(_resident(self._stage) / 1e6)}
        if self._gpus:
            system |= self._gpus.sample()
            stage |= self._gpus.energy()
        return Sampled(system, stage)


class _Gpus:
    def __init__(self, nvml: ModuleType):
        self._nvml = nvml
        self._handles = _visible(nvml)
        self._first = {number: self._joules(handle) for number, handle in self._handles.items()}

    def sample(self) -> dict[str, float]:
        found: dict[str, float] = {}
        for number, handle in self._handles.items():
            values = {
                "memory_usage_megabytes": self._told(self._nvml.nvmlDeviceGetMemoryInfo, handle, "used", 1e-6),
                "memory_usage_percentage": self._memory_percentage(handle),
                "utilization_percentage": self._told(self._nvml.nvmlDeviceGetUtilizationRates, handle, "gpu"),
                "power_usage_watts": self._told(self._nvml.nvmlDeviceGetPowerUsage, handle, scale=1e-3),
            }
            found |= {f"gpu_{number}_{name}": value for name, value in values.items() if value is not None}
        return found

    def energy(self) -> dict[str, float]:
        now = {number: self._joules(handle) for number, handle in self._handles.items()}
        used = [now[number] - first for number, first in self._first.items() if None not in (first, now[number])]
        return {"gpu_energy_kilojoules": round(sum(used) / 1e3, 3)} if used else {}

    def _memory_percentage(self, handle: Any) -> float | None:
        used, total = (self._told(self._nvml.nvmlDeviceGetMemoryInfo, handle, name) for name in ("used", "total"))
        return round(100 * used / total, 1) if used is not None and total else None

    def _joules(self, handle: Any) -> float | None:
        return self._told(self._nvml.nvmlDeviceGetTotalEnergyConsumption, handle, scale=1e-3)

    def _told(self, ask: Any, handle: Any, field: str | None = None, scale: float = 1.0) -> float | None:
        try:
            answer = ask(handle)
        except self._nvml.NVMLError:
            return None  # this device, driver or virtual machine does not tell
        return (getattr(answer, field) if field else answer) * scale


def load_nvml() -> ModuleType | None:
    """pynvml, begun; None without it or without a driver."""
    try:
        import pynvml
    except ImportError:
        return None
    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError:
        return None
    return pynvml


def _visible(nvml: ModuleType) -> dict[int, Any]:
    """number -> handle of the GPUs that CUDA_VISIBLE_DEVICES names by number or UUID; all of them if it is not set."""
    every = {number: nvml.nvmlDeviceGetHandleByIndex(number) for number in range(nvml.nvmlDeviceGetCount())}
    words = named_gpus()
    if words is None:
        return every
    names = {number: nvml.nvmlDeviceGetUUID(handle) for number, handle in every.items()}
    return {
        number: handle
        for number, handle in every.items()
        if any(word == str(number) or names[number].startswith(word) for word in words)
    }


def _resident(process: psutil.Process) -> int:
    """Bytes in memory of a process and its children, without this one; 0 once it has ended. What they share counts for
    each of them."""
    total = 0
    try:
        for one in [process, *process.children(recursive=True)]:
            try:
                total += 0 if one.pid == os.getpid() else one.memory_info().rss
            except psutil.NoSuchProcess:
                continue  # a compiler or an answer that has just ended
    except psutil.NoSuchProcess:
        return 0
    return total
