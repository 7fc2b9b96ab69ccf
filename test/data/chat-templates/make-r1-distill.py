"""Adds DeepSeek-R1-Distill-Qwen's template to goldens.json: the same conversations, rendered by transformers.

Run: python make-r1-distill.py     (versions: bench/peers/requirements.txt)
"""
import json
from pathlib import Path

from transformers.utils.chat_template_utils import render_jinja_template

here, name = Path(__file__).parent, "deepseek-ai-DeepSeek-R1-Distill-Qwen-32B.jinja"
goldens = json.loads((here / "goldens.json").read_text())
template = (here / name).read_text()
variables = {"bos_token": "<｜begin▁of▁sentence｜>", "eos_token": "<｜end▁of▁sentence｜>"}
goldens["cases"] = [c for c in goldens["cases"] if c["template"] != name]
for key, conversation in goldens["conversations"].items():
    tools = goldens["tools"] if key == "tools" else None
    for add in (False, True):
        try:
            text, _ = render_jinja_template(conversations=[conversation], tools=tools, chat_template=template, add_generation_prompt=add, **variables)
        except Exception as why:  # the template refuses what it does not know
            print(f"{key}: {type(why).__name__}: {why}")
            continue
        goldens["cases"].append({"template": name, "conversation": key, "variables": variables, "addGenerationPrompt": add, "expected": text[0]})
(here / "goldens.json").write_text(json.dumps(goldens, indent=1, ensure_ascii=False) + "\n")
