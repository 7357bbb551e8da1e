#!/usr/bin/env bash
# chat-terminal.sh: `rap chat` on a terminal: lines are edited and recalled; Ctrl-C clears the line, stops an answer, a
# silent endpoint or a pause before it is asked again, but not the chat; Ctrl-D, and Ctrl-C twice, end it.
set -u
root=$(cd "$(dirname "$0")/../.." && pwd)
RAP_BIN=${RAP_BIN:-$root/build/rap}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export RAP_BIN RAP_STORE=$work/store.db HOME=$work XDG_DATA_HOME=$work/data ASAN_OPTIONS=detect_leaks=0
export no_proxy=127.0.0.1,localhost
unset RAP_API_KEY
cd "$work" || exit 1
"$RAP_BIN" --quiet remember duke --image "$root/examples/toy/concepts/duke.jpg" --info "Kai owns <duke>." || exit 1
exec python3 - "$root" <<'EOF'
import http.server, json, os, pty, re, select, signal, subprocess, sys, threading, time

root, rap = sys.argv[1], os.environ["RAP_BIN"]
bad = []
silent = threading.Event()  # a question that is not answered has come


class Endpoint(http.server.BaseHTTPRequestHandler):
    """What it does follows from the question."""

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        question = json.loads(body)["messages"][-1]["content"]
        question = question if isinstance(question, str) else question[-1]["text"]
        try:
            if "busy" in question:
                self.send_response(429)
                self.send_header("Retry-After", "9")
                self.end_headers()
                return
            self.send_response(200)
            self.send_header("Content-Type", "text/event-stream")
            self.end_headers()
            if "silent" in question:
                silent.set()
                time.sleep(20)
            for word in ["one"] if "short" in question else ["word"] * (20 if "few" in question else 400):
                chunk = {"choices": [{"delta": {"content": word + " "}}]}
                self.wfile.write(f"data: {json.dumps(chunk)}\n\n".encode())
                self.wfile.flush()
                time.sleep(0.05)
            self.wfile.write(b"data: [DONE]\n\n")
        except OSError:
            pass  # the client has gone

    def log_message(self, *args):
        pass


def wait_until_silent():
    if not silent.wait(30):
        bad.append("no question came")
    silent.clear()


class Chat:
    def __init__(self, *args):
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.environ["TERM"] = "xterm"
            os.execv(rap, [rap, "chat", *args])
        self.name = ""

    def expect(self, pattern, seconds=30):
        """What comes until the pattern, without escape sequences."""
        seen, end = "", time.time() + seconds
        while not re.search(pattern, seen) and time.time() < end:
            if not select.select([self.fd], [], [], 0.1)[0]:
                continue
            try:
                data = os.read(self.fd, 65536)
            except OSError:
                break
            seen += re.sub(r"\x1b\[[0-9;]*[A-Za-z]", "", data.decode(errors="replace"))
        if not re.search(pattern, seen):
            bad.append(f"{self.name}: expected {pattern!r}, saw {seen!r}")
        return seen

    def send(self, text):
        os.write(self.fd, text.encode())

    def end(self):
        for _ in range(100):
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                return -os.WTERMSIG(status) if os.WIFSIGNALED(status) else os.WEXITSTATUS(status)
            time.sleep(0.1)
        os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)
        return "it did not end"


def same(name, got, expected):
    if got != expected:
        bad.append(f"{name}: {got!r}, expected {expected!r}")


# ---- lines ----
chat = Chat()
chat.name = "lines"
chat.expect("> $")
chat.send("Who owns <duk>?\x1b[D\x1b[De\r")  # two to the left, the letter that is missing
chat.expect(r"Kai\r\n> $")
chat.send("\x1b[A")  # recalled
chat.expect("Who owns <duke>")
chat.send("\r")
chat.expect(r"Kai\r\n> $")
chat.send("\r")  # an empty line is nothing
chat.expect(r"\n> $")
os.write(chat.fd, "Who owns n\u00f6body".encode() + b"\xc3(")  # the end is no character
chat.expect(r"n\u00f6body\ufffd\(")
chat.send("\x03")
chat.expect(r"\^C\r\n.*Ctrl-D.*\r\n> $")
chat.send("/what\r")
chat.expect(r"rap: /what: no such command.*\n> $")
chat.send("\x04")
same("after Ctrl-D", chat.end(), 2)  # of /what
same("a history on disk", sorted(os.listdir(".")), ["store.db"])

