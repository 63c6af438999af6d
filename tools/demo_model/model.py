"""The Qwen2 decoder in plain PyTorch, arranged for training on one CPU core.

The arithmetic is that of Hugging Face's `Qwen2ForCausalLM`: RMSNorm before each block, biased
q/k/v projections, grouped-query attention, rotate-half RoPE, SwiGLU and a tied output head.  The
q/k/v and the gate/up matrices are kept fused while training, because a few wide products run
faster than many narrow ones; `export.py` splits them into the published tensor names.
"""

from dataclasses import asdict, dataclass

import torch
from torch import nn
from torch.nn import functional as F


@dataclass(frozen=True)
class ModelConfig:
    """Sizes of the network; the defaults give about 4 million parameters."""

    vocab_size: int = 4096
    hidden_size: int = 256
    num_layers: int = 4
    num_heads: int = 4
    num_kv_heads: int = 2
    head_dim: int = 64
    intermediate_size: int = 704
    rope_theta: float = 1_000_000.0
    rms_norm_eps: float = 1e-6
    initializer_range: float = 0.02
    max_position_embeddings: int = 4096

    def to_dict(self):
        """Return the sizes as a plain dictionary (for checkpoints)."""
        return asdict(self)


class RmsNormFunction(torch.autograd.Function):
    """RMSNorm with a hand-written backward: fewer passes over memory than the traced one."""

    @staticmethod
    def forward(ctx, x, weight, eps):
        """Scale each row of `x` to unit root mean square, then by `weight`."""
        xf = x.float()
        inverse = torch.rsqrt(xf.pow(2).mean(-1, keepdim=True) + eps)
        unit = xf.mul_(inverse) if x.dtype != torch.float32 else xf * inverse
        unit = unit.to(x.dtype)
        ctx.save_for_backward(unit, inverse, weight)
        return unit * weight.to(x.dtype)

    @staticmethod
    def backward(ctx, grad):
        """Return the gradients of the input and of the weight."""
        unit, inverse, weight = ctx.saved_tensors
        unit_f, grad_f = unit.float(), grad.float()
        product = unit_f * grad_f
        grad_weight = product.flatten(0, -2).sum(0)
        dot = (product @ weight.float()[:, None]) / unit.shape[-1]
        grad_x = grad_f.mul_(weight.float()).sub_(unit_f.mul_(dot)).mul_(inverse)
        return grad_x.to(unit.dtype), grad_weight.to(weight.dtype), None


class SwiGluFunction(torch.autograd.Function):
    """silu(gate) * up for a fused [gate | up] tensor."""

    @staticmethod
    def forward(ctx, fused):
        """Return silu of the first half times the second half."""
        ctx.save_for_backward(fused)
        gate, up = fused.chunk(2, -1)
        return F.silu(gate) * up

    @staticmethod
    def backward(ctx, grad):
        """Recompute the sigmoid instead of keeping it: memory traffic costs more."""
        (fused,) = ctx.saved_tensors
        gate, up = fused.chunk(2, -1)
        sigmoid = torch.sigmoid(gate)
        silu = gate * sigmoid
        out = torch.empty_like(fused)
        grad_gate, grad_up = out.chunk(2, -1)
        torch.mul(grad, silu, out=grad_up)
        slope = sigmoid.addcmul_(silu, 1 - sigmoid)
        torch.mul(slope.mul_(up), grad, out=grad_gate)
        return out


class RmsNorm(nn.Module):
    """Root-mean-square layer norm with a learned scale."""

    def __init__(self, size, eps):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(size))
        self.eps = eps

    def forward(self, x):
        """Normalise the last dimension."""
        return RmsNormFunction.apply(x, self.weight, self.eps)


def linear(x, weight, bias=None):
    """Multiply in the dtype of `x`; the master weights stay in float32."""
    return F.linear(x, weight.to(x.dtype), None if bias is None else bias.to(x.dtype))


def rope_tables(positions, head_dim, theta, dtype):
    """Return cos and sin tables (rows, tokens, 1, head_dim / 2) for integer positions."""
    exponent = torch.arange(0, head_dim, 2, dtype=torch.float64) / head_dim
    angles = positions.double()[..., None] * theta**-exponent
    return angles.cos().to(dtype)[:, :, None], angles.sin().to(dtype)[:, :, None]


def rotate(x, cos, sin):
    """Apply rotate-half RoPE to (rows, tokens, heads, head_dim)."""
    first, second = x.chunk(2, -1)
    return torch.cat((first * cos - second * sin, second * cos + first * sin), -1)


