"""transformers' generate with KV cache, the peer of `npm run bench -- generate`: one JSON line.

SmolLM2-135M's shape in f32 with random weights (speed does not depend on their values), greedy, prompt 64, 128 new tokens.
  python generate.py --batch 1 --threads 2 [--repeats 3] [--json]
  python generate.py --batch 16 --serve        then per stdin line N: N generations, one JSON line (protocol.py)
tokens_per_s = batch * new / seconds of the whole call, prompt included; decode_tokens_per_s leaves the prompt out.
"""
import argparse
import statistics
import time

import protocol

parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
parser.add_argument("--model", default="smollm2-135m", choices=["llama-3m", "llama-30m", "deepseek-7m", "smollm2-135m"])
parser.add_argument("--batch", type=int, default=1)
parser.add_argument("--prompt", type=int, default=64)
parser.add_argument("--new", type=int, default=128)
parser.add_argument("--repeats", type=int, default=3)
parser.add_argument("--threads", type=int, default=2)
parser.add_argument("--attention", default="sdpa", choices=["sdpa", "eager"])
parser.add_argument("--serve", action="store_true")
parser.add_argument("--json", action="store_true", help="accepted for symmetry: the answer is always JSON")
args = parser.parse_args()

import torch  # noqa: E402
import transformers  # noqa: E402
import models  # noqa: E402

transformers.logging.set_verbosity_error()
torch.set_num_threads(args.threads)
torch.set_num_interop_threads(1)
rss_before_model = protocol.status_mib("VmRSS")
model = models.build(args.model, args.attention, "grouped_mm").eval()
model.config.use_cache = True
vocabulary = model.config.vocab_size
prompt = torch.randint(vocabulary, (args.batch, args.prompt), generator=torch.Generator().manual_seed(1))
mask = torch.ones_like(prompt)


@torch.inference_mode()
def generate(new: int) -> float:
    start = time.perf_counter()
    out = model.generate(prompt, attention_mask=mask, do_sample=False, use_cache=True, max_new_tokens=new,
                         min_new_tokens=new, eos_token_id=None, pad_token_id=0)
    assert out.shape == (args.batch, args.prompt + new)
    return time.perf_counter() - start


def measure(repeats: int) -> dict:
    with protocol.Stopwatch() as watch:
        seconds = statistics.median(generate(args.new) for _ in range(repeats))
        first = generate(1)
    weight_bytes = 4 * sum(p.numel() for p in model.parameters())
    decode = (args.new - 1) / (seconds - first)
    return {"repeats": repeats, "tokens_per_s": round(args.batch * args.new / seconds, 2),
            "decode_tokens_per_s": round(args.batch * decode, 2), "first_token_ms": round(1000 * first, 1),
            "weights_gb_per_s": round(weight_bytes * decode / 1e9, 2),
            } | watch.report() | {"peak_rss_mib": round(protocol.status_mib("VmHWM"), 1)}


about = {"peer": "transformers", "torch": torch.__version__, "transformers": transformers.__version__, "model": args.model,
         "batch": args.batch, "prompt": args.prompt, "new": args.new, "threads": args.threads,
         "rss_before_model_mib": round(rss_before_model, 1)}
generate(8)
if args.serve:
    protocol.serve(about, lambda line: measure(int(line)))
else:
    protocol.say(about | measure(args.repeats))