chat = Chat()
chat.name = "Ctrl-D before the prompt"
chat.send("\x04")
same("after an early Ctrl-D", chat.end(), 0)

chat = Chat()
chat.name = "twice"
chat.expect("> $")
chat.send("\x03")
chat.expect(r"\r\n> $")
chat.send("\x03")
same("after Ctrl-C twice", chat.end(), -signal.SIGINT)

# ---- what others do meanwhile ----
chat = Chat()
chat.name = "edited meanwhile"
chat.expect("> $")
chat.send("Who owns <duke>?\r")
chat.expect(r"Kai\r\n> $")
subprocess.run([rap, "--quiet", "edit", "duke", "--info", "Nora owns <duke>."], check=True)
chat.send("Are you sure?\r")
chat.expect(r"rap: <duke> was edited meanwhile, and given again\r\n> $")
chat.name = "forgotten meanwhile"
subprocess.run([rap, "--quiet", "forget", "duke"], check=True)
chat.send("Are you sure?\r")
chat.expect(r"rap: <duke> was forgotten meanwhile; .*\r\n> $")
chat.send("/forget-conversation\r")
chat.expect(r"forgot the conversation\r\n> $")
chat.send("Who owns <duke>?\r")
chat.expect(r"rap: <duke> is not in the store.*\r\n.*\r\n> $")
chat.send("\x04")
same("others", chat.end(), 0)

# ---- an endpoint ----
server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Endpoint)
server.daemon_threads = True
threading.Thread(target=server.serve_forever, daemon=True).start()
endpoint = ["--endpoint", f"http://127.0.0.1:{server.server_port}", "--model", "m"]

chat = Chat(*endpoint)
chat.name = "an answer stopped"
chat.expect("> $")
chat.send("a long answer\r")
chat.expect("word word word")
chat.send("\x03")
start = time.time()
chat.expect(r"\^C(word )*\r\n> $")  # some came before it
chat.name = "a silent endpoint"
chat.send("silent\r")
wait_until_silent()
chat.send("\x03")
chat.expect(r"\r\n> $", 10)
chat.name = "a busy endpoint"
chat.send("busy\r")
chat.expect(r"rap: asking again in 9 s: .*429")
chat.send("\x03")
chat.expect(r"\r\n> $", 10)
if time.time() - start > 25:  # the waits that were stopped take longer
    bad.append(f"three times Ctrl-C took {time.time() - start:.1f} s")
chat.name = "afterwards"
chat.send("a short answer\r")
chat.expect(r"one.*\r\n> $")
chat.send("\x04")
same("after all that", chat.end(), 0)

chat = Chat(*endpoint)
chat.name = "Ctrl-D during an answer"
chat.expect("> $")
chat.send("a few words\r")
chat.expect("word word")
chat.send("\x04")
chat.expect(r"(word )+\r\n> (\^D)?\r\n")
same("after Ctrl-D during an answer", chat.end(), 0)

chat = Chat("--json", *endpoint)
chat.name = "json"
chat.expect("> $")
chat.send("silent\r")
wait_until_silent()
chat.send("\x03")
chat.expect(r'"answer":null,"error":"stopped"\}\r\n> $', 10)
chat.send("\x04")
same("json", chat.end(), 0)

# Elsewhere than on a terminal Ctrl-C ends the chat, as it ends every command.
process = subprocess.Popen([rap, "chat", *endpoint], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
process.stdin.write("silent\nshort\n")
process.stdin.flush()
wait_until_silent()
process.send_signal(signal.SIGINT)
same("from a pipe", (process.wait(10), process.stdout.read()), (-signal.SIGINT, ""))

for line in bad:
    print(line)
sys.exit(1 if bad else 0)
EOF
