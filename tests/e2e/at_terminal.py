"""at_terminal.py ANSWER COMMAND…: runs a command at a terminal of its own and types ANSWER when it is asked."""
import os
import pty
import sys

child, terminal = pty.fork()
if child == 0:
    os.execvp(sys.argv[2], sys.argv[2:])
said, typed = b"", False
while True:
    try:
        some = os.read(terminal, 4096)
    except OSError:  # the command has ended
        break
    if not some:
        break
    said += some
    if b"[y/N]" in said and not typed:
        os.write(terminal, sys.argv[1].encode() + b"\n")
        typed = True
print(said.decode().replace("\r", ""), end="")
sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
