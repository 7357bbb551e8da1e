#!/usr/bin/env python3
"""Greedy answers of `rap ask` without concepts, against llama-mtmd-cli's on the same files.

    tools/parity/mtmd_cli.py build [--photo FILE.png] FOLDER...

A FOLDER holds model.gguf and mmproj.gguf (mmproj-model.gguf). The program is built from the pinned source by
`tools/setup/llama.sh llama-mtmd-cli`. Both get the same picture and question, the model's own chat template, no system
line and temperature 0; where the model has none, llama-mtmd-cli gets Vicuna's, which ours falls back on (its own
"--chat-template vicuna" lacks the system line). Each way to encode pictures that knows the family (own, mtmd) is compared. A photo should be PNG: JPEG decoders differ by a shade.

The texts must be equal. Where they are not, the first tokens in common are counted, which are many when two words were
equally likely and few when the prompts differ. Exits non-zero when a text differs or a program fails. Needs only Python.
"""
import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
QUESTION = "Describe this image."
TOKENS = 24
VICUNA = ("{{ \"A chat between a curious human and an artificial intelligence assistant. The assistant gives helpful, detailed, "
          "and polite answers to the human's questions. \" }}{% for m in messages %}{{ 'USER: ' + m['content'] + ' ASSISTANT:' }}"
          "{% endfor %}")
RUNS = 4  # llama-mtmd-cli's log may lose the end of the text when the program exits: the longest text counts


def run(command, **more):
    r = subprocess.run([str(c) for c in command], capture_output=True, **more)
    return r.returncode, r.stdout.decode("utf-8", "replace").strip(), r.stderr.decode("utf-8", "replace").strip()


def theirs(cli, model, mmproj, photo):
    base = [cli, "-m", model, "--mmproj", mmproj, "--image", photo, "-p", "<__media__>\n" + QUESTION, "--temp", "0", "-n",
            TOKENS, "-t", "2", "-c", "4096", "--no-warmup"]
    for more in (["--jinja"], ["--jinja", "--chat-template", VICUNA]):
        best, note = None, ""
        for _ in range(RUNS):
            code, text, note = run(base + more)
            if code:
                break
            best = text if best is None or len(text) > len(best) else best
        if best is not None:  # it refuses a model without a template, and its log may not say so
            break
    return best, note.splitlines()[-1] if note else ""


def profile(work, model, mmproj):
    """A chat profile of the pair; the encoder, which plays no part, is the tiny one."""
    files = {"encoder": ROOT / "models" / "tiny" / "clip.gguf", "llm": model, "mmproj": mmproj}
    for name, path in files.items():
        (work / f"{name}.gguf").symlink_to(path)
    (work / "profile.json").write_text(json.dumps(dict(
        name="parity", description="", license="", files={n: {"path": f"{n}.gguf"} for n in files}, prompt={"style": "chat"})))
    return work


def ours(rap, folder, vision, photo):
    with tempfile.TemporaryDirectory() as store:
        environment = dict(os.environ, RAP_STORE=f"{store}/store.db", RAP_PRECISION="f32")
        code, text, note = run([rap, "ask", photo, QUESTION, "--no-memory", "--max-tokens", TOKENS, "--vision", vision,
                                "--profile", folder, "--threads", "2", "--quiet"], env=environment)
    return (text if code == 0 else None), note


def compare(rap, cli, folder, photo):
    model, bad = folder / "model.gguf", 0
    mmproj = next(p for p in (folder / "mmproj.gguf", folder / "mmproj-model.gguf") if p.exists())
    wanted, note = theirs(cli, model, mmproj, photo)
    if wanted is None:
        print(f"{folder.name}: llama-mtmd-cli fails: {note}")
        return 1
    with tempfile.TemporaryDirectory() as work:
        made = profile(Path(work), model, mmproj)
        for vision in ("mtmd", "own"):
            got, note = ours(rap, made, vision, photo)
            if got is None and vision == "own" and "our engine runs" in note:
                continue  # our engine does not have its tower, and says so
            if got == wanted:
                print(f"{folder.name}, {vision}: equal")
                continue
            bad += 1
            same = len(os.path.commonprefix([got or "", wanted]))
            print(f"{folder.name}, {vision}: " + (f"fails: {note}" if got is None else
                                                  f"DIFFERENT behind {same} of {len(wanted)} characters\n  {got}\n  {wanted}"))
    return bad


def main():
    parser = argparse.ArgumentParser(usage=__doc__)
    parser.add_argument("build", type=Path)
    parser.add_argument("--photo", type=Path, default=ROOT / "docs" / "seen.png")
    parser.add_argument("folder", type=Path, nargs="+")
    options = parser.parse_args()
    code, cli, note = run([ROOT / "tools" / "setup" / "llama.sh", "llama-mtmd-cli"])
    if code:
        sys.exit(f"llama-mtmd-cli was not built: {note}")
    bad = sum(compare(options.build.resolve() / "rap", cli, f.resolve(), options.photo.resolve()) for f in options.folder)
    print("all equal" if not bad else f"{bad} are not equal")
    sys.exit(bool(bad))


if __name__ == "__main__":
    main()
