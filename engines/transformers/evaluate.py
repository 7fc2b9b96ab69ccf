"""What transformers makes of a model folder, for a parity proof: the same request and answer as engines/llama/evaluate.js.

With "base", "model" is a PEFT adapter on top of the folder "base". Reads JSON on stdin, answers JSON on the last line of stdout.
"""
import json
import sys
import warnings

import numpy
import torch
import transformers
from transformers import AutoModelForCausalLM, PreTrainedTokenizerFast

warnings.simplefilter("ignore")
transformers.utils.logging.set_verbosity_error()
transformers.utils.logging.disable_progress_bar()
torch.set_num_threads(1)
request = json.load(sys.stdin)
folder = request.get("base") or request["model"]
model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, attn_implementation="eager").eval()
engine = f"transformers {transformers.__version__}"
if request.get("base"):
    import peft

    model = peft.PeftModel.from_pretrained(model, request["model"]).eval()
    engine += f", peft {peft.__version__}"
tokenizer = PreTrainedTokenizerFast.from_pretrained(folder)
with torch.no_grad(), open(request["logits"], "wb") as file:
    for ids in request["ids"]:
        file.write(model(torch.tensor([ids])).logits[0].float().numpy().astype(numpy.float32).tobytes())
    prompt = request["prompt"]
    out = model.generate(input_ids=torch.tensor([prompt]), attention_mask=torch.ones(1, len(prompt), dtype=torch.long), max_new_tokens=request["maxNew"], do_sample=False)
texts, chat = [tokenizer.encode(text, add_special_tokens=False) for text in request["texts"]], None
if request.get("messages"):  # the last text is the conversation: rendered here again
    rendered = tokenizer.apply_chat_template(request["messages"], tokenize=False, add_generation_prompt=True)
    texts[-1] = tokenizer.encode(rendered, add_special_tokens=False)
    chat = tokenizer.apply_chat_template(request["messages"], add_generation_prompt=True, return_dict=False)
ends = model.generation_config.eos_token_id
ends = ends if isinstance(ends, list) else [] if ends is None else [ends]
print(json.dumps({
    "engine": engine, "vocab": model.config.vocab_size, "texts": texts, "template": tokenizer.chat_template if isinstance(tokenizer.chat_template, str) else None,
    "greedy": out[0, len(prompt):].tolist(), "ends": ends, "end": ends[0] if tokenizer.eos_token_id is None and ends else tokenizer.eos_token_id,
    "framed": tokenizer.encode(request["texts"][0]), "chat": chat,
}))
