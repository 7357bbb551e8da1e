"""Reference numbers for SigLIP, DINOv2 and timm's ViT, from the original libraries.

    python tools/parity/image_encoders.py fixtures            # writes tests/data/encoders/
    python tools/parity/image_encoders.py full build/rap      # whole sizes, compared with the program

Every checkpoint has random weights and the true structure, and is written by the library itself
(transformers: save_pretrained, timm: save_for_hf), so its files are what people download. `fixtures` are
small ones, kept in the repository; tests/vision/test_published.c compares with them. `full` are models of
the published sizes: it converts each with `rap convert`, encodes a picture with `rap embed`, and prints how
far the features are from the library's, in f32 and in bf16.

Needs torch, transformers, timm, pillow, numpy (tools/parity/requirements.txt).
"""
import json
import os
import shutil
import subprocess
import sys
import tempfile

import numpy as np
import torch
from PIL import Image
from safetensors.torch import load_file, save_file

HERE = os.path.dirname(os.path.abspath(__file__))
DATA = os.path.join(HERE, '..', '..', 'tests', 'data', 'encoders')
IMAGENET = dict(image_mean=[0.485, 0.456, 0.406], image_std=[0.229, 0.224, 0.225])


def picture(width, height):
    """The picture that tests/vision/test_published.c makes, too: smooth, with edges."""
    y, x = np.mgrid[0:height, 0:width]
    rgb = np.stack([x * 5, y * 7, x * y + 40 * ((x // 9 + y // 7) % 2)], -1) % 256
    return Image.fromarray(rgb.astype(np.uint8))


def randomise(model, seed):
    """Weights at which every part matters: products keep their size, norms and scales are not 1."""
    g = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, p in model.named_parameters():
            noise = torch.randn(p.shape, generator=g)
            if name.endswith(('lambda1', 'gamma')):
                p.copy_(0.5 + 0.3 * noise)
            elif 'norm' in name and name.endswith('weight'):
                p.copy_(1 + 0.2 * noise)
            elif p.dim() >= 2 and not any(k in name for k in ('token', 'pos', 'probe', 'latent')):
                p.copy_(noise * (1.2 / np.sqrt(p[0].numel())))
            else:
                p.copy_(0.3 * noise)
    return model.eval()


def to_half(folder):
    """The same checkpoint in f16, as many are published; the model is loaded from it afterwards."""
    path = os.path.join(folder, 'model.safetensors')
    tensors = {k: v.half() for k, v in load_file(path).items()}
    save_file(tensors, path, metadata={'format': 'pt'})
    return {k: v.float() for k, v in tensors.items()}


# ---- transformers -----------------------------------------------------------------------------

def siglip_config(width, hidden, layers, heads, patch, size, **more):
    return dict(hidden_size=width, intermediate_size=hidden, num_hidden_layers=layers,
                num_attention_heads=heads, patch_size=patch, image_size=size, **more)


def make_siglip(folder, vision, resample=3, whole=False, seed=1):
    from transformers import SiglipConfig, SiglipModel, SiglipVisionConfig, SiglipVisionModel
    from transformers.models.siglip.image_processing_pil_siglip import SiglipImageProcessorPil
    side = vision['image_size']
    if whole:
        text = dict(hidden_size=vision['hidden_size'], intermediate_size=16, num_hidden_layers=1,
                    num_attention_heads=2, vocab_size=40, max_position_embeddings=4,
                    bos_token_id=1, eos_token_id=2)
        model = SiglipModel(SiglipConfig(text_config=text, vision_config=vision))
    else:
        model = SiglipVisionModel(SiglipVisionConfig(**vision))
    randomise(model, seed).save_pretrained(folder)
    processor = SiglipImageProcessorPil(size=dict(height=side, width=side), resample=resample)
    processor.save_pretrained(folder)
    tower = model.vision_model if whole else model
    return processor, lambda pixels: tower(pixel_values=pixels).pooler_output


def clip_processor(side):
    from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil
    return CLIPImageProcessorPil(size=dict(shortest_edge=side), crop_size=dict(height=side, width=side))


def make_clip(folder, seed=11, **config):
    """The image tower alone, with its projection. At these sizes both cut the same pixels of the picture below: what is
    cut away is even (else OpenAI rounds the half pixel and this library drops it)."""
    from transformers import CLIPVisionConfig, CLIPVisionModelWithProjection
    model = CLIPVisionModelWithProjection(CLIPVisionConfig(**config))
    randomise(model, seed).save_pretrained(folder)
    processor = clip_processor(config['image_size'])
    processor.save_pretrained(folder)
    return processor, lambda pixels: model(pixel_values=pixels).image_embeds


def make_dinov2(folder, resize, crop, registers=0, half=False, seed=2, **config):
    from transformers import (Dinov2Config, Dinov2Model, Dinov2WithRegistersConfig,
                              Dinov2WithRegistersModel)
    from transformers.models.bit.image_processing_pil_bit import BitImageProcessorPil
    if registers:
        config = Dinov2WithRegistersConfig(num_register_tokens=registers, **config)
        model = Dinov2WithRegistersModel(config)
    else:
        model = Dinov2Model(Dinov2Config(**config))
    randomise(model, seed).save_pretrained(folder)
    if half:
        to_half(folder)
        model = type(model).from_pretrained(folder, dtype=torch.float32).eval()
    processor = BitImageProcessorPil(size=dict(shortest_edge=resize), resample=3,
                                     crop_size=dict(height=crop, width=crop), **IMAGENET)
    processor.save_pretrained(folder)
    return processor, lambda pixels: model(pixel_values=pixels).last_hidden_state[:, 0]


# ---- timm -------------------------------------------------------------------------------------

class TimmProcessor:
    """timm's evaluation transform with the face of a transformers image processor."""

    def __init__(self, model):
        import timm
        config = timm.data.resolve_data_config({}, model=model)
        self.transform = timm.data.create_transform(**config)
        self.image_mean, self.image_std = config['mean'], config['std']

    def __call__(self, images, return_tensors):
        return dict(pixel_values=self.transform(images)[None])


def make_timm(folder, name, seed=3, half=True, cfg=None, **args):
    import timm
    model = timm.create_model(name, pretrained=False, num_classes=5, **args)
    model.pretrained_cfg = dict(model.pretrained_cfg, **(cfg or {}))
    randomise(model, seed)
    timm.models.save_for_hf(model, folder, safe_serialization=True, model_args=args)
    if half:
        model.load_state_dict(to_half(folder))
    processor = TimmProcessor(model)
    return processor, lambda pixels: model.forward_head(model.forward_features(pixels),
                                                        pre_logits=True)


# ---- the same checkpoint for larger pictures ----------------------------------------------------

LARGER = 1.7  # times the side, as `rap convert --image-size` is tested


def larger(folder):
    """Side, processor and encoder; positions are resampled by the library's own code."""
    import timm
    from transformers import AutoModel, CLIPVisionModelWithProjection, SiglipVisionModel
    with open(os.path.join(folder, 'config.json')) as f:
        config = json.load(f)
    if 'pretrained_cfg' in config:
        side = int(config['pretrained_cfg']['input_size'][1] * LARGER) // 8 * 8  # whole patches
        model = timm.create_model('local-dir:' + folder, pretrained=True).eval()
        model.set_input_size(img_size=side)
        model.pretrained_cfg = dict(model.pretrained_cfg, input_size=(3, side, side))
        return side, TimmProcessor(model), lambda pixels: model.forward_head(
            model.forward_features(pixels), pre_logits=True)
    with open(os.path.join(folder, 'preprocessor_config.json')) as f:
        recipe = json.load(f)
    if config['model_type'].startswith('siglip'):
        from transformers.models.siglip.image_processing_pil_siglip import SiglipImageProcessorPil
        side = round(recipe['size']['height'] * LARGER)
        processor = SiglipImageProcessorPil(size=dict(height=side, width=side), resample=recipe['resample'])
        model = SiglipVisionModel.from_pretrained(folder).eval()
        return side, processor, lambda pixels: model(
            pixel_values=pixels, interpolate_pos_encoding=True).pooler_output
    if config['model_type'] == 'clip_vision_model':
        side = round(recipe['crop_size']['height'] * LARGER)
        model = CLIPVisionModelWithProjection.from_pretrained(folder).eval()
        return side, clip_processor(side), lambda pixels: model(
            pixel_values=pixels, interpolate_pos_encoding=True).image_embeds
    from transformers.models.bit.image_processing_pil_bit import BitImageProcessorPil
    crop, resize = recipe['crop_size']['height'], recipe['size']['shortest_edge']
    side = round(crop * LARGER)
    processor = BitImageProcessorPil(size=dict(shortest_edge=round(resize * side / crop)), resample=3,
                                     crop_size=dict(height=side, width=side), **IMAGENET)
    model = AutoModel.from_pretrained(folder, dtype=torch.float32).eval()
    return side, processor, lambda pixels: model(pixel_values=pixels).last_hidden_state[:, 0]


# ---- what is written, and compared --------------------------------------------------------------

def reference(processor, encode, image):
    """Pixels as bytes (before normalising; they are whole numbers) and the feature."""
    pixels = processor(images=image, return_tensors='pt')['pixel_values']
    mean = torch.tensor(processor.image_mean)[:, None, None]
    std = torch.tensor(processor.image_std)[:, None, None]
    raw = (pixels[0] * std + mean) * 255
    assert (raw - raw.round()).abs().max() < 1e-3
    with torch.no_grad():
        feature = encode(pixels)[0].double().numpy()
    return raw.round().to(torch.uint8).numpy(), feature


def small(root):
    """name → processor and encoder of a small checkpoint in root/name."""
    def at(name):
        path = os.path.join(root, name)
        os.makedirs(path)
        return path
    vision = siglip_config(32, 64, 2, 2, 8, 32)
    yield 'siglip', make_siglip(at('siglip'), vision, whole=True)
    # SigLIP 2 at a fixed size; 27 pixels do not fill their patches of 8
    yield 'siglip2', make_siglip(at('siglip2'), siglip_config(24, 40, 1, 3, 8, 27), resample=2, seed=4)
    yield 'clip', make_clip(at('clip'), projection_dim=24, **siglip_config(32, 64, 2, 2, 6, 30))
    dinov2 = dict(hidden_size=32, num_attention_heads=2, patch_size=8, image_size=40)
    yield 'dinov2', make_dinov2(at('dinov2'), 37, 32, num_hidden_layers=2, **dinov2)
    yield 'dinov2_registers', make_dinov2(at('dinov2_registers'), 37, 32, registers=4, half=True,
                                          num_hidden_layers=1, seed=5, **dinov2)
    yield 'dinov2_giant', make_dinov2(at('dinov2_giant'), 24, 24, num_hidden_layers=1, seed=6, half=True,
                                      use_swiglu_ffn=True, qkv_bias=False, **dinov2)
    size = dict(img_size=24, embed_dim=32, num_heads=2)
    cfg = dict(input_size=(3, 24, 24))
    yield 'timm_token', make_timm(at('timm_token'), 'vit_base_patch16_224', depth=2, patch_size=8,
                                  qkv_bias=False, init_values=0.1, cfg=cfg, **size)
    yield 'timm_mean', make_timm(at('timm_mean'), 'vit_base_patch16_reg4_gap_256', depth=1,
                                 patch_size=8, seed=7, cfg=cfg, **size)
    yield 'timm_clip', make_timm(at('timm_clip'), 'vit_base_patch32_clip_quickgelu_224', depth=1,
                                 patch_size=8, seed=8, cfg=cfg, **size)
    yield 'timm_siglip', make_timm(at('timm_siglip'), 'vit_base_patch16_siglip_224', depth=1,
                                   patch_size=8, seed=9, cfg=cfg, **size)
    yield 'timm_dinov2', make_timm(at('timm_dinov2'), 'vit_giant_patch14_reg4_dinov2', depth=1,
                                   patch_size=8, seed=10, cfg=cfg, **size)


def short(feature):
    return [float(f'{v:.9g}') for v in feature]


def fixtures():
    shutil.rmtree(DATA, ignore_errors=True)
    image = picture(61, 45)
    for name, (processor, encode) in small(DATA):
        pixels, feature = reference(processor, encode, image)
        side, *there = larger(os.path.join(DATA, name))
        _, more = reference(*there, image)
        with open(os.path.join(DATA, name, 'reference.json'), 'w') as f:
            json.dump(dict(mean=list(processor.image_mean), std=list(processor.image_std),
                           size=pixels.shape[-1], pixels=pixels.tobytes().hex(),
                           feature=short(feature), larger=dict(size=side, feature=short(more))), f)
        bytes_ = sum(os.path.getsize(os.path.join(DATA, name, f))
                     for f in os.listdir(os.path.join(DATA, name)))
        print(f'{name}: {len(feature)} numbers, {bytes_ // 1024} KB')


def whole():
    """The published sizes: name and how it is made in a folder. The largest are cut to a few layers."""
    base = siglip_config(768, 3072, 12, 12, 16, 224)
    yield 'siglip-base-patch16-224', lambda p: make_siglip(p, base)
    yield 'siglip2-so400m-patch14-384, 4 of 27 layers', lambda p: make_siglip(
        p, siglip_config(1152, 4304, 4, 16, 14, 384), resample=2)
    dino = dict(patch_size=14, image_size=518)
    yield 'dinov2-small', lambda p: make_dinov2(p, 256, 224, hidden_size=384, num_attention_heads=6,
                                                num_hidden_layers=12, **dino)
    yield 'dinov2-base', lambda p: make_dinov2(p, 256, 224, hidden_size=768, num_attention_heads=12,
                                               num_hidden_layers=12, **dino)
    yield 'dinov2-with-registers-base', lambda p: make_dinov2(
        p, 256, 224, registers=4, hidden_size=768, num_attention_heads=12, num_hidden_layers=12,
        **dino)
    yield 'dinov2-giant, 4 of 40 layers', lambda p: make_dinov2(
        p, 256, 224, hidden_size=1536, num_attention_heads=24, num_hidden_layers=4,
        use_swiglu_ffn=True, **dino)
    for name in ('vit_base_patch16_224', 'vit_small_patch14_reg4_dinov2', 'vit_base_patch16_siglip_224',
                 'vit_base_patch32_clip_224'):
        yield 'timm ' + name, lambda p, name=name: make_timm(p, name, half=False)


def embed(rap, profile, image, precision):
    env = dict(os.environ, RAP_PRECISION=precision)
    out = subprocess.run([rap, '--profile', profile, 'embed', '--image', image, '--json'],
                         env=env, check=True, capture_output=True).stdout
    return np.array(json.loads(out)['feature'])


def compare(rap, folder, processor, encode, image):
    profile = os.path.join(folder, 'profile')
    os.makedirs(profile)
    subprocess.run([rap, '--quiet', 'convert', folder, os.path.join(profile, 'e.gguf')], check=True)
    with open(os.path.join(profile, 'profile.json'), 'w') as f:
        json.dump(dict(name='parity', files=dict(encoder=dict(path='e.gguf'))), f)
    png = os.path.join(folder, 'image.png')
    image.save(png)
    _, want = reference(processor, encode, image)
    result = []
    for precision in ('f32', 'bf16'):
        got = embed(rap, profile, png, precision)
        result.append((np.linalg.norm(got - want) / np.linalg.norm(want),
                       got @ want / np.linalg.norm(got) / np.linalg.norm(want)))
    return result


def full(rap):
    image = picture(640, 427)
    print(f'{"model":44s} f32 relative error   bf16 cosine')
    for name, make in whole():
        with tempfile.TemporaryDirectory() as folder:
            processor, encode = make(folder)
            (f32, _), (_, bf16) = compare(rap, folder, processor, encode, image)
        print(f'{name:44s} {f32:.2e}             {bf16:.6f}', flush=True)


if __name__ == '__main__':
    torch.manual_seed(0)
    if sys.argv[1:2] == ['fixtures']:
        fixtures()
    elif len(sys.argv) == 3 and sys.argv[1] == 'full':
        full(sys.argv[2])
    else:
        sys.exit(__doc__)
