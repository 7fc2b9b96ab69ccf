"""PyTorch + transformers training, the peer of `npm run bench -- train`: one JSON line.

A step is forward, mean cross-entropy, backward and AdamW over random token ids in f32, at the benchmark's batch; of all
weights, or with --lora of peft's adapters on every linear layer.
  python train.py --model llama-3m --steps 10 --threads 2 [--compile] [--json]
  python train.py --model llama-3m --threads 2 --serve      then per stdin line N: N steps, one JSON line (protocol.py)
"""
import argparse
import statistics
import time

import protocol

parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
parser.add_argument("--model", required=True, choices=["llama-3m", "llama-30m", "deepseek-7m", "smollm2-135m"])
parser.add_argument("--steps", type=int, default=10)
parser.add_argument("--warmup", type=int, default=3)
parser.add_argument("--threads", type=int, default=2)
parser.add_argument("--lora", type=int, default=0, help="rank of peft adapters (alpha twice that); 0: all weights")
parser.add_argument("--compile", action="store_true", help="torch.compile of model and loss")
parser.add_argument("--attention", default="sdpa", choices=["sdpa", "eager"])
parser.add_argument("--experts", default="grouped_mm", choices=["eager", "grouped_mm"], help="deepseek only")
parser.add_argument("--adamw", default="fused", choices=["fused", "foreach"])
parser.add_argument("--peak-gflops", type=float, help="FMA peak of these threads, for flops_share_of_peak")
parser.add_argument("--serve", action="store_true")
parser.add_argument("--json", action="store_true", help="accepted for symmetry: the answer is always JSON")
args = parser.parse_args()

import torch  # noqa: E402  (after the arguments, so that --help is quick)
import transformers  # noqa: E402
import models  # noqa: E402
if args.lora:
    import peft

transformers.logging.set_verbosity_error()
torch.set_num_threads(args.threads)
torch.set_num_interop_threads(1)
rss_before_model = protocol.status_mib("VmRSS")

benchmark = models.MODELS[args.model]
model = models.build(args.model, args.attention, args.experts).train()
if args.lora:
    linear = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
    model = peft.get_peft_model(model, peft.LoraConfig(r=args.lora, lora_alpha=2 * args.lora, target_modules=linear, task_type="CAUSAL_LM"))
optimizer = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=1e-4, betas=(0.9, 0.95), weight_decay=0.1, **{args.adamw: True})
random = torch.Generator().manual_seed(1)
batches = [torch.randint(benchmark.config["vocab_size"], (benchmark.batch, benchmark.length), generator=random) for _ in range(4)]
tokens_per_step = benchmark.batch * benchmark.length


def loss_of(ids):
    return model(input_ids=ids, labels=ids).loss


if args.compile:
    loss_of = torch.compile(loss_of, dynamic=False)
done = 0


def step() -> float:
    global done
    start = time.perf_counter()
    loss_of(batches[done % len(batches)]).backward()
    optimizer.step()
    optimizer.zero_grad(set_to_none=True)
    done += 1
    return time.perf_counter() - start


def measure(steps: int) -> dict:
    with protocol.Stopwatch() as watch:
        seconds = [step() for _ in range(steps)]
    median = statistics.median(seconds)
    flop = models.training_flop(args.model)
    record = {"steps": steps, "tokens_per_s": round(tokens_per_step / median, 1), "step_ms": round(1000 * median, 2),
              "gflops": round(flop / median / 1e9, 2)}
    if args.peak_gflops:
        record["flops_share_of_peak"] = round(flop / median / 1e9 / args.peak_gflops, 4)
    if args.threads == 1:  # sturdier on a busy machine; with more threads the waiting ones burn CPU time too
        record["tokens_per_cpu_s"] = round(tokens_per_step * steps / watch.cpu, 1)
    return record | watch.report() | {"peak_rss_mib": round(protocol.status_mib("VmHWM"), 1)}


about = {
    "peer": "pytorch", "torch": torch.__version__, "transformers": transformers.__version__, "model": args.model,
    "parameters": sum(p.numel() for p in model.parameters()), "lora": args.lora, "compile": args.compile, "attention": args.attention,
    "experts": args.experts if args.model == "deepseek-7m" else None, "adamw": args.adamw, "threads": args.threads,
    "tokens_per_step": tokens_per_step, "flop_per_step": models.training_flop(args.model),
    "rss_before_model_mib": round(rss_before_model, 1),
}
for _ in range(args.warmup):
    step()
about["peak_rss_warmup_mib"] = round(protocol.status_mib("VmHWM"), 1)
protocol.forget_peak()
if args.serve:
    protocol.serve(about, lambda line: measure(int(line)))
else:
    protocol.say(about | measure(args.steps))
