"""Small vision-language models with random weights in the layout of their published checkpoints, for vlm.py.

Each maker takes an empty folder and fills it with what the hub has: config.json, weights, tokenizer with chat template,
preprocessor_config.json. It returns a Family.
"""
import json
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file

from llava import corpus, hugging_face, randomise

W, HEADS, KV, FF, BLOCKS = 64, 4, 2, 128, 2  # decoders
VW, VH, VF, VB = 64, 4, 128, 4               # towers
CLIP = dict(image_mean=[0.48145466, 0.4578275, 0.40821073], image_std=[0.26862954, 0.26130258, 0.27577711])
HALF = dict(image_mean=[0.5, 0.5, 0.5], image_std=[0.5, 0.5, 0.5])
QWEN_SPLIT = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+"
              r"|\s+(?!\S)|\s+")


@dataclass
class Family:
    model: torch.nn.Module
    folder: Path
    image: str                    # the token that a picture's places have
    side: tuple                   # width and height of a photo that nothing scales
    layout: str                   # how the model takes pictures: "square", "tiles", "patches"
    pre: str = None               # llama.cpp's name of the pre-tokenizer; None: it needs none
    own: bool = False             # whether our own engine has its tower
    rap: bool = False             # whether rap converts it
    before: str = ""              # text around a picture's places, where the template has no part in it
    after: str = ""
    options: tuple = ()           # more for llama.cpp's converter
    bos: bool = False             # whether the tokenizer puts its first token before the template's text


def chatml(image, system=""):
    head = "{% if messages[0]['role'] != 'system' %}{{ '<|im_start|>system\n" + system + "<|im_end|>\n' }}{% endif %}"
    return ((head if system else "") +
            "{% for m in messages %}{{ '<|im_start|>' + m['role'] + '\n' }}{% if m['content'] is string %}{{ m['content'] }}"
            "{% else %}{% for c in m['content'] %}{% if c['type'] == 'text' %}{{ c['text'] }}{% else %}{{ '" + image + "' }}"
            "{% endif %}{% endfor %}{% endif %}{{ '<|im_end|>\n' }}{% endfor %}"
            "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}")


def byte_level(folder, split, specials, template, bos=None, eos=None, pad=None):
    """A byte-level BPE in tokenizer.json. Returns it."""
    from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, pre_tokenizers, trainers
    tok, whole = Tokenizer(models.BPE()), pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=split == "digits")
    first = (pre_tokenizers.Digits(individual_digits=True) if split == "digits" else
             pre_tokenizers.Split(Regex(split), "isolated"))
    tok.pre_tokenizer = pre_tokenizers.Sequence([first, whole])
    tok.decoder = decoders.ByteLevel()
    tok.train_from_iterator(corpus() + ["a paragraph.\n\nanother one.\n\n"] * 50, trainers.BpeTrainer(
        vocab_size=700, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False))
    tok.add_special_tokens([AddedToken(s, special=True, normalized=False) for s in specials])
    tok.save(str(folder / "tokenizer.json"))
    entries = {str(tok.token_to_id(s)): dict(content=s, special=True, normalized=False, lstrip=False, rstrip=False,
                                             single_word=False) for s in specials}
    config = dict(tokenizer_class="PreTrainedTokenizerFast", add_bos_token=False, clean_up_tokenization_spaces=False,
                  model_max_length=4096, added_tokens_decoder=entries, chat_template=template)
    config.update({k: v for k, v in (("bos_token", bos), ("eos_token", eos), ("pad_token", pad)) if v})
    (folder / "tokenizer_config.json").write_text(json.dumps(config, indent=1))
    return tok


def finish(folder, model, seed, preprocessor, rename=None, change=lambda model: None):
    randomise(model, seed).eval().float()
    change(model)
    model.save_pretrained(folder)
    if rename:
        tensors = load_file(folder / "model.safetensors")
        save_file({rename(n): t for n, t in tensors.items()}, folder / "model.safetensors", metadata={"format": "pt"})
    (folder / "preprocessor_config.json").write_text(json.dumps(preprocessor, indent=1))
    return model


