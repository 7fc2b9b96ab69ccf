"""Renders every template here with transformers and stores the texts in goldens.json.

Conversations, tools and the {% generation %} cases of goldens.json are kept; `cases` are made anew. A template may refuse
a conversation (raise_exception, a field it needs): then the case says so, and ours must refuse it too.

Run: python make-goldens.py     (versions: bench/peers/requirements.txt)
"""
import datetime
import json
from pathlib import Path

from transformers.utils import chat_template_utils

here = Path(__file__).parent


class Clock(datetime.datetime):
    @classmethod
    def now(cls, tz=None):
        return cls(2026, 3, 9, 7, 5, 4, tzinfo=tz)


chat_template_utils.datetime = Clock

goldens = json.loads((here / "goldens.json").read_text())
goldens["conversations"]["parts"] = [
    {"role": "user", "content": [{"type": "text", "text": "Ein Satz."}, {"type": "text", "text": " Noch einer."}]},
    {"role": "assistant", "content": [{"type": "text", "text": "Ja."}]},
    {"role": "user", "content": "Weiter"},
]
special = {
    "deepseek": {"bos_token": "<｜begin▁of▁sentence｜>", "eos_token": "<｜end▁of▁sentence｜>"},
}
variants = [{}, {"enable_thinking": False}, {"reasoning_effort": "high"}, {"thinking": True}]
cases = []
for path in sorted(here.glob("*.jinja")):
    template = path.read_text()
    tokens = special["deepseek"] if "deepseek-ai" in path.name else {"bos_token": "<s>", "eos_token": "</s>"}
    for key, conversation in goldens["conversations"].items():
        for variant in variants:
            if any(name not in template for name in variant):
                continue
            for add in (False, True):
                if variant and (not add or key not in ("system", "thinking")):
                    continue
                case = {"template": path.name, "conversation": key, "variables": {**tokens, **variant}, "addGenerationPrompt": add}
                try:
                    text, _ = chat_template_utils.render_jinja_template(
                        conversations=[conversation], tools=goldens["tools"] if key == "tools" else None,
                        chat_template=template, add_generation_prompt=add, **tokens, **variant)
                    case["expected"] = text[0]
                except Exception as why:
                    case["refused"] = f"{type(why).__name__}: {why}"
                # Lists of parts in templates that know only texts: an error in Python, or Python's spelling of a list. Neither is worth matching.
                if key == "parts" and "'type'" in case.get("expected", "'type'"):
                    continue
                cases.append(case)
goldens["cases"] = cases
(here / "goldens.json").write_text(json.dumps(goldens, indent=1, ensure_ascii=False) + "\n")
print(len(cases), "cases,", sum("refused" in c for c in cases), "refused")
