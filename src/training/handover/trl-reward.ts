// reward.py: the verifiers of src/reasoning in Python, as TRL calls them. test/python/handover.sh compares the two on
// answers that are right, wrong and broken; whoever changes one side changes the other.

import type { ThoughtPlace } from '../../reasoning/thinking.ts';

/**
 * @param longest tokens of an answer; within `margin` of it an answer loses reward in proportion
 * @param place where the model's answers begin, and its tags of thinking
 */
export const rewardPython = ({ longest, margin, place: { inside, tags } }: { longest: number; margin: number; place: Required<ThoughtPlace> }): string => `${source}
LONGEST, MARGIN = ${longest}, ${margin}
# Answers begin inside a thought where the chat template opens it.
OPEN, CLOSE, INSIDE = ${JSON.stringify(tags.open)}, ${JSON.stringify(tags.close)}, ${inside ? 'True' : 'False'}
`;

const source = String.raw`"""The reward of an answer, as tiefsuche gives it: 1 for a right answer behind a closed thought, else 0 or a part.
TRL calls score(); each row of data/train.jsonl says how its answer is judged. Written by tiefsuche handover."""

import json
import re
from fractions import Fraction
from functools import lru_cache

WHITE = "\t\n\v\f\r \u00a0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u2028\u2029\u202f\u205f\u3000\ufeff"


def plain(text):
    """Without white space around it and a final full stop."""
    text = text.strip(WHITE)
    return text[:-1].rstrip(WHITE) if text.endswith(".") else text


def last_number(text):
    numbers = re.findall(r"-?[0-9]+(?:\.[0-9]+)?", re.sub(r"(?<=[0-9]),(?=[0-9]{3})", "", text))
    return float(numbers[-1]) if numbers else None


def value(text):
    """Of an expression of + - * / and brackets: (value, its numbers), exactly; None for anything else."""
    if len(text) > 200 or re.search(r"[^0-9+\-*/() ]", text):
        return None
    tokens, numbers, at = re.findall(r"[0-9]+|[^0-9 ]", text), [], 0

    def take(kinds):
        nonlocal at
        if at < len(tokens) and tokens[at] in kinds:
            at += 1
            return tokens[at - 1]
        return None

    def total():
        left = product()
        while sign := take("+-"):
            right = product()
            left = left + right if sign == "+" else left - right
        return left

    def product():
        left = atom()
        while sign := take("*/"):
            right = atom()
            left = left * right if sign == "*" else left / right
        return left

    def atom():
        nonlocal at
        if take("("):
            inner = total()
            if not take(")"):
                raise ValueError
            return inner
        if at >= len(tokens) or not tokens[at].isdigit():
            raise ValueError
        numbers.append(int(tokens[at]))
        at += 1
        return Fraction(numbers[-1])

    try:
        result = total()
    except (ValueError, ZeroDivisionError):
        return None
    return (result, numbers) if at == len(tokens) else None


def judge(verifier, expected, numbers, content):
    if verifier == "exact":
        return float(plain(content) == expected)
    if verifier == "choice":
        return float(plain(content).lower() == expected.lower())
    if verifier == "last_number":
        found = last_number(content)
        return float(expected != "" and found is not None and found == float(expected))
    if verifier == "countdown":
        found = value(plain(content))
        return float(found is not None and found[0] == int(expected) and sorted(found[1]) == sorted(numbers))
    if verifier == "digit_sequence":
        content = content.strip(WHITE)
        if content == expected:
            return 1.0
        same = 0
        while same < min(len(content), len(expected)) and content[same] == expected[same]:
            same += 1
        return 0.9 * same / len(expected) if expected else 0.0
    raise ValueError(f"reward.py has no verifier {verifier}")


def reward(text, verifier, expected, numbers, thinks):
    """Of a whole completion: thought and answer, or the answer alone where no thought is asked for."""
    begun, closed, content = text.lstrip(WHITE), False, text
    if INSIDE or begun.startswith(OPEN):
        _, end, content = begun.partition(CLOSE)
        closed, content = end != "", content.lstrip(WHITE)
    if thinks and not (closed and content.strip(WHITE)):
        return 0.0
    return judge(verifier, expected, numbers, content)


def too_long(length):
    """What an answer of so many tokens loses."""
    return max(-1.0, min(0.0, (LONGEST - MARGIN - length) / MARGIN)) if MARGIN else 0.0


@lru_cache(1)
def tokenizer():
    """The model's, and the ids that end an answer."""
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained("model")
    with open("model/generation_config.json") as file:
        said = json.load(file).get("eos_token_id")
    return tokenizer, {tokenizer.eos_token_id, *(said if isinstance(said, list) else [said])}


def score(completion_ids, verifier, expected, numbers, thinks, **_):
    """From ids, because the tags of the thought may be tokens that TRL's own texts leave out. Only what came to its end counts."""
    decoder, ends = tokenizer()
    rewards = []
    for ids, *row in zip(completion_ids, verifier, expected, numbers, thinks):
        ids = [int(i) for i in ids]
        finished = bool(ids) and ids[-1] in ends
        rewards.append((reward(decoder.decode(ids[:-1], skip_special_tokens=False), *row) if finished else 0.0) + too_long(len(ids)))
    return rewards

`;
