"""f32 matrix products of PyTorch (MKL), oneDNN and OpenBLAS (numpy), the peers of `npm run bench -- gemm`: JSON lines.

The three training forms of y = x W^T, x (m, k), W (n, k), all row-major, with dense row-major results:
  forward  y  (m, n) = x  W^T      input   dx (m, k) = dy W      weight  dW (n, k) = dy^T x
  python gemm.py --threads 1 [--library mkl|onednn|openblas] [--model llama-30m|smollm2-135m] [--repeats 7]
  python gemm.py --serve       then per stdin line JSON {"library","form","m","n","k","repeats"}: one JSON line (protocol.py)
FLOP = 2 m n k. gflops by the median repeat, best_gflops by the fastest, cpu_gflops by CPU time (one thread: sturdier
on a busy machine). A line for the geometric means comes last.
"""
import argparse
import json
import os
import statistics
import time

parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
parser.add_argument("--threads", type=int, default=1)
parser.add_argument("--library", default="mkl", choices=["mkl", "onednn", "openblas"])
parser.add_argument("--model", choices=["llama-30m", "smollm2-135m"], help="default: both")
parser.add_argument("--repeats", type=int, default=7)
parser.add_argument("--serve", action="store_true")
parser.add_argument("--json", action="store_true", help="accepted for symmetry: the answer is always JSON")
args = parser.parse_args()
os.environ["OPENBLAS_NUM_THREADS"] = str(args.threads)  # read when numpy is imported

import numpy as np  # noqa: E402
import torch  # noqa: E402

import protocol  # noqa: E402

torch.set_num_threads(args.threads)
FORMS = ("forward", "input", "weight")
# (m tokens, n out, k in) of every distinct linear layer, vocabulary head last
SHAPES = {
    "llama-30m": [(2048, 512, 512), (2048, 1408, 512), (2048, 512, 1408), (2048, 8192, 512)],
    "smollm2-135m": [(512, 576, 576), (512, 192, 576), (512, 1536, 576), (512, 576, 1536), (512, 49152, 576)],
}


def operands(form: str, m: int, n: int, k: int):
    """The two row-major inputs of a form, and the shape of its result."""
    random = torch.Generator().manual_seed(0)
    x, dy, w = (torch.randn(s, generator=random) for s in ((m, k), (m, n), (n, k)))
    return {"forward": (x, w, (m, n)), "input": (dy, w, (m, k)), "weight": (dy, x, (n, k))}[form]


def transposed(form: str, a, b):
    """As views, so that the product is a @ b."""
    return {"forward": (a, b.T), "input": (a, b), "weight": (a.T, b)}[form]


def product(library: str, form: str, m: int, n: int, k: int):
    """A function without arguments that computes the form once."""
    a, b, shape = operands(form, m, n, k)
    if library == "openblas":
        a, b, out = a.numpy(), b.numpy(), np.empty(shape, np.float32)
        a, b = transposed(form, a, b)
        return lambda: np.matmul(a, b, out=out)
    a, b = transposed(form, a, b)
    if library == "onednn":  # takes the second operand as (out, in); allocates its result itself
        w = b.T
        return lambda: torch.ops.mkldnn._linear_pointwise(a, w, None, "none", [], "")
    out = torch.empty(shape)
    return lambda: torch.mm(a, b, out=out)


def measure(library: str, form: str, m: int, n: int, k: int, repeats: int) -> dict:
    run = product(library, form, m, n, k)
    start = time.perf_counter()  # after a rest the processor takes milliseconds to wake, as in bench/gemm.ts
    while True:
        run()
        if time.perf_counter() - start > 0.05:
            break
    seconds = []
    with protocol.Stopwatch() as watch:
        for _ in range(repeats):
            start = time.perf_counter()
            run()
            seconds.append(time.perf_counter() - start)
    median, best = statistics.median(seconds), min(seconds)
    flop = 2 * m * n * k
    return {"library": library, "form": form, "m": m, "n": n, "k": k, "threads": args.threads, "gflops": round(flop / median / 1e9, 2),
            "best_gflops": round(flop / best / 1e9, 2), "cpu_gflops": round(args.threads * flop * repeats / watch.cpu / 1e9, 2),
            } | watch.report() | {"seconds": median}


about = {"peer": "gemm", "torch": torch.__version__, "numpy": np.__version__, "threads": args.threads}
with torch.inference_mode():
    if args.serve:
        def work(line: str) -> dict:
            q = json.loads(line)
            return measure(q.get("library", args.library), q["form"], q["m"], q["n"], q["k"], q.get("repeats", args.repeats))
        protocol.serve(about, work)
    else:
        records = []
        for model in [args.model] if args.model else SHAPES:
            for m, n, k in SHAPES[model]:
                for form in FORMS:
                    record = measure(args.library, form, m, n, k, args.repeats)
                    records.append(record)
                    protocol.say({"model": model} | record)
        means = {f"geometric_mean_{key}": round(statistics.geometric_mean(r[key] for r in records), 2)
                 for key in ("gflops", "best_gflops", "cpu_gflops")}
        protocol.say(about | {"library": args.library, "shapes": len(records)} | means)
