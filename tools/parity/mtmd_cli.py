#!/usr/bin/env python3
"""Greedy answers of `rap ask`, against llama-mtmd-cli's on the same files, with 0 to 3 concepts.

    tools/parity/mtmd_cli.py build [--photo FILE.png] [--concept FILE.png]... FOLDER...

A FOLDER holds model.gguf and mmproj.gguf (mmproj-model.gguf). The program is built from the pinned source by
`tools/setup/llama.sh llama-mtmd-cli`. Both get the same pictures and words, the model's own chat template, no system line
and temperature 0; where the model has no template, llama-mtmd-cli gets Vicuna's turns, which ours falls back on (its own
"--chat-template vicuna" lacks the system line). With concepts it gets the text that `rap ask` makes, in the order that
--json tells. Each way to encode pictures that knows the family (own, mtmd) is compared. Every question is asked twice, the
second time with the concepts' pictures out of the cache, and a chat answers the same and goes on to a follow-up question.
Pictures should be PNG: JPEG decoders differ by a shade.

The texts must be equal. Where they are not, the characters in common are counted: many, when two words were equally
likely, and few when the prompts differ. Exits non-zero when a text differs or a program fails. Needs only Python.
"""
import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
TOKENS = 24
VICUNA = ("{{ \"A chat between a curious human and an artificial intelligence assistant. The assistant gives helpful, detailed, "
          "and polite answers to the human's questions. \" }}{% for m in messages %}{{ 'USER: ' + m['content'] + ' ASSISTANT:' }}"
          "{% endfor %}")
# At most. llama-mtmd-cli's log may lose the end of the text when the program exits, so the longest text counts, and where
# that is the beginning of ours, it is what is compared.
RUNS = 4
NAMES = ["bo", "boris", "buddy"]


def run(command, **more):
    r = subprocess.run([str(c) for c in command], capture_output=True, **more)
    return r.returncode, r.stdout.decode("utf-8", "replace").strip(), r.stderr.decode("utf-8", "replace").strip()


def last_line(text):
    return text.splitlines()[-1] if text else "nothing is said"


def info(name):
    return f"<{name}> likes cheese."


def theirs(cli, pair, words, pictures, hoped):
    """The longest text of a few runs, or None and what was said. The one hoped for ends them."""
    base = [cli, "-m", pair[0], "--mmproj", pair[1], *(x for p in pictures for x in ("--image", p)), "-p", words, "--temp", "0",
            "-n", TOKENS, "-t", "2", "-c", "8192", "--no-warmup"]
    for more in (["--jinja"], ["--jinja", "--chat-template", VICUNA]):
        best, note = None, ""
        for _ in range(RUNS):
            code, text, note = run(base + more)
            if code:
                break
            best = text if best is None or len(text) > len(best) else best
            if best == hoped:
                break
        if best is not None:  # it refuses a model without a template, and its log may not say so
            break
    return best, last_line(note)


class Ours:
    """`rap` with a chat profile of the pair and a store with the first `concepts` names. The encoder is the tiny one."""

    def __init__(self, rap, work, pair, vision, concepts):
        files = {"encoder": ROOT / "models" / "tiny" / "clip.gguf", "llm": pair[0], "mmproj": pair[1]}
        work.mkdir()
        for name, path in files.items():
            (work / f"{name}.gguf").symlink_to(path)
        (work / "profile.json").write_text(json.dumps(dict(
            name="parity", description="", license="", files={n: {"path": f"{n}.gguf"} for n in files}, concept_tokens=-1,
            prompt={"style": "chat"}, retrieval={"k": 3, "threshold": 2.0})))
        self.base, self.vision = [rap, "--profile", work, "--threads", "2", "--quiet"], ["--vision", vision]
        self.environment = dict(os.environ, RAP_STORE=str(work / "store.db"), RAP_PRECISION="f32")
        for name, path in concepts:
            code, _, note = self.rap("remember", name, "--image", path, "--info", info(name))
            if code:
                sys.exit(note)

    def rap(self, command, *arguments, **more):
        return run([*self.base, command, *arguments], env=self.environment, **more)

    def ask(self, photo, question):
        code, text, note = self.rap("ask", photo, question, "--max-tokens", TOKENS, "--json", *self.vision)
        return (None, note) if code else (json.loads(text), "")

    def follow_up(self, photo, question):
        code, text, note = self.rap("chat", photo, "--json", *self.vision, input=f"{question}\nWhy?\n".encode())
        return ([], note) if code else ([json.loads(line)["answer"] for line in text.splitlines()], "")


