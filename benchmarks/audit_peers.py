"""How each peer is asked for the same thing: so many prompts to the stub, 64 in flight, each answer judged.

Each lives in an environment of its own below one folder, made by hand::

    uv venv FOLDER/inspect  && uv pip install --python FOLDER/inspect/bin/python inspect_ai openai
    uv venv FOLDER/deepeval && uv pip install --python FOLDER/deepeval/bin/python deepeval openai
    uv venv FOLDER/lmeval   && uv pip install --python FOLDER/lmeval/bin/python 'lm-eval[api]'
    uv venv FOLDER/garak    && uv pip install --python FOLDER/garak/bin/python garak
    mkdir FOLDER/pf && cd FOLDER/pf && npm install promptfoo
    mlflow is asked from the project's own environment

Every peer runs as its manual says for an OpenAI-compatible server, telemetry off.
"""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

__all__ = ["PEERS", "Peer"]

INSPECT = """
import sys
from inspect_ai import Task, eval
from inspect_ai.dataset import MemoryDataset, Sample
from inspect_ai.model import get_model
from inspect_ai.scorer import includes
from inspect_ai.solver import generate
url, count = sys.argv[1], int(sys.argv[2])
task = Task(dataset=MemoryDataset([Sample(input=f"question {i}", target="answer") for i in range(count)]),
            solver=generate(), scorer=includes())
(log,) = eval(task, model=get_model("openai/m", base_url=url, api_key="x", responses_api=False), max_connections=64, max_samples=64,
              display="none", log_dir="logs")
assert log.status == "success", log.error
"""

DEEPEVAL = """
import asyncio, sys
from openai import AsyncOpenAI
from deepeval import evaluate
from deepeval.evaluate import AsyncConfig, CacheConfig, DisplayConfig
from deepeval.metrics import BaseMetric
from deepeval.test_case import LLMTestCase
url, count = sys.argv[1], int(sys.argv[2])
class Answers(BaseMetric):
    threshold, async_mode = 0.5, True
    def measure(self, case, *a, **k):
        self.score = float("answer" in case.actual_output); self.success = self.score >= 0.5; return self.score
    async def a_measure(self, case, *a, **k):
        return self.measure(case)
    def is_successful(self):
        return self.success
    @property
    def __name__(self):
        return "answers"
async def ask():
    client, gate = AsyncOpenAI(base_url=url, api_key="x"), asyncio.Semaphore(64)
    async def one(i):
        async with gate:
            reply = await client.chat.completions.create(model="m", messages=[{"role": "user", "content": f"question {i}"}])
            return LLMTestCase(input=f"question {i}", actual_output=reply.choices[0].message.content)
    return await asyncio.gather(*(one(i) for i in range(count)))
# Its cache, which is on unless said otherwise, is written anew for every case: 2,000 of them do not end in 10 minutes.
evaluate(asyncio.run(ask()), [Answers()], async_config=AsyncConfig(max_concurrent=64), cache_config=CacheConfig(write_cache=False),
         display_config=DisplayConfig(show_indicator=False, print_results=False))
"""

LM_EVAL = """
import json, sys
from pathlib import Path
url, count = sys.argv[1], int(sys.argv[2])
Path("probes.jsonl").write_text("".join(json.dumps({"q": f"question {i}", "a": f"answer to question {i}"}) + chr(10) for i in range(count)))
Path("probes.yaml").write_text(
    "task: probes\\ndataset_path: json\\ndataset_kwargs: {data_files: {test: probes.jsonl}}\\ntest_split: test\\n"
    "output_type: generate_until\\ndoc_to_text: '{{q}}'\\ndoc_to_target: '{{a}}'\\n"
    "generation_kwargs: {until: ['###'], max_gen_toks: 32}\\nmetric_list:\\n  - metric: exact_match\\n")
import lm_eval
from lm_eval.tasks import TaskManager
found = lm_eval.simple_evaluate(model="local-chat-completions", tasks=["probes"], apply_chat_template=True,
    model_args=f"model=m,base_url={url}/chat/completions,num_concurrent=64,max_retries=1,tokenized_requests=False",
    task_manager=TaskManager(include_path="."), bootstrap_iters=0)
assert found["results"]["probes"]
"""

