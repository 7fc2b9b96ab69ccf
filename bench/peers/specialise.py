"""transformers + peft specialise a model on the rows of one of our runs, the peer of `npm run bench -- specialise`.

The job folder, written by bench/specialise.ts, holds: base/ (Hugging Face folder, f32), adapter/ (the adapters as our run
began with them), job.json (settings, which rows come in which step, factor of the learning rate of each step).
Independent here: chat template and tokenizer, forward, backward, clipping, AdamW, generation. Loss on the answer only, mean
over the answers' tokens of a step; f32. Progress on stderr, one JSON line on stdout at the end.
  python specialise.py --job FOLDER --threads 2 [--own-beginning SEED] [--before]
"""
import argparse
import json
import sys
import time
from pathlib import Path

import protocol

parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
parser.add_argument("--job", required=True, type=Path)
parser.add_argument("--threads", type=int, default=2)
parser.add_argument("--own-beginning", type=int, metavar="SEED", help="PEFT's own random adapters and an order of rows of its own")
parser.add_argument("--before", action="store_true", help="ask the untouched model first")
args = parser.parse_args()

import peft  # noqa: E402  (after the arguments, so that --help is quick)
import torch  # noqa: E402
import transformers  # noqa: E402

transformers.logging.set_verbosity_error()
transformers.logging.disable_progress_bar()
torch.set_num_threads(args.threads)
torch.set_num_interop_threads(1)
rss_before_model = protocol.status_mib("VmRSS")

job = json.loads((args.job / "job.json").read_text())
tokenizer = transformers.AutoTokenizer.from_pretrained(args.job / "base")
base = transformers.AutoModelForCausalLM.from_pretrained(args.job / "base", dtype=torch.float32, attn_implementation="sdpa")
stops = [tokenizer.convert_tokens_to_ids(t) for t in job["stops"]]
pad = stops[0]


def read(name: str) -> list:
    return [json.loads(line)["messages"] for line in Path(job[name]).read_text().splitlines()]


def prompt_of(messages: list) -> list:
    text = tokenizer.apply_chat_template(messages[:-1], tokenize=False, add_generation_prompt=True)
    return tokenizer(text, add_special_tokens=False)["input_ids"]


def encode(messages: list) -> tuple:
    """Ids, and where the answer begins; the answer ends with the token that ends a turn."""
    prompt = prompt_of(messages)
    return prompt + tokenizer(messages[-1]["content"], add_special_tokens=False)["input_ids"] + [stops[0]], len(prompt)


def batch_of(rows: list) -> tuple:
    length = max(len(ids) for ids, _ in rows)
    ids = torch.full((len(rows), length), pad)
    mask = torch.zeros((len(rows), length), dtype=torch.long)
    labels = torch.full((len(rows), length), -100)
    for i, (row, start) in enumerate(rows):
        ids[i, :len(row)], mask[i, :len(row)] = torch.tensor(row), 1
        labels[i, start:len(row)] = ids[i, start:len(row)]
    return ids, mask, labels


def loss_of(rows: list) -> torch.Tensor:
    """Logits at the answers only, as ours: a row before each target."""
    ids, mask, labels = batch_of(rows)
    hidden = inner.model(input_ids=ids, attention_mask=mask, use_cache=False).last_hidden_state
    targets = labels[:, 1:]
    wanted = targets != -100
    return torch.nn.functional.cross_entropy(inner.lm_head(hidden[:, :-1][wanted]), targets[wanted])


@torch.no_grad()
def accuracy(rows: list, size: int = 25) -> tuple:
    model.eval()
    answers = []
    for start in range(0, len(rows), size):
        prompts = [prompt_of(m) for m in rows[start:start + size]]
        longest = max(map(len, prompts))
        ids = torch.tensor([[pad] * (longest - len(p)) + p for p in prompts])
        mask = torch.tensor([[0] * (longest - len(p)) + [1] * len(p) for p in prompts])
        out = model.generate(input_ids=ids, attention_mask=mask, max_new_tokens=job["max_new_tokens"], do_sample=False, eos_token_id=stops, pad_token_id=pad)
        for new in out[:, longest:].tolist():
            end = next((i for i, t in enumerate(new) if t in stops), None)
            answers.append(None if end is None else tokenizer.decode(new[:end], skip_special_tokens=True).strip().removesuffix(".").strip())
    model.train()
    right = [a is not None and a.lower() == m[-1]["content"].strip().lower() for a, m in zip(answers, rows)]
    return sum(right) / len(rows), answers


train, test = read("train"), read("test")
if args.own_beginning is None:
    model = peft.PeftModel.from_pretrained(base, args.job / "adapter", is_trainable=True)
    order = job["rows"]
else:
    torch.manual_seed(args.own_beginning)
    model = peft.get_peft_model(base, peft.LoraConfig(r=job["rank"], lora_alpha=job["alpha"], target_modules=job["targets"], task_type="CAUSAL_LM"))
    flat = sum((torch.randperm(len(train)).tolist() for _ in range(1 + sum(map(len, job["rows"])) // len(train))), [])
    order, at = [], 0
    for rows in job["rows"]:
        order.append(flat[at:at + len(rows)])
        at += len(rows)
inner = model.base_model.model
model.train()
trained = [p for p in model.parameters() if p.requires_grad]
optimizer = torch.optim.AdamW(trained, lr=job["lr"], betas=(job["beta1"], job["beta2"]), eps=job["eps"], weight_decay=job["weight_decay"], fused=True)
encoded = [encode(m) for m in train]
before = accuracy(test)[0] if args.before else None

losses, tokens, watch = [], 0, protocol.Stopwatch()
with watch:
    for step, rows in enumerate(order):
        chosen = [encoded[r] for r in rows]
        for group in optimizer.param_groups:
            group["lr"] = job["lr"] * job["factors"][step]
        loss = loss_of(chosen)
        loss.backward()
        if job["clip"] > 0:
            torch.nn.utils.clip_grad_norm_(trained, job["clip"])
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        losses.append(round(loss.item(), 6))
        tokens += sum(len(ids) for ids, _ in chosen)
        if (step + 1) % 10 == 0:
            print(f"step {step + 1} of {len(order)}, loss {losses[-1]:.4f}, {time.process_time():.0f} s of processor time", file=sys.stderr, flush=True)
start = time.perf_counter()
after, answers = accuracy(test)
protocol.say({
    "peer": "transformers + peft", "torch": torch.__version__, "transformers": transformers.__version__, "peft": peft.__version__, "threads": args.threads,
    "beginning": "ours" if args.own_beginning is None else f"its own, seed {args.own_beginning}", "parameters": sum(p.numel() for p in trained), "tokens": tokens,
    "before": before, "after": after, "answers": answers, "losses": losses, "train": watch.report(), "evaluation_seconds": round(time.perf_counter() - start, 1),
    "rss_before_model_mib": round(rss_before_model, 1), "peak_rss_mib": round(protocol.status_mib("VmHWM"), 1),
})