def rows(tok):
    return -(-tok.get_vocab_size() // 8) * 8


def llava(work):
    model, folder, _, _ = hugging_face(work, "new", torch.float32, 21)
    settings = json.loads((folder / "tokenizer_config.json").read_text())
    settings["legacy"] = True  # text behind a picture begins with a space, as in LLaVA's training
    settings["chat_template"] = (
        "{{ 'A chat between a curious human and an artificial intelligence assistant. ' }}{% for m in messages %}"
        "{% if m['role'] == 'user' %}{{ 'USER: ' }}{% if m['content'] is string %}{{ m['content'] }}{% else %}"
        "{% for c in m['content'] %}{% if c['type'] == 'text' %}{{ c['text'] }}{% else %}{{ '<image>' }}{% endif %}"
        "{% endfor %}{% endif %}{{ ' ' }}{% else %}{{ 'ASSISTANT: ' + m['content'] + eos_token }}{% endif %}{% endfor %}"
        "{% if add_generation_prompt %}{{ 'ASSISTANT:' }}{% endif %}")
    (folder / "tokenizer_config.json").write_text(json.dumps(settings))
    side = model.config.vision_config.image_size
    (folder / "preprocessor_config.json").write_text(json.dumps(dict(
        image_processor_type="CLIPImageProcessor", crop_size=side, size={"shortest_edge": side}, do_convert_rgb=True, **CLIP)))
    return Family(model.eval(), folder, "<image>", (side, side), "square", own=True, rap=True, bos=True)


def smolvlm(work):
    from transformers import Idefics3Config, Idefics3ForConditionalGeneration
    folder = work / "checkpoint"
    folder.mkdir()
    tok = byte_level(folder, "digits", ["<|endoftext|>", "<|im_start|>", "<|im_end|>", "<fake_token_around_image>", "<image>",
                                        "<end_of_utterance>", "<global-img>"] +
                     [f"<row_{r}_col_{c}>" for r in range(1, 7) for c in range(1, 7)],
                     "<|im_start|>{% for m in messages %}{{ m['role'] | capitalize }}{% if m['content'][0]['type'] == 'image' %}"
                     "{{ ':' }}{% else %}{{ ': ' }}{% endif %}{% for c in m['content'] %}{% if c['type'] == 'text' %}"
                     "{{ c['text'] }}{% else %}{{ '<image>' }}{% endif %}{% endfor %}<end_of_utterance>\n{% endfor %}"
                     "{% if add_generation_prompt %}{{ 'Assistant:' }}{% endif %}",
                     bos="<|im_start|>", eos="<end_of_utterance>", pad="<|im_end|>")
    text = dict(model_type="llama", vocab_size=rows(tok), hidden_size=W, intermediate_size=FF, num_hidden_layers=BLOCKS,
                num_attention_heads=HEADS, num_key_value_heads=KV, max_position_embeddings=8192, rope_theta=1e5,
                bos_token_id=tok.token_to_id("<|im_start|>"), eos_token_id=tok.token_to_id("<end_of_utterance>"),
                pad_token_id=tok.token_to_id("<|im_end|>"), tie_word_embeddings=False,
                architectures=["VLlama3ForCausalLM"])
    vision = dict(hidden_size=VW, intermediate_size=VF, num_hidden_layers=VB, num_attention_heads=VH, image_size=64,
                  patch_size=8, hidden_act="gelu_pytorch_tanh")
    config = Idefics3Config(text_config=text, vision_config=vision, image_token_id=tok.token_to_id("<image>"),
                            scale_factor=2, tie_word_embeddings=False, pad_token_id=text["pad_token_id"])
    model = finish(folder, Idefics3ForConditionalGeneration(config), 22, dict(
        image_processor_type="Idefics3ImageProcessor", size={"longest_edge": 256}, max_image_size={"longest_edge": 64},
        do_image_splitting=True, **HALF))
    return Family(model, folder, "<image>", (256, 256), "tiles", pre="smollm", own=True)


QWEN_TOKENS = ["<|endoftext|>", "<|im_start|>", "<|im_end|>", "<|object_ref_start|>", "<|object_ref_end|>", "<|box_start|>",
               "<|box_end|>", "<|quad_start|>", "<|quad_end|>", "<|vision_start|>", "<|vision_end|>", "<|vision_pad|>",
               "<|image_pad|>", "<|video_pad|>"]


def qwen(work, kind, model_class, config_class, vision, rope, seed, patch=14, text_more=(), colours=CLIP, blocks=BLOCKS):
    folder = work / "checkpoint"
    folder.mkdir()
    tok = byte_level(folder, QWEN_SPLIT, QWEN_TOKENS,
                     chatml("<|vision_start|><|image_pad|><|vision_end|>", "You are a helpful assistant."),
                     eos="<|im_end|>", pad="<|endoftext|>")
    ids = {k + "_token_id": tok.token_to_id(f"<|{v}|>") for k, v in (("image", "image_pad"), ("video", "video_pad"), (
        "vision_start", "vision_start"), ("vision_end", "vision_end"))}
    text = dict(vocab_size=rows(tok), hidden_size=W, intermediate_size=FF, num_hidden_layers=blocks, num_attention_heads=HEADS,
                num_key_value_heads=KV, max_position_embeddings=8192, rope_parameters=dict(rope, rope_theta=1e6),
                bos_token_id=tok.token_to_id("<|endoftext|>"), eos_token_id=tok.token_to_id("<|im_end|>"),
                tie_word_embeddings=False, **dict(text_more))
    vision = dict(num_heads=VH, in_channels=3, patch_size=patch, spatial_merge_size=2, temporal_patch_size=2, **vision)
    model = finish(folder, model_class(config_class(text_config=text, vision_config=vision, tie_word_embeddings=False, **ids)), seed, dict(
        image_processor_type="Qwen2VLImageProcessor", patch_size=patch, merge_size=2, temporal_patch_size=2,
        size={"shortest_edge": 4 * (2 * patch) ** 2, "longest_edge": 1024 * (2 * patch) ** 2}, **colours))
    return Family(model, folder, "<|image_pad|>", (10 * patch, 8 * patch), "patches", pre="qwen2")


def qwen25vl(work):
    from transformers import Qwen2_5_VLConfig, Qwen2_5_VLForConditionalGeneration
    return qwen(work, "qwen2_5_vl", Qwen2_5_VLForConditionalGeneration, Qwen2_5_VLConfig, dict(
        depth=VB, hidden_size=VW, intermediate_size=VF, window_size=112, fullatt_block_indexes=[1, 3], out_hidden_size=W,
        hidden_act="silu", tokens_per_second=2), dict(rope_type="default", mrope_section=[2, 3, 3]), 23)


def qwen2vl(work):
    from transformers import Qwen2VLConfig, Qwen2VLForConditionalGeneration
    return qwen(work, "qwen2_vl", Qwen2VLForConditionalGeneration, Qwen2VLConfig, dict(
        depth=3, embed_dim=VW, hidden_size=W, mlp_ratio=2, hidden_act="quick_gelu"),
        dict(rope_type="default", mrope_section=[2, 3, 3]), 24)


def qwen3vl(work):
    from transformers import Qwen3VLConfig, Qwen3VLForConditionalGeneration
    return qwen(work, "qwen3_vl", Qwen3VLForConditionalGeneration, Qwen3VLConfig, dict(
        depth=VB, hidden_size=VW, intermediate_size=VF, out_hidden_size=W, num_position_embeddings=64,
        deepstack_visual_indexes=[1, 2], hidden_act="gelu_pytorch_tanh"),
        dict(rope_type="default", mrope_section=[3, 3, 2], mrope_interleaved=True), 25, patch=16, text_more=dict(head_dim=16).items(),
        colours=HALF, blocks=3)


def gemma3(work):
    import sentencepiece
    from transformers import Gemma3Config, Gemma3ForConditionalGeneration
    folder = work / "checkpoint"
    folder.mkdir()
    text = folder / "corpus.txt"
    text.write_text("\n".join(corpus()))
    marks = ["<start_of_turn>", "<end_of_turn>", "<start_of_image>", "<end_of_image>", "<image_soft_token>", "\n", "\n\n", "  "]
    sentencepiece.SentencePieceTrainer.train(
        input=str(text), model_prefix=str(folder / "tokenizer"), vocab_size=700, model_type="bpe", byte_fallback=True,
        character_coverage=0.9995, split_digits=True, allow_whitespace_only_pieces=True, remove_extra_whitespaces=False,
        normalization_rule_name="identity", pad_id=0, eos_id=1, bos_id=2, unk_id=3, pad_piece="<pad>", eos_piece="<eos>",
        bos_piece="<bos>", add_dummy_prefix=False, user_defined_symbols=marks, minloglevel=2)
    text.unlink()
    (folder / "tokenizer.vocab").unlink()
    pieces = sentencepiece.SentencePieceProcessor(model_file=str(folder / "tokenizer.model"))
    (folder / "tokenizer_config.json").write_text(json.dumps(dict(
        tokenizer_class="GemmaTokenizer", add_bos_token=True, bos_token="<bos>", eos_token="<eos>", unk_token="<unk>",
        pad_token="<pad>", model_max_length=4096, clean_up_tokenization_spaces=False, added_tokens_decoder={
            str(pieces.piece_to_id(t)): dict(content=t, special=t.startswith("<"), normalized=False, lstrip=False, rstrip=False,
                                             single_word=False) for t in marks}, chat_template=(
            "{{ bos_token }}{% for m in messages %}{{ '<start_of_turn>' + ('model' if m['role'] == 'assistant' else m['role']) + '\n' }}"
            "{% if m['content'] is string %}{{ m['content'] }}{% else %}{% for c in m['content'] %}{% if c['type'] == 'text' %}"
            "{{ c['text'] }}{% else %}{{ '<start_of_image>' }}{% endif %}{% endfor %}{% endif %}{{ '<end_of_turn>\n' }}"
            "{% endfor %}{% if add_generation_prompt %}{{ '<start_of_turn>model\n' }}{% endif %}"))))
    size = pieces.get_piece_size()
    config = Gemma3Config(text_config=dict(
        vocab_size=-(-size // 8) * 8, hidden_size=W, intermediate_size=FF, num_hidden_layers=6, num_attention_heads=HEADS,
        num_key_value_heads=KV, head_dim=16, query_pre_attn_scalar=16, sliding_window=64, max_position_embeddings=8192),
        vision_config=dict(hidden_size=VW, intermediate_size=VF, num_hidden_layers=VB, num_attention_heads=VH, image_size=112,
                           patch_size=14, vision_use_head=False, model_type="siglip_vision_model"),
        mm_tokens_per_image=4, image_token_index=pieces.piece_to_id("<image_soft_token>"),
        boi_token_index=pieces.piece_to_id("<start_of_image>"), eoi_token_index=pieces.piece_to_id("<end_of_image>"))
    def centre(model):  # its norms multiply by 1 + weight
        for name, p in model.named_parameters():
            if "norm" in name and "vision" not in name:
                p.data -= 1

    model = finish(folder, Gemma3ForConditionalGeneration(config), 26, dict(
        image_processor_type="Gemma3ImageProcessor", image_seq_length=4, size={"height": 112, "width": 112}, **HALF),
        lambda n: n.replace("vision_tower.", "vision_tower.vision_model."), centre)  # as published
    return Family(model, folder, "<image_soft_token>", (112, 112), "square", own=True,
                  before="<start_of_image>", after="<end_of_image>")  # transformers' processor puts blank lines around these, llama.cpp does not


MAKERS = dict(llava=llava, smolvlm=smolvlm, qwen25vl=qwen25vl, qwen2vl=qwen2vl, qwen3vl=qwen3vl, gemma3=gemma3)