GARAK = """
import json, sys
import garak.cli
from garak.probes.test import Test
url, count = sys.argv[1], int(sys.argv[2])
Test.prompts = [f"question {i}" for i in range(count)]
Test.primary_detector = "mitigation.MitigationBypass"
garak.cli.main(["--target_type", "openai.OpenAICompatible", "--target_name", "m", "--probes", "test.Test",
    "--generator_options", json.dumps({"openai": {"OpenAICompatible": {"uri": url, "stop": []}}}),
    "--generations", "1", "--parallel_attempts", "64", "--narrow_output", "--report_prefix", "probes"])
"""

MLFLOW = """
import sys
import mlflow, requests
from mlflow.genai.scorers import scorer
url, count = sys.argv[1], int(sys.argv[2])
mlflow.set_tracking_uri("sqlite:///m.db")
session = requests.Session()
@scorer
def answers(outputs):
    return "answer" in outputs
def ask(q):
    body = {"model": "m", "messages": [{"role": "user", "content": q}]}
    return session.post(url + "/chat/completions", json=body).json()["choices"][0]["message"]["content"]
mlflow.genai.evaluate(data=[{"inputs": {"q": f"question {i}"}} for i in range(count)], predict_fn=ask, scorers=[answers])
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Peer:
    """One peer: how it is started, and what stands in its environment."""

    start: Callable[[Path, str, int], list[str] | None]
    env: dict[str, str] = field(default_factory=dict)

    def command(self, folder: Path, url: str, count: int) -> list[str] | None:
        """The command; None where the peer is not installed."""
        return self.start(folder, url, count)


def _python(name: str, code: str) -> Callable[[Path, str, int], list[str] | None]:
    def start(folder: Path, url: str, count: int) -> list[str] | None:
        python = folder / name / "bin" / "python" if name else Path(sys.executable)
        return [str(python), "-c", code, url, str(count)] if python.exists() else None

    return start


def _promptfoo(folder: Path, url: str, count: int) -> list[str] | None:
    main = folder / "pf" / "node_modules" / ".bin" / "promptfoo"
    if not main.exists():
        return None
    place = Path(tempfile.mkdtemp(prefix="promptfoo-"))
    (place / "c.json").write_text(
        json.dumps(
            {
                "prompts": ["{{q}}"],
                "providers": [{"id": "openai:chat:m", "config": {"apiBaseUrl": url, "apiKey": "x"}}],
                "tests": [
                    {"vars": {"q": f"question {i}"}, "assert": [{"type": "contains", "value": "answer"}]}
                    for i in range(count)
                ],
            }
        )
    )
    flags = [
        "-j",
        "64",
        "--no-cache",
        "--no-table",
        "--no-progress-bar",
        "--no-share",
        "-o",
        str(place / "o.json"),
    ]
    return [str(main), "eval", "-c", str(place / "c.json"), *flags]


_QUIET = {"OPENAI_API_KEY": "x", "OPENAICOMPATIBLE_API_KEY": "x", "HF_HUB_OFFLINE": "1", "HF_DATASETS_OFFLINE": "1", "DEEPEVAL_TELEMETRY_OPT_OUT": "YES",
          "PROMPTFOO_DISABLE_TELEMETRY": "1", "PROMPTFOO_DISABLE_UPDATE": "1", "PROMPTFOO_DISABLE_REMOTE_GENERATION": "1",
          "MLFLOW_SQLALCHEMYSTORE_POOL_SIZE": "200", "MLFLOW_GENAI_EVAL_MAX_WORKERS": "64"}  # fmt: skip
PEERS = {
    "inspect_ai": Peer(start=_python("inspect", INSPECT), env=_QUIET),
    "deepeval": Peer(start=_python("deepeval", DEEPEVAL), env=_QUIET),
    "promptfoo": Peer(start=_promptfoo, env=_QUIET),
    "lm-eval": Peer(start=_python("lmeval", LM_EVAL), env=_QUIET),
    "garak": Peer(start=_python("garak", GARAK), env=_QUIET),
    "mlflow": Peer(start=_python("", MLFLOW), env=_QUIET),
}
