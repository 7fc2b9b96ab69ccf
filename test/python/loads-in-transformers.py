"""Models that tiefsuche trains load in transformers and say the same: logits, tokens, prompts, greedy answers.

Trains tiny models with the command line, a few steps each: llama, qwen2, qwen3, deepseek_v3 with experts (with nothing but
sizes in the recipe, so that our defaults must be written out), deepseek_v3 with YaRN, groups and a module for multi-token
prediction, and LoRA on the first. Then compares each run's final/ with transformers, and the adapter with PEFT.

    python loads-in-transformers.py [name …]     # needs a built checkout and requirements.txt; run.sh brings both
"""
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
import warnings
from pathlib import Path

os.environ.setdefault("HF_HUB_OFFLINE", "1")
import torch  # noqa: E402
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer, GenerationConfig, PreTrainedTokenizerFast  # noqa: E402
from transformers.utils import logging  # noqa: E402

warnings.simplefilter("ignore")
logging.set_verbosity_error()
logging.disable_progress_bar()
torch.set_num_threads(1)

root = Path(__file__).parents[2]
home = Path(tempfile.mkdtemp(prefix="tiefsuche-python-"))
environment = {**os.environ, "TIEFSUCHE_HOME": str(home), "NO_COLOR": "1"}

attention = dict(hidden_size=48, num_hidden_layers=2, num_attention_heads=4, intermediate_size=80)
latent = dict(hidden_size=48, num_hidden_layers=3, num_attention_heads=4, intermediate_size=80, moe_intermediate_size=24, n_routed_experts=8,
              num_experts_per_tok=2, n_shared_experts=1, kv_lora_rank=16, qk_nope_head_dim=8, qk_rope_head_dim=8, v_head_dim=12)
models = {
    "llama": dict(type="llama", **attention, num_key_value_heads=2, tie_word_embeddings=True, max_position_embeddings=256),
    "qwen2": dict(type="qwen2", **attention, num_key_value_heads=2),
    "qwen3": dict(type="qwen3", **attention, num_key_value_heads=2, rms_norm_eps=1e-5),
    "deepseek": dict(type="deepseek_v3", **latent, first_k_dense_replace=1),
    "deepseek-mtp": dict(type="deepseek_v3", **{**latent, "n_shared_experts": 2}, first_k_dense_replace=1, q_lora_rank=24, n_group=4, topk_group=2, routed_scaling_factor=2.5,
                         num_nextn_predict_layers=1, aux_loss_alpha=1e-3, max_position_embeddings=512, rope_theta=50000, tiefsuche_init="scaled",
                         rope_scaling=dict(type="yarn", factor=8, original_max_position_embeddings=64, beta_fast=32, beta_slow=1, mscale=1.0, mscale_all_dim=1.0)),
    "lora": {"from": "llama"},
}
problems = {"tasks": [{"task": "calendar", "difficulty": 1}, {"task": "arithmetic", "difficulty": 1}]}

texts = [
    "What is 12+34-5?", "Was ergibt 7-3+88? Rechne Schritt für Schritt.", "<|user|>12<|assistant|><think>1+1=2</think>2<|end|>",
    "  two  spaces\n\nand a new line\t.", "Größe, naïve, 漢字 → 🙂🙂 ", "", "Montag, der 3. März 2026", "thethe Theth", "<|unknown|>|>", "0123456789 ,.:;!?()=*/+-",
]
question = [{"role": "user", "content": "What is 12+34-5?"}]
conversations = [
    question,
    [{"role": "user", "content": "Welcher Wochentag ist der 3. März 2026?"}],
    [*question, {"role": "assistant", "reasoning_content": "12+34=46, 46-5=41", "content": "41"}, {"role": "user", "content": " And minus 1? "}],
    [*question, {"role": "assistant", "content": "41"}],
]

passed = failed = 0


def check(what, ok, detail=""):
    global passed, failed
    if ok:
        passed += 1
    else:
        failed += 1
        print(f"  FAILED {what}: {detail}", flush=True)


def same(what, got, expected):
    check(what, got == expected, f"tiefsuche {got!r:.300}, transformers {expected!r:.300}")


def tiefsuche(*args, cwd=None):
    done = subprocess.run(["node", str(root / "bin/tiefsuche.js"), *args], env=environment, cwd=cwd, capture_output=True, text=True)
    if done.returncode != 0:
        raise RuntimeError(f"tiefsuche {' '.join(args)} ended with {done.returncode}: {done.stderr[-2000:]}")
    return done.stdout


def train(name):
    stage = {"method": "sft", "data": problems, "steps": 12, "batch": 8, "micro_tokens": 1024,
             "optimizer": {"lr": 0.01, **({} if name == "lora" else {"muon": {"lr": 0.02}})}, "schedule": {"warmup": 2}}
    recipe = {"name": name, "why": "does transformers read it?", "model": models[name], "stages": [{**stage, **({"mtp_weight": 0.3} if "mtp" in name else {})}]}
    if name == "lora":
        recipe["lora"] = {"rank": 4, "alpha": 8}
    else:
        recipe["tokenizer"] = {"tasks": ["calendar", "arithmetic"]}
    (home / f"{name}.yaml").write_text(json.dumps(recipe))  # JSON is YAML
    tiefsuche("train", str(home / f"{name}.yaml"), "--run", name, "--json")
    return home / "runs" / name / "final"


def logits_of(model, *options):
    return torch.tensor([json.loads(line)["logits"] for line in tiefsuche("logits", model, "--ids", ",".join(map(str, ids_for(model))), *options, "--json").splitlines()])


