"""The requests that are recorded in every captured page: plausible for a Qwen3-VL of 8 billion parameters, and always the same."""

import random
from dataclasses import dataclass

MODEL = "Qwen/Qwen3-VL-8B-Instruct"
MAX_MODEL_LEN = 32768
KV_TOKENS = 262144
BLOCK = 16


@dataclass
class Request:
    """One request from its arrival to its end; seconds and tokens."""

    prompt: int
    cached: int
    output: int
    images: int
    image_hits: int
    queue: float
    prefill: float
    front_end: float
    between_tokens: float
    reason: str
    streams: bool
    preemptions: int

    @property
    def first_token(self) -> float:
        return self.front_end + self.queue + self.prefill

    @property
    def decode(self) -> float:
        return self.between_tokens * max(self.output - 1, 0)

    @property
    def whole(self) -> float:
        return self.first_token + self.decode


def requests() -> list[Request]:
    """Twenty-four requests: every reason to end, with and without images, streamed and not."""
    chance = random.Random(20261129)
    # A client that goes away and an error are rare; both have to be in the page.
    reasons = ["stop"] * 16 + ["length"] * 5 + ["abort"] * 2 + ["error"]
    made = []
    for number, reason in enumerate(reasons):
        images = number % 3
        prompt = chance.randint(200, 900) + 1100 * images
        cached = (prompt // 2) // BLOCK * BLOCK if number % 4 == 0 else 0
        made.append(
            Request(
                prompt=prompt,
                cached=cached,
                output=chance.randint(24, 96),
                images=images,
                image_hits=images if number % 4 == 0 else 0,
                queue=chance.choice([0.002, 0.02, 0.4, 1.7]),
                prefill=0.03 + prompt / 12000,
                front_end=0.015 + 0.12 * images,
                between_tokens=chance.uniform(0.011, 0.034),
                reason=reason,
                streams=number % 2 == 0,
                preemptions=1 if number == 7 else 0,
            )
        )
    return made
