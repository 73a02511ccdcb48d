"""How much GPU memory training and sampling take, worked out from the sizes of a model and the settings.

Training, in bytes, with b bytes a number (2 in bfloat16, 4 in float32):

    weights      b · all parameters; with nf4 the layers' matrices at 0.516 (4 bits, their scales quantised), and one
                 of them unpacked
    adapter      16 · its parameters (float32: itself, its gradient, Adam's two means), and its copy in b; where all
                 weights are trained the same of them, in place of both
    activations  tokens · layers · layer; with checkpointing tokens · (layers · b · hidden + layer)
    logits       answer tokens · b · vocabulary, their gradient in the same place

where a layer keeps for its backward pass, a token: the input of both norms in float32 (8 · hidden), what they put out
(2b · hidden), queries, keys and values once a query head, the attention's result twice (5b · heads · width), and gate,
up and their product (3b · intermediate), and what each pair of LoRA matrices passes on (7b · rank). `train.fused`,
`train.attention` and `train.loss` are what makes it so little: an edit of theirs is an edit here. DoRA keeps the result
of every matrix too.

Sampling: b · all parameters, the attention cache, 2b · layers · key heads · width a token, and the logits of a step. Of
cards that share a model each has its part of the weights and of the cache, which has no more parts than key heads. A
constant stands for the CUDA context and what the allocator holds between.

What a layer keeps was compared with what autograd saves (the tests do it). The peak on a GPU is higher, by what a
backward pass holds besides: activations and logits count PASSING times, the one factor that is fitted, to one figure
(8.3 GB: Qwen2.5-Coder-0.5B, H200, 16 rows at a time).
"""

from __future__ import annotations

from dataclasses import dataclass

from halo_forge.settings.training import Lora, Training

CONTEXT = 0.7e9
"""Bytes of a CUDA context, with the work areas of the matrix products; `torch.cuda.max_memory_allocated` has no part
of them."""
FRAGMENTS = 1.1
"""What the allocator holds for each byte that is asked for."""
PASSING = 1.5
NF4 = 0.516
BYTES = {"bfloat16": 2, "float32": 4, "auto": 4}
"""A number; `auto` at its larger."""


@dataclass(frozen=True)
class Shape:
    """A decoder of ordinary attention layers with gated MLPs: the sizes of its config.json."""

    layers: int
    hidden: int
    intermediate: int
    heads: int
    key_heads: int
    width: int
    """Of one head."""
    vocabulary: int
    tied: bool
    """The output layer is the embedding."""
    biases: bool = True
    """Of queries, keys and values."""

    @classmethod
    def of(cls, config: object) -> Shape:
        """The sizes of a transformers config, Llama's or Qwen2's."""
        heads = config.num_attention_heads
        return cls(
            layers=config.num_hidden_layers,
            hidden=config.hidden_size,
            intermediate=config.intermediate_size,
            heads=heads,
            key_heads=config.num_key_value_heads,
            width=getattr(config, "head_dim", None) or config.hidden_size // heads,
            vocabulary=config.vocab_size,
            tied=config.tie_word_embeddings,
            biases=config.model_type == "qwen2",
        )

    @property
    def matrices(self) -> dict[str, tuple[int, int]]:
        """Those of one layer: name to (in, out)."""
        queries, keys = self.heads * self.width, self.key_heads * self.width
        return {
            "q_proj": (self.hidden, queries),
            "k_proj": (self.hidden, keys),
            "v_proj": (self.hidden, keys),
            "o_proj": (queries, self.hidden),
            "gate_proj": (self.hidden, self.intermediate),
            "up_proj": (self.hidden, self.intermediate),
            "down_proj": (self.intermediate, self.hidden),
        }

    @property
    def in_matrices(self) -> int:
        """Numbers in the layers' matrices."""
        return self.layers * sum(rows * columns for rows, columns in self.matrices.values())

    @property
    def parameters(self) -> int:
        norms = self.hidden * (2 * self.layers + 1)
        biases = self.layers * (self.heads + 2 * self.key_heads) * self.width if self.biases else 0
        embeddings = self.vocabulary * self.hidden * (1 if self.tied else 2)
        return self.in_matrices + norms + biases + embeddings

    def adapted(self, lora: Lora) -> int:
        """Parameters of an adapter."""
        names = self.matrices if lora.target_modules == "all-linear" else lora.target_modules
        sizes = [self.matrices[name] for name in names]
        return self.layers * sum(lora.r * (rows + columns) + lora.use_dora * columns for rows, columns in sizes)


QWEN2_5_CODER = {
    "0.5b": Shape(24, 896, 4864, 14, 2, 64, 151936, tied=True),
    "1.5b": Shape(28, 1536, 8960, 12, 2, 128, 151936, tied=True),
    "3b": Shape(36, 2048, 11008, 16, 2, 128, 151936, tied=True),
    "7b": Shape(28, 3584, 18944, 28, 4, 128, 152064, tied=False),
}
"""Qwen2.5-Coder-Instruct, by the hub's config.json."""


def training(
    shape: Shape, settings: Training, lora: Lora | None, tokens: int | None = None, answers: int | None = None
) -> float:
    """Bytes that tensors take at the peak of a step, as `torch.cuda.max_memory_allocated` counts.

    `tokens` of a packed micro-batch and `answers`, the places among them that are learnt; left out, the most that the
    settings let in: rows of max_tokens that share nothing, all of it answer.
    """
    tokens = settings.micro_batch_size * settings.max_tokens if tokens is None else tokens
    answers = tokens if answers is None else answers
    b = BYTES[settings.dtype]
    weights = float(b * shape.parameters) if lora else 0.0
    if settings.base_weights == "nf4":
        largest = max(rows * columns for rows, columns in shape.matrices.values())
        weights += (NF4 - b) * shape.in_matrices + b * largest
    copy = b if lora or b < BYTES["float32"] else 0
    trained = (16 + copy) * (shape.adapted(lora) if lora else shape.parameters)
    layer = kept_by_layer(shape, b, lora)
    if settings.gradient_checkpointing:
        activations = tokens * (shape.layers * b * shape.hidden + layer)
    else:
        activations = tokens * shape.layers * layer
    return weights + trained + PASSING * (activations + answers * b * shape.vocabulary)


def kept_by_layer(shape: Shape, b: int, lora: Lora | None) -> float:
    """Bytes that a layer keeps of a token for its backward pass, with b bytes a number."""
    kept = 8 * shape.hidden + 2 * b * shape.hidden + 5 * b * shape.heads * shape.width + 3 * b * shape.intermediate
    kept += 7 * b * lora.r if lora else 0
    if lora and lora.use_dora:
        kept += b * sum(columns for _, columns in shape.matrices.values())
    return kept


def sampling(shape: Shape, dtype: str, sequences: int, length: int, cards: int = 1) -> float:
    """Bytes of weights, of the attention cache of `sequences` of `length` tokens, and of a step's logits, on each of
    the `cards` that share the model."""
    b = BYTES[dtype]
    cache = 2 * b * shape.layers * shape.key_heads * shape.width * length / min(cards, shape.key_heads)
    return b * shape.parameters / cards + sequences * (cache + 4 * shape.vocabulary)


def of_gpu(tensors: float) -> float:
    """Bytes that a GPU must have for tensors of so many."""
    return FRAGMENTS * tensors + CONTEXT