def ids_for(model):
    vocabulary = json.loads((home / "runs" / Path(model).name / "final/config.json").read_text())["vocab_size"]
    return torch.randint(vocabulary, (90,), generator=torch.Generator().manual_seed(1)).tolist()


def compare_logits(what, ours, model, ids):
    with torch.no_grad():
        theirs = model(torch.tensor([ids])).logits[0]
    error, largest = (ours - theirs).abs().max().item(), theirs.abs().max().item()
    check(f"{what}: logits", ours.shape == theirs.shape and error <= 1e-5 * max(largest, 1), f"off by {error} of {largest}")
    return error


def examine(name, folder):
    config = AutoConfig.from_pretrained(folder)
    # A module for multi-token prediction is not read: its weights, and only they, are left over.
    model, info = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, attn_implementation="eager", output_loading_info=True)
    same("missing weights", sorted(info["missing_keys"]), [])
    same("weights of another shape", sorted(info["mismatched_keys"]), [])
    left = [k for k in info["unexpected_keys"] if not k.startswith(f"model.layers.{config.num_hidden_layers}.")]
    same("weights left over", left, [])
    written = json.loads((folder / "config.json").read_text())
    same("architecture", written.get("architectures"), [type(model).__name__])

    error = compare_logits("final", logits_of(name), model, ids_for(name))

    # AutoTokenizer makes every qwen2 model a byte-level one, whatever its folder says; ours is not.
    tokenizer = (PreTrainedTokenizerFast if config.model_type == "qwen2" else AutoTokenizer).from_pretrained(folder)
    ours = json.loads(subprocess.run(["node", "--import", "tsx", str(root / "test/python/ours.ts"), str(folder)], cwd=root, check=True, capture_output=True, text=True,
                                     input=json.dumps({"texts": texts, "conversations": conversations})).stdout)
    for i, text in enumerate(texts):
        ids = tokenizer.encode(text, add_special_tokens=False)
        same(f"ids of {text!r}", ours["ids"][i], ids)
        same(f"ids of {text!r} as a call", ours["ids"][i], tokenizer(text)["input_ids"])
        same(f"text of {text!r}", ours["decoded"][i], tokenizer.decode(ids))
        same(f"text of {text!r} without special tokens", ours["withoutSpecial"][i], tokenizer.decode(ids, skip_special_tokens=True))
    for i, messages in enumerate(conversations):
        ask = messages[-1]["role"] == "user"
        same(f"prompt {i}", ours["prompts"][i], tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=ask))
        same(f"ids of prompt {i}", ours["promptIds"][i], tokenizer.apply_chat_template(messages, add_generation_prompt=True, return_dict=False))

    ends = GenerationConfig.from_pretrained(folder)
    same("end of an answer", ends.eos_token_id if isinstance(ends.eos_token_id, list) else [ends.eos_token_id], [tokenizer.convert_tokens_to_ids("<|end|>")])
    same("padding", ends.pad_token_id, tokenizer.pad_token_id)
    same("padding in config.json", config.pad_token_id, tokenizer.pad_token_id)
    same("end in config.json", config.eos_token_id if isinstance(config.eos_token_id, list) else [config.eos_token_id], [tokenizer.eos_token_id])
    same("beginning in config.json", config.bos_token_id, None)
    compare_answer(name, model, tokenizer, ours["promptIds"][0])
    return error


def compare_answer(name, model, tokenizer, prompt):
    answer = json.loads(tiefsuche("chat", name, "--prompt", question[0]["content"], "--temperature", "0", "--max-tokens", "24", "--json"))
    with torch.no_grad():
        out = model.generate(torch.tensor([prompt]), attention_mask=torch.ones(1, len(prompt), dtype=torch.long), max_new_tokens=24, do_sample=False)[0, len(prompt):].tolist()
        logp = model(torch.tensor([prompt + out])).logits[0, len(prompt) - 1:-1].log_softmax(-1)
    same("greedy answer", answer["token_ids"], out)
    gap = max((abs(ours - logp[i, token].item()) for i, (token, ours) in enumerate(zip(answer["token_ids"], answer["logprobs"]))), default=0)
    check("log-probabilities of the answer", gap < 2e-5, f"off by {gap}")


def examine_adapter(base):
    from peft import PeftModel
    folder = home / "runs/lora/adapter"
    adapted = PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32, attn_implementation="eager"), folder).eval()
    ids = ids_for("lora")
    compare_logits("PEFT on the base against our merged weights", logits_of("lora"), adapted, ids)
    plain = AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32)
    with torch.no_grad():
        change = (plain(torch.tensor([ids])).logits - adapted(torch.tensor([ids])).logits).abs().max().item()
    check("the adapter changes something", change > 1e-3, f"{change}")


def main():
    wanted = sys.argv[1:] or list(models)
    try:
        for name in wanted if "lora" not in wanted or "llama" in wanted else ["llama", *wanted]:
            start = time.monotonic()
            try:
                folder = train(name)
                trained = time.monotonic()
                error = examine(name, folder)
                if name == "lora":
                    examine_adapter(home / "runs/llama/final")
                print(f"{name}: trained in {trained - start:.0f} s, compared in {time.monotonic() - trained:.0f} s; logits differ by {error:.1e} at most", flush=True)
            except Exception as error:  # the other models are still worth a look
                check(name, False, f"{type(error).__name__}: {error}")
    finally:
        shutil.rmtree(home, ignore_errors=True)
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
