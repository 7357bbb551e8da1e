/* chat_line.c: reading without an editor, then with one.
 *
 * The editor reads through get_character(), because libedit itself goes on after an interrupted read. It writes to
 * stderr, like every prompt.
 *
 * Between two lines the terminal is in its usual mode, in which a Ctrl-D that nobody waits for is queued as a NUL byte.
 * So that none is lost, the editor's mode begins before the prompt (libedit would set it afterwards), and a NUL that was
 * queued until then counts as Ctrl-D. */
#include "cli/chat_line.h"

#include "base/mem.h"
#include "cli/interrupt.h"

#include <errno.h>
#include <histedit.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>
#include <wchar.h>

enum { HISTORY = 500 };
static const char CTRL_D = 4;

struct chat_lines {
    bool terminal, quiet;
    EditLine *editor; /* NULL: without one */
    History *history;
    bool has_held; /* a byte that ended a character before its time */
    char held;
    int queued; /* bytes typed before the editor's mode began, and not read yet */
};

/* ---- without an editor ---- */

static chat_line read_plain(chat_lines *l, buf *line)
{
    bool too_long = false;
    int c;

    if (l->terminal && !l->quiet)
        fputs("> ", stderr);
    while ((c = getc(stdin)) != EOF && c != '\n') {
        if (line->len < CHAT_LINE_LONGEST)
            buf_putc(line, (char)c);
        else
            too_long = true;
    }
    if (interrupt_caught()) {
        clearerr(stdin);
        return CHAT_LINE_CLEARED;
    }
    if (c == EOF && line->len == 0)
        return CHAT_LINE_END;
    return too_long ? CHAT_LINE_LONG : CHAT_LINE_READ;
}

/* ---- with an editor ---- */

static chat_lines *lines_of(EditLine *editor)
{
    chat_lines *l = NULL;

    el_get(editor, EL_CLIENTDATA, &l);
    return l;
}

static const char *prompt(EditLine *editor)
{
    return lines_of(editor)->quiet ? "" : "> ";
}

/* 1: a byte, 0: the end, −1: a signal that asks to stop, or a failure. */
static int get_byte(chat_lines *l, char *out)
{
    ssize_t got = -1;

    *out = l->held;
    if (l->has_held) {
        l->has_held = false;
        return 1;
    }
    while (!interrupt_caught() && (got = read(STDIN_FILENO, out, 1)) < 0 && errno == EINTR)
        ;
    if (got > 0 && l->queued > 0) {
        l->queued--;
        if (*out == '\0')
            *out = CTRL_D;
    }
    return (int)got;
}

/* One character of UTF-8; bytes that are none become U+FFFD. */
static int get_character(EditLine *editor, wchar_t *out)
{
    chat_lines *l = lines_of(editor);
    mbstate_t state = { 0 };

    for (bool first = true;; first = false) {
        int got = get_byte(l, &l->held);
        size_t used;

        if (got <= 0)
            return got;
        used = mbrtowc(out, &l->held, 1, &state);
        if (used == (size_t)-1) {
            l->has_held = !first;
            *out = 0xFFFD;
        }
        if (used != (size_t)-2)
            return 1;
    }
}

static bool open_editor(chat_lines *l)
{
    HistEvent event;

    l->history = history_init();
    l->editor = l->history ? el_init("rap", stdin, stderr, stderr) : NULL;
    if (!l->editor)
        return false;
    history(l->history, &event, H_SETSIZE, HISTORY);
    history(l->history, &event, H_SETUNIQUE, 1);
    el_set(l->editor, EL_CLIENTDATA, l);
    el_set(l->editor, EL_PROMPT, prompt);
    el_set(l->editor, EL_EDITOR, "emacs");
    el_set(l->editor, EL_HIST, history, l->history);
    el_set(l->editor, EL_GETCFN, get_character);
    el_source(l->editor, NULL); /* the user's ~/.editrc, where there is one */
    return true;
}

/* With "edit off" in ~/.editrc the terminal stays in its usual mode, also while it is read. */
static void begin_editing(chat_lines *l)
{
    int editing = 0;

    l->queued = 0;
    if (el_get(l->editor, EL_EDITMODE, &editing) != 0 || !editing)
        return;
    el_set(l->editor, EL_PREP_TERM, 1);
    if (ioctl(STDIN_FILENO, FIONREAD, &l->queued) != 0)
        l->queued = 0;
}

static chat_line read_edited(chat_lines *l, buf *line)
{
    int count = 0;
    const char *text;
    HistEvent event;

    el_resize(l->editor); /* the window may have changed since */
    begin_editing(l);
    text = el_gets(l->editor, &count);
    if (interrupt_caught()) {
        fputs(interrupt_caught() == SIGINT ? "^C\n" : "\n", stderr);
        return CHAT_LINE_CLEARED;
    }
    if (!text || count <= 0) {
        fputc('\n', stderr); /* after Ctrl-D */
        return CHAT_LINE_END;
    }
    if (text[count - 1] == '\n')
        count--;
    buf_add(line, text, (size_t)(count < CHAT_LINE_LONGEST ? count : CHAT_LINE_LONGEST));
    if (line->len > 0)
        history(l->history, &event, H_ENTER, buf_text(line));
    return count > CHAT_LINE_LONGEST ? CHAT_LINE_LONG : CHAT_LINE_READ;
}

/* ---- either ---- */

chat_lines *chat_lines_open(bool quiet)
{
    chat_lines *l = mem_array(1, sizeof *l);

    if (!l)
        return NULL;
    l->quiet = quiet;
    l->terminal = isatty(STDIN_FILENO);
    if (l->terminal && isatty(STDERR_FILENO) && !open_editor(l)) {
        chat_lines_close(l);
        return NULL;
    }
    return l;
}

void chat_lines_close(chat_lines *l)
{
    if (!l)
        return;
    if (l->editor)
        el_end(l->editor);
    if (l->history)
        history_end(l->history);
    free(l);
}

bool chat_lines_terminal(const chat_lines *l)
{
    return l->terminal;
}

chat_line chat_lines_read(chat_lines *l, buf *line)
{
    chat_line result;

    buf_clear(line);
    result = l->editor ? read_edited(l, line) : read_plain(l, line);
    while (line->len > 0 && line->data[line->len - 1] == '\r')
        line->data[--line->len] = '\0';
    return result;
}