def prompt(question, order):
    body = "".join(f"{i + 1}.<__media__>\n Name: <{n}>, Info: {info(n)}\n" for i, n in enumerate(order))
    return "<__media__>\n" + (f"[{body}]" if order else "") + question


def compare(rap, cli, work, pair, vision, photo, concepts):
    """What is wrong, or None; "" when our engine does not have this tower."""
    question = f"What do {' and '.join(f'<{n}>' for n, _ in concepts)} like?" if concepts else "Describe this image."
    us = Ours(rap, work, pair, vision, concepts)
    first, note = us.ask(photo, question)
    if first is None:
        return "" if vision == "own" and "our engine runs" in note else f"fails: {note}"
    order = [m["name"] for m in first["retrieved"]["matches"]]
    wanted, note = theirs(cli, pair, prompt(question, order), [photo, *(dict(concepts)[n] for n in order)],
                          first["answer"])
    if wanted is None:
        return f"llama-mtmd-cli fails: {note}"
    if wanted and first["answer"].startswith(wanted) and first["answer"] != wanted:
        print(f"  its log lost the end: compared are {len(wanted)} of {len(first['answer'])} characters")
        wanted = first["answer"]
    if first["answer"] != wanted:
        same = len(os.path.commonprefix([first["answer"], wanted]))
        return f"DIFFERENT behind {same} of {len(wanted)} characters\n  {first['answer']}\n  {wanted}"
    second, note = us.ask(photo, question)
    if second is None or second["answer"] != wanted or second["images_encoded"] != 1:
        return f"the second time {note or second}"
    said, note = us.follow_up(photo, question)
    if len(said) != 2 or not said[0].startswith(wanted) or not said[1]:
        return f"the chat {note or said}"
    return None


def main():
    shared = Path(os.environ.get("RAP_SHARED", ROOT.parent / "shared")) / "fixtures" / "vlm" / "pictures"
    parser = argparse.ArgumentParser(usage=__doc__)
    parser.add_argument("build", type=Path)
    parser.add_argument("--photo", type=Path, default=shared / "photo.png")
    parser.add_argument("--concept", type=Path, action="append")
    parser.add_argument("folder", type=Path, nargs="+")
    o = parser.parse_args()
    concepts = list(zip(NAMES, [p.resolve() for p in o.concept or [shared / f"{n}.png" for n in NAMES]]))
    code, cli, note = run([ROOT / "tools" / "setup" / "llama.sh", "llama-mtmd-cli"])
    if code:
        sys.exit(f"llama-mtmd-cli was not built: {note}")
    bad = 0
    for folder in o.folder:
        mmproj = next((p for p in (folder / "mmproj.gguf", folder / "mmproj-model.gguf") if p.exists()), None)
        if not mmproj:
            sys.exit(f"{folder}: has no mmproj.gguf")
        pair = ((folder / "model.gguf").resolve(), mmproj.resolve())
        for vision in ("mtmd", "own"):
            results = []
            for k in range(len(concepts) + 1):
                with tempfile.TemporaryDirectory() as work:
                    results.append(compare(o.build.resolve() / "rap", cli, Path(work) / "profile", pair, vision,
                                           o.photo.resolve(), concepts[:k]))
                if results[-1] == "":
                    break
            if results[-1] == "":
                continue
            wrong = {k: r for k, r in enumerate(results) if r}
            bad += len(wrong)
            print(f"{folder.name}, {vision}: equal with {', '.join(str(k) for k, r in enumerate(results) if not r) or 'no number of'} concepts",
                  flush=True)
            for k, r in wrong.items():
                print(f"{folder.name}, {vision}, {k} concepts: {r}", flush=True)
    print("all equal" if not bad else f"{bad} are not equal")
    sys.exit(bool(bad))


if __name__ == "__main__":
    main()
