"""CLIP with a ViT image tower and a text tower, under the names of the original state dicts.

Read CLIP.encode_image, then VisionTower.tokens (what a LLaVA sees: the patch tokens before the last
block), then the text side. Nothing here is trained; see train_clip.py.
"""
import collections

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import nn

SIZE, PATCH, WIDTH, LAYERS, EMBED, HEAD = 128, 16, 192, 6, 128, 64
TEXT_WIDTH, TEXT_LAYERS, CONTEXT = 192, 4, 32
MEAN, STD = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)


class Attention(nn.Module):
    def __init__(self, width, causal):
        super().__init__()
        self.in_proj_weight = nn.Parameter(torch.randn(3 * width, width) * width ** -0.5)
        self.in_proj_bias = nn.Parameter(torch.zeros(3 * width))
        self.out_proj = nn.Linear(width, width)
        self.heads, self.causal = width // HEAD, causal

    def forward(self, x):
        n, t, w = x.shape
        qkv = F.linear(x, self.in_proj_weight, self.in_proj_bias)
        q, k, v = qkv.view(n, t, 3, self.heads, HEAD).permute(2, 0, 3, 1, 4)
        y = F.scaled_dot_product_attention(q, k, v, is_causal=self.causal)
        return self.out_proj(y.transpose(1, 2).reshape(n, t, w))


class Mlp(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.c_fc = nn.Linear(width, 4 * width)
        self.c_proj = nn.Linear(4 * width, width)

    def forward(self, x):
        return self.c_proj(F.silu(self.c_fc(x) * 1.702) * (1 / 1.702))    # QuickGELU


class Block(nn.Module):
    def __init__(self, width, causal=False):
        super().__init__()
        self.attn = Attention(width, causal)
        self.ln_1 = nn.LayerNorm(width)
        self.mlp = Mlp(width)
        self.ln_2 = nn.LayerNorm(width)

    def forward(self, x):
        x = x + self.attn(self.ln_1(x))
        return x + self.mlp(self.ln_2(x))


class Transformer(nn.Module):
    def __init__(self, width, layers, causal=False):
        super().__init__()
        self.resblocks = nn.Sequential(*[Block(width, causal) for _ in range(layers)])


class VisionTower(nn.Module):
    def __init__(self):
        super().__init__()
        scale = WIDTH ** -0.5
        self.conv1 = nn.Conv2d(3, WIDTH, PATCH, PATCH, bias=False)
        self.class_embedding = nn.Parameter(scale * torch.randn(WIDTH))
        self.positional_embedding = nn.Parameter(scale * torch.randn((SIZE // PATCH) ** 2 + 1, WIDTH))
        self.ln_pre = nn.LayerNorm(WIDTH)
        self.transformer = Transformer(WIDTH, LAYERS)
        self.ln_post = nn.LayerNorm(WIDTH)
        self.proj = nn.Parameter(scale * torch.randn(WIDTH, EMBED))

    def hidden(self, pixels):
        """After all blocks but the last: [N, 1 + 64, WIDTH]."""
        n, g = pixels.shape[0], SIZE // PATCH
        x = pixels.reshape(n, 3, g, PATCH, g, PATCH).permute(0, 2, 4, 1, 3, 5).reshape(n, g * g, -1)
        x = F.linear(x, self.conv1.weight.flatten(1))
        x = torch.cat([self.class_embedding.expand(n, 1, WIDTH), x], dim=1)
        x = self.ln_pre(x + self.positional_embedding)
        return self.transformer.resblocks[:-1](x)

    def tokens(self, pixels):
        """The patch tokens a LLaVA projector receives: [N, 64, WIDTH]."""
        return self.hidden(pixels)[:, 1:]

    def finish(self, hidden):
        """Last block, class token, projection: [N, EMBED], not normalised."""
        x = self.transformer.resblocks[-1](hidden)
        return self.ln_post(x[:, 0]) @ self.proj


class CLIP(nn.Module):
    def __init__(self, vocab_size):
        super().__init__()
        self.vocab_size = vocab_size
        self.visual = VisionTower()
        self.transformer = Transformer(TEXT_WIDTH, TEXT_LAYERS, causal=True)
        self.token_embedding = nn.Embedding(vocab_size, TEXT_WIDTH)
        self.positional_embedding = nn.Parameter(torch.randn(CONTEXT, TEXT_WIDTH) * 0.01)
        self.ln_final = nn.LayerNorm(TEXT_WIDTH)
        self.text_projection = nn.Parameter(torch.randn(TEXT_WIDTH, EMBED) * TEXT_WIDTH ** -0.5)
        self.logit_scale = nn.Parameter(torch.tensor(float(np.log(1 / 0.07))))
        nn.init.normal_(self.token_embedding.weight, std=0.02)
        for tower, width in ((self.visual.transformer, WIDTH), (self.transformer, TEXT_WIDTH)):
            _init_blocks(tower, width)

    def encode_image(self, pixels):
        return self.visual.finish(self.visual.hidden(pixels))

    def encode_text(self, ids, ends):
        """ids [N, T <= CONTEXT], ends [N]: the end token's place. Returns [N, EMBED]."""
        x = self.token_embedding(ids) + self.positional_embedding[: ids.shape[1]]
        x = self.ln_final(self.transformer.resblocks(x))
        return x[torch.arange(x.shape[0]), ends] @ self.text_projection


def _init_blocks(tower, width):
    layers = len(tower.resblocks)
    for block in tower.resblocks:
        nn.init.normal_(block.attn.in_proj_weight, std=width ** -0.5)
        nn.init.normal_(block.attn.out_proj.weight, std=width ** -0.5 * (2 * layers) ** -0.5)
        nn.init.normal_(block.mlp.c_fc.weight, std=(2 * width) ** -0.5)
        nn.init.normal_(block.mlp.c_proj.weight, std=width ** -0.5 * (2 * layers) ** -0.5)
        nn.init.zeros_(block.attn.out_proj.bias)


def save_official(model, path):
    """The state dict as published ones look: f16 tensors plus three integers."""
    out = collections.OrderedDict()
    for name, value in model.state_dict().items():
        out[name] = value.detach().to(torch.float16).contiguous().clone()
    for name, value in (("input_resolution", SIZE), ("context_length", CONTEXT),
                        ("vocab_size", model.vocab_size)):
        out[name] = torch.tensor(value)
    torch.save(out, path)


def load_official(path):
    """A CLIP from such a file, in f32, ready for inference."""
    state = torch.load(path, map_location="cpu", weights_only=True)
    for name in ("input_resolution", "context_length", "vocab_size"):
        state.pop(name, None)
    model = CLIP(state["token_embedding.weight"].shape[0])
    model.load_state_dict({k: v.float() for k, v in state.items()})
    return model.eval()


def preprocess(image):
    """CLIP's resize and centre crop: PIL RGB image to uint8 [SIZE, SIZE, 3]."""
    w, h = image.size
    k = SIZE / min(w, h)
    image = image.resize((max(SIZE, round(w * k)), max(SIZE, round(h * k))), Image.Resampling.BICUBIC)
    x, y = (image.width - SIZE) // 2, (image.height - SIZE) // 2
    return np.asarray(image.crop((x, y, x + SIZE, y + SIZE)))


def to_pixels(batch):
    """uint8 [N, SIZE, SIZE, 3] to normalised float [N, 3, SIZE, SIZE]."""
    x = torch.from_numpy(np.ascontiguousarray(batch)).permute(0, 3, 1, 2).float()
    return (x / 255 - torch.tensor(MEAN).view(1, 3, 1, 1)) / torch.tensor(STD).view(1, 3, 1, 1)
