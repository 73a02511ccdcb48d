"""`make drill-ray`: a Ray cluster of two nodes on this machine, of which one is killed while the work is done.

Sampling, judging and training each lose a node in the middle. A tiny random model samples; what is judged are small
Python programs, in the sandbox. The last line says what was equal to the work of one machine.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "src"), str(ROOT / "tests"), str(ROOT / "benchmarks" / "drills")]
os.environ["OMP_NUM_THREADS"] = "1"  # here as on the nodes: the sums of two threads are rounded otherwise
os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
os.environ.setdefault("RAY_health_check_period_ms", "1000")  # a dead node is seen in seconds

from ddp import PAIRS, run_of, weights_of  # noqa: E402
from tiny import make_tiny_model  # noqa: E402

from halo_forge.cluster.judging import RayJudging  # noqa: E402
from halo_forge.cluster.sampling import RaySampling  # noqa: E402
from halo_forge.cluster.training import train_on_ray  # noqa: E402
from halo_forge.generate.drawing import Drawing, draws_of  # noqa: E402
from halo_forge.generate.run import generate_file  # noqa: E402
from halo_forge.jsonl import read_records, write_records  # noqa: E402
from halo_forge.model.chat import Chat  # noqa: E402
from halo_forge.model.checkpoint import Checkpoint  # noqa: E402
from halo_forge.records import Sample, Source, StdioCase, StdioTests, Task, Verdict  # noqa: E402
from halo_forge.settings.compute import Compute  # noqa: E402
from halo_forge.settings.generate import Generate  # noqa: E402
from halo_forge.settings.model import BaseModelChoice  # noqa: E402
from halo_forge.settings.params import Params  # noqa: E402
from halo_forge.settings.verify import Verify  # noqa: E402
from halo_forge.state import drop_state  # noqa: E402
from halo_forge.train.lora import train  # noqa: E402
from halo_forge.train.rows import tokenised  # noqa: E402
from halo_forge.verify.run import verify_file  # noqa: E402

TASKS = [
    Task(
        task_id=f"t{number}",
        language="python",
        prompt=f"Print {number} times a number.",
        tests=StdioTests(cases=[StdioCase(stdin="3\n", stdout=f"{3 * number}\n")]),
        source=Source(dataset="drill"),
        family=f"t{number}",
    )
    for number in range(8)
]
VERIFY = Verify(cache=False)


class Cluster:
    """Two nodes, each of one processor; the one that can be killed is made anew where it was."""

    def __init__(self) -> None:
        from ray.cluster_utils import Cluster as Nodes

        small = {"num_cpus": 1, "object_store_memory": 80_000_000, "include_dashboard": False}
        self._nodes = in_time(lambda: Nodes(initialize_head=True, head_node_args=small))
        self._small = small
        self.address = self._nodes.address
        self.killed = 0
        self._second: Any = None

    def complete(self) -> None:
        if self._second is None:
            self._second = in_time(lambda: self._nodes.add_node(**self._small))
            self._nodes.wait_for_nodes()

    def kill(self) -> None:
        """As if the second machine lost its power."""
        if self._second is not None:
            self._nodes.remove_node(self._second, allow_graceful=False)
            self._second = None
            self.killed += 1

    def end(self) -> None:
        import ray

        ray.shutdown()
        self._nodes.shutdown()


def in_time(start: Callable[[], Any]) -> Any:
    """What `start` makes of a node, which Ray gives half a minute: a busy machine may need another try."""
    for _ in range(2):
        try:
            return start()
        except Exception as error:  # noqa: BLE001 - Ray raises no narrower one
            print(f"a node did not start: {error}; once more", file=sys.stderr)
    return start()


def until(results: Iterator[Any], number: int, kill: Callable[[], None]) -> Iterator[Any]:
    """The results, and a kill once `number` of them are there."""
    for count, result in enumerate(results, 1):
        yield result
        if count == number:
            kill()


def samples_to_judge() -> list[Sample]:
    """Right, wrong and failing programs, some of them twice."""
    bodies = ["print({} * int(input()))", "print({} + int(input()))", "raise ValueError({})", "def f{}(:"]
    found = []
    for task_number, task in enumerate(TASKS):
        for index in range(6):
            code = bodies[index % 4].format(task_number)
            fields = {"model": "m", "index": index, "seed": index, "n_tokens": 1, "finish_reason": "stop"}
            text = f"```python\n{code}\n```"
            sample_id = f"{task.task_id}/{index}"
            found.append(Sample(sample_id=sample_id, task_id=task.task_id, prompt="", completion=text, **fields))
    return found


def sampled(base: Path, cluster: Cluster) -> int:
    """Chunks that were compared."""
    lock = {"provider": "local", "id": str(base), "revision": "0", "system_prompt": ""}
    choice = BaseModelChoice(provider="local", id=str(base))
    compute = Compute(ray=cluster.address)
    generate = Generate(engine="transformers", batch_size=4, chunk_size=4)
    params = Params(seed=1, preset="drill", base_model=choice, generate=generate, compute=compute)
    given = (params, Checkpoint("tiny", lock, base, None), Drawing("tiny", "c1", 1.0, 96), draws_of(TASKS, 6))

    class Losing(RaySampling):
        def draw(self, chunks, finished):  # noqa: ANN001, ANN202 - as RaySampling
            return until(super().draw(chunks, finished), 3, cluster.kill)

    generate_file(*given, Path("one"))
    drop_state()
    generate_file(*given, Path("ray"), drawers_of=Losing)
    drop_state()
    equal("samples.jsonl", Path("one/samples.jsonl").read_bytes(), Path("ray/samples.jsonl").read_bytes())
    return len(given[-1])


def judged(cluster: Cluster) -> int:
    """Verdicts that were compared."""
    write_records("tasks.jsonl", TASKS)
    verdicts = []
    judging = RayJudging(cluster.address, programs_a_task=3)
    for name, judged_by in (("one", None), ("ray", lambda *given: until(judging(*given), 6, cluster.kill))):
        write_records(f"{name}_judged/samples.jsonl", samples_to_judge())
        verify_file(VERIFY, Path("tasks.jsonl"), Path(f"{name}_judged"), "drill", judged_by=judged_by)
        drop_state()
        read = read_records(f"{name}_judged/verdicts.jsonl", Verdict)
        verdicts.append([verdict.model_dump(exclude={"duration_s"}) for verdict in read])
    equal("verdicts.jsonl", *verdicts)
    return len(verdicts[0])


def trained(base: Path, cluster: Cluster) -> tuple[int, float]:
    """Steps, and how far the losses are apart."""
    chat = Chat.of(str(base))
    rows = tokenised(chat, PAIRS, 512, "rows")
    one = train(run_of(base, Path("one_trained").resolve()), rows, chat, Path("one_trained/out"))

    def kill(entry: dict) -> None:
        if entry["step"] == 5:
            cluster.kill()

    run = run_of(base, Path("ray_trained").resolve(), compute=Compute(ray=cluster.address, processes=2))
    two = train_on_ray(run, rows, chat, Path("ray_trained/out").resolve(), kill)
    losses = max(abs(a["loss"] - b["loss"]) / a["loss"] for a, b in zip(one["loss"], two["loss"], strict=True))
    weights = [weights_of(Path(name) / "out") for name in ("one_trained", "ray_trained")]
    apart = max((weights[0][name] - tensor).abs().max().item() for name, tensor in weights[1].items())
    if losses > 1e-4 or apart > 1e-3 * max(tensor.abs().max().item() for tensor in weights[0].values()):
        sys.exit(f"training on two nodes differs from one process: losses {losses:.1e}, weights {apart:.1e}")
    return one["steps"], losses


def equal(what: str, one: Any, other: Any) -> None:
    if one != other:
        sys.exit(f"{what} of the cluster is not that of one machine")


def main() -> None:
    began = time.monotonic()
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as name:
        os.chdir(name)
        os.environ["RAY_TMPDIR"] = name
        os.environ.pop("DVC_ROOT", None)
        base = make_tiny_model(Path(name) / "model")
        cluster = Cluster()
        try:
            cluster.complete()
            samples = sampled(base, cluster)
            cluster.complete()
            verdicts = judged(cluster)
            cluster.complete()
            steps, losses = trained(base, cluster)
        finally:
            cluster.end()
    if cluster.killed != 3:
        sys.exit(f"{cluster.killed} nodes were killed, not 3: the work was over too early")
    print(
        f"drill-ray: equal, with a node killed in each: {samples} samples byte for byte, {verdicts} verdicts but for "
        f"their measured seconds, {steps} losses of two ranks, then of one, to {losses:.0e}; "
        f"{time.monotonic() - began:.0f} s"
    )


if __name__ == "__main__":
    main()
