"""The benchmark models: exact shapes as transformers configs with random weights, and their FLOP per training step.

FLOP: a multiply-add is 2; causal attention counts unmasked pairs only; chosen experts only; backward is twice forward.
"""
from dataclasses import dataclass

import torch
from transformers import AutoConfig, AutoModelForCausalLM

ROPE = {"rope_type": "default", "rope_theta": 10000.0}


@dataclass(frozen=True)
class Benchmark:
    config: dict
    batch: int
    length: int


MODELS = {
    "llama-3m": Benchmark(dict(
        model_type="llama", vocab_size=1024, hidden_size=192, intermediate_size=512, num_hidden_layers=6,
        num_attention_heads=6, num_key_value_heads=2), 8, 256),
    "llama-30m": Benchmark(dict(
        model_type="llama", vocab_size=8192, hidden_size=512, intermediate_size=1408, num_hidden_layers=8,
        num_attention_heads=8, num_key_value_heads=8), 8, 256),
    "deepseek-7m": Benchmark(dict(
        model_type="deepseek_v3", vocab_size=4096, hidden_size=256, intermediate_size=704, moe_intermediate_size=128,
        num_hidden_layers=6, first_k_dense_replace=1, num_attention_heads=8, num_key_value_heads=8,
        n_routed_experts=8, n_shared_experts=1, num_experts_per_tok=2, n_group=1, topk_group=1, routed_scaling_factor=1.0,
        q_lora_rank=96, kv_lora_rank=64, qk_nope_head_dim=32, qk_rope_head_dim=16, v_head_dim=32,
        num_nextn_predict_layers=0), 8, 256),
    "smollm2-135m": Benchmark(dict(
        model_type="llama", vocab_size=49152, hidden_size=576, intermediate_size=1536, num_hidden_layers=30,
        num_attention_heads=9, num_key_value_heads=3), 2, 256),
}


def build(name: str, attention: str = "sdpa", experts: str | None = None):
    config = dict(MODELS[name].config)
    config = AutoConfig.for_model(
        config.pop("model_type"), **config, tie_word_embeddings=True, rope_parameters=ROPE,
        max_position_embeddings=2048, bos_token_id=None, eos_token_id=None, use_cache=False)
    torch.manual_seed(0)
    extra = {"experts_implementation": experts} if experts and "n_routed_experts" in MODELS[name].config else {}
    return AutoModelForCausalLM.from_config(config, attn_implementation=attention, dtype=torch.float32, **extra)


def forward_flop(name: str, batch: int, length: int) -> int:
    """FLOP of one forward pass over batch sequences of that length, all positions through the head."""
    c = MODELS[name].config
    d, heads, layers = c["hidden_size"], c["num_attention_heads"], c["num_hidden_layers"]
    if c["model_type"] == "llama":
        head = d // heads
        qk = v = head
        linear = d * head * (heads + 2 * c["num_key_value_heads"]) + heads * head * d + 3 * d * c["intermediate_size"]
        weights = layers * linear
    else:
        qk, v = c["qk_nope_head_dim"] + c["qk_rope_head_dim"], c["v_head_dim"]
        q, kv = c["q_lora_rank"], c["kv_lora_rank"]
        attention = (d * q + q * heads * qk + d * (kv + c["qk_rope_head_dim"])
                     + kv * heads * (c["qk_nope_head_dim"] + v) + heads * v * d)
        dense = 3 * d * c["intermediate_size"]
        mixture = d * c["n_routed_experts"] + 3 * d * c["moe_intermediate_size"] * (c["num_experts_per_tok"] + c["n_shared_experts"])
        first = c["first_k_dense_replace"]
        weights = layers * attention + first * dense + (layers - first) * mixture
    weights += c["vocab_size"] * d
    pairs = batch * length * (length + 1) // 2
    return 2 * weights * batch * length + 2 * layers * heads * (qk + v) * pairs


def training_flop(name: str) -> int:
    b = MODELS[name]
    return 3 * forward_flop(name, b.batch, b.length)
