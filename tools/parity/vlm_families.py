"""Pairs of model.gguf and mmproj.gguf of further families, small and with random weights, for mtmd_cli.py.

    LLAMA_SOURCE=$(tools/setup/llama.sh source) python tools/parity/vlm_families.py FOLDER [FAMILY...]

The checkpoints are transformers' own, in their published layout; the words are a small vocabulary under ChatML, whatever the
family's own turns: what is to be shown is that pictures and words reach the model as they do in llama-mtmd-cli. Converted
by llama.cpp's convert_hf_to_gguf.py. Families of vlm_models.py can be named too.
"""
import json
import shutil
import sys
from pathlib import Path

import transformers

from llava import corpus
from vlm import convert
from vlm_models import (CLIP, FF, HALF, HEADS, KV, MAKERS, QWEN_SPLIT, QWEN_TOKENS, VB, VF, VH, VW, Family, W, byte_level, chatml,
                        finish, rows)


def make(work, name, image, text, vision, preprocessor, seed, marks=(), colours=HALF, pre="qwen2", model=None, options=(), **top):
    """A checkpoint whose pictures stand where `image` does; `marks`: further tokens of its own."""
    folder = work / "checkpoint"
    folder.mkdir()
    marks = [*QWEN_TOKENS[:3], image, *marks]
    tok = (byte_level(folder, QWEN_SPLIT, marks, chatml(image), eos="<|im_end|>", pad="<|endoftext|>") if pre else
           with_bytes(folder, marks, chatml(image)))
    words = dict(vocab_size=rows(tok) if pre else tok.get_vocab_size(), hidden_size=W, intermediate_size=FF, num_hidden_layers=2, num_attention_heads=HEADS,
                 num_key_value_heads=KV, max_position_embeddings=8192, bos_token_id=tok.token_to_id("<|endoftext|>"),
                 eos_token_id=tok.token_to_id("<|im_end|>"), pad_token_id=tok.token_to_id("<|endoftext|>"))
    words.update(text)
    config = getattr(transformers, name + "Config")(text_config=words, vision_config=vision, image_token_id=tok.token_to_id(image),
                                                    **dict(dict(tie_word_embeddings=False), **top))
    model = getattr(transformers, model or name + "ForConditionalGeneration")(config)
    finish(folder, model, seed, dict(preprocessor, **colours))
    return Family(model, folder, image, (0, 0), "", pre=pre, options=options)


def with_bytes(folder, marks, template):
    """A tokenizer.json as Gemma 4 has it: BPE over characters, bytes for those that it lacks."""
    from tokenizers import Tokenizer, decoders, models, normalizers, trainers
    tok = Tokenizer(models.BPE(unk_token="<unk>", byte_fallback=True, fuse_unk=True))
    tok.normalizer = normalizers.Replace(" ", "▁")
    tok.decoder = decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()])
    special = ["<pad>", "<eos>", "<bos>", "<unk>", *marks]
    tok.train_from_iterator(corpus(), trainers.BpeTrainer(vocab_size=700, special_tokens=special, show_progress=False))
    data = json.loads(tok.to_str())
    vocab = data["model"]["vocab"]
    vocab.update({f"<0x{b:02X}>": len(vocab) + b for b in range(256)})
    (folder / "tokenizer.json").write_text(json.dumps(data))
    (folder / "tokenizer_config.json").write_text(json.dumps(dict(
        tokenizer_class="PreTrainedTokenizerFast", bos_token="<bos>", eos_token="<|im_end|>", unk_token="<unk>", pad_token="<pad>",
        clean_up_tokenization_spaces=False, model_max_length=4096, chat_template=template)))
    return Tokenizer.from_file(str(folder / "tokenizer.json"))


def llama4(work):
    return make(work, "Llama4", "<|image|>", dict(
        head_dim=16, intermediate_size_mlp=FF, num_local_experts=2, interleave_moe_layer_step=1, num_hidden_layers=4,
        attention_chunk_size=8192), dict(
        hidden_size=VW, intermediate_size=256, num_hidden_layers=VB, num_attention_heads=VH, image_size=112, patch_size=14,
        vision_output_dim=W, projector_input_dim=W, projector_output_dim=W), dict(
        image_processor_type="Llama4ImageProcessorFast", size={"height": 112, "width": 112}, max_patches=16), 32,
        marks=["<|image_start|>", "<|image_end|>", "<|patch|>", "<|tile_x_separator|>", "<|tile_y_separator|>"], pre="llama4")


def gemma4(work):
    return make(work, "Gemma4", "<|image|>", dict(
        num_hidden_layers=6, head_dim=16, hidden_size_per_layer_input=0, sliding_window=64, vocab_size_per_layer_input=8,
        per_layer_config={"05": {"head_dim": 32}}, tie_word_embeddings=True,
        layer_types=["sliding_attention"] * 5 + ["full_attention"]), dict(
        model_type="gemma4_vision", hidden_size=VW, intermediate_size=VF, num_hidden_layers=VB, num_attention_heads=VH,
        num_key_value_heads=VH, head_dim=VW // VH, patch_size=16, position_embedding_size=64), dict(
        image_processor_type="Gemma4ImageProcessor", patch_size=16, pooling_kernel_size=3), 33,
        marks=["<|image>", "<image|>"], pre=None, tie_word_embeddings=True)


def exaone45(work):
    return make(work, "Exaone4_5_", "<|image_pad|>", dict(
        model_type="exaone4", num_hidden_layers=4, sliding_window=64, sliding_window_pattern=4, rope_theta=1e6), dict(
        depth=VB, hidden_size=VW, intermediate_size=VF, num_heads=VH, num_key_value_heads=2, patch_size=14, window_size=112,
        out_hidden_size=W, fullatt_block_indexes=[1, 3]), dict(
        image_processor_type="Qwen2VLImageProcessor", patch_size=14, merge_size=2, temporal_patch_size=2, min_pixels=3136,
        max_pixels=802816), 34, marks=["<vision>", "</vision>"], pre="exaone4", colours=CLIP,
        model="Exaone4_5_ForConditionalGeneration", video_token_id=0)


FAMILIES = dict(MAKERS, llama4=llama4, gemma4=gemma4, exaone45=exaone45)


def main():
    root = Path(sys.argv[1])
    transformers.logging.set_verbosity_error()
    for name in sys.argv[2:] or [n for n in FAMILIES if n != "llava"]:
        work = root / name
        shutil.rmtree(work, ignore_errors=True)
        work.mkdir(parents=True)
        convert(root, FAMILIES[name](work), work)
        print(name, [p.stat().st_size for p in sorted(work.glob("*.gguf"))], flush=True)


if __name__ == "__main__":
    main()