class Attention(nn.Module):
    """Causal grouped-query attention with a fused, biased q/k/v projection."""

    def __init__(self, config):
        super().__init__()
        self.config = config
        width = (config.num_heads + 2 * config.num_kv_heads) * config.head_dim
        self.qkv_weight = nn.Parameter(torch.empty(width, config.hidden_size))
        self.qkv_bias = nn.Parameter(torch.zeros(width))
        self.out_weight = nn.Parameter(
            torch.empty(config.hidden_size, config.num_heads * config.head_dim)
        )

    def forward(self, x, cos, sin, mask, past=None):
        """Attend over the rows of `x`; `past` is a (keys, values) pair when decoding."""
        config = self.config
        rows, tokens, _ = x.shape
        heads, groups = config.num_heads, config.num_kv_heads
        qkv = linear(x, self.qkv_weight, self.qkv_bias)
        qkv = qkv.view(rows, tokens, heads + 2 * groups, config.head_dim)
        turned = rotate(qkv[:, :, : heads + groups], cos, sin)
        query = turned[:, :, :heads].transpose(1, 2)
        key = turned[:, :, heads:].transpose(1, 2)
        value = qkv[:, :, heads + groups :].transpose(1, 2)
        if past is not None:
            key, value = (torch.cat(pair, 2) for pair in zip(past, (key, value)))
        present = (key, value)
        # Query heads of one group are stacked along the token axis: keys need no copies.
        query = query.reshape(rows, groups, heads // groups * tokens, config.head_dim)
        scores = (query * config.head_dim**-0.5) @ key.transpose(2, 3)
        scores = scores.view(rows, groups, heads // groups, tokens, -1)
        if mask is not None:
            scores = scores + mask
        weights = torch.softmax(scores, -1).view(rows, groups, heads // groups * tokens, -1)
        mixed = (weights @ value).view(rows, heads, tokens, config.head_dim)
        mixed = mixed.transpose(1, 2).reshape(rows, tokens, -1)
        return linear(mixed, self.out_weight), present


class Mlp(nn.Module):
    """SwiGLU feed-forward block with fused gate and up projections."""

    def __init__(self, config):
        super().__init__()
        self.gate_up = nn.Parameter(torch.empty(2 * config.intermediate_size, config.hidden_size))
        self.down = nn.Parameter(torch.empty(config.hidden_size, config.intermediate_size))

    def forward(self, x):
        """Return down(silu(gate(x)) * up(x))."""
        return linear(SwiGluFunction.apply(linear(x, self.gate_up)), self.down)


class Layer(nn.Module):
    """One decoder layer."""

    def __init__(self, config):
        super().__init__()
        self.attention_norm = RmsNorm(config.hidden_size, config.rms_norm_eps)
        self.attention = Attention(config)
        self.mlp_norm = RmsNorm(config.hidden_size, config.rms_norm_eps)
        self.mlp = Mlp(config)

    def forward(self, x, cos, sin, mask, past=None):
        """Return the new hidden rows and this layer's keys and values."""
        mixed, present = self.attention(self.attention_norm(x), cos, sin, mask, past)
        x = x + mixed
        return x + self.mlp(self.mlp_norm(x)), present


class DemoModel(nn.Module):
    """The whole decoder; the output head shares the embedding matrix."""

    def __init__(self, config, seed=0):
        super().__init__()
        self.config = config
        self.embedding = nn.Parameter(torch.empty(config.vocab_size, config.hidden_size))
        self.layers = nn.ModuleList(Layer(config) for _ in range(config.num_layers))
        self.norm = RmsNorm(config.hidden_size, config.rms_norm_eps)
        self._initialise(seed)

    def _initialise(self, seed):
        """Draw the matrices from a seeded normal; residual outputs start smaller.

        At this width 1 / sqrt(inputs) learns attention patterns sooner than a fixed 0.02.
        """
        generator = torch.Generator().manual_seed(seed)
        for name, parameter in self.named_parameters():
            if parameter.dim() < 2:
                continue
            embedding = name == "embedding"
            std = self.config.initializer_range if embedding else parameter.shape[1] ** -0.5
            if name.endswith(("out_weight", "mlp.down")):
                std /= (2 * self.config.num_layers) ** 0.5
            with torch.no_grad():
                parameter.normal_(0.0, std, generator=generator)

    def hidden(self, ids, positions, mask, past=None, dtype=torch.float32):
        """Return final hidden rows and the keys and values of every layer."""
        config = self.config
        x = F.embedding(ids, self.embedding).to(dtype)
        cos, sin = rope_tables(positions, config.head_dim, config.rope_theta, dtype)
        presents = []
        for index, layer in enumerate(self.layers):
            x, present = layer(x, cos, sin, mask, None if past is None else past[index])
            presents.append(present)
        return self.norm(x), presents

    def logits(self, hidden):
        """Project hidden rows on the vocabulary."""
        return linear(hidden, self.embedding)

    def loss(self, ids, positions, mask, targets, dtype=torch.bfloat16):
        """Mean cross entropy over the positions whose target is not negative."""
        hidden, _ = self.hidden(ids, positions, mask, dtype=dtype)
        chosen = (targets.flatten() >= 0).nonzero()[:, 0]
        logits = self.logits(hidden.flatten(0, 1).index_select(0, chosen))
        return F.cross_entropy(logits.float(), targets.flatten().index_select(0, chosen))


def count_parameters(model):
    """Return the number of trained values."""
    return sum(parameter.numel() for parameter in model.parameters())
