/* json_walk.c: a window over the file, a stack of entered levels, and a scanner that finds the end
 * of a value. Values the caller takes are parsed by jansson.
 *
 * Reading order: the window (peek_byte, next_byte), the scanner (scan_value), entering and
 * stepping, taking. */
#include "formats/json_walk.h"

#include "base/buf.h"
#include "base/mem.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { WINDOW = 1 << 16, SKIP_DEPTH = 2048 };

struct json_walk {
    char *path;
    FILE *file;
    double size; /* bytes of the file; 0: unknown */
    double read; /* bytes read so far */
    long line;
    size_t at, filled; /* in window */
    bool ended, broken;
    int depth;
    struct {
        char kind;  /* '{' or '[' */
        bool first; /* nothing read in it yet */
    } level[JSON_WALK_DEPTH];
    buf text; /* of the key, or the value being taken */
    unsigned char window[WINDOW];
};

rap_status json_walk_wrong(const json_walk *w, rap_err *err, const char *format, ...)
{
    char text[512];
    va_list args;

    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    return err_set(err, RAP_E_FORMAT, "%s:%ld: %s", w->path, w->line, text);
}

/* ---- the window ---- */

static void fill(json_walk *w)
{
    w->at = 0;
    w->filled = fread(w->window, 1, WINDOW, w->file);
    w->ended = w->filled == 0;
    w->broken = w->ended && ferror(w->file);
}

/* -1 at the end of the file. */
static int peek_byte(json_walk *w)
{
    if (w->at == w->filled && !w->ended)
        fill(w);
    return w->ended ? -1 : w->window[w->at];
}

static int next_byte(json_walk *w)
{
    int c = peek_byte(w);

    if (c < 0)
        return c;
    w->at++;
    w->read++;
    w->line += c == '\n';
    return c;
}

/* The next byte that is not white space, without consuming it. */
static int peek_text(json_walk *w)
{
    int c = peek_byte(w);

    while (c == ' ' || c == '\t' || c == '\n' || c == '\r') {
        next_byte(w);
        c = peek_byte(w);
    }
    return c;
}

static rap_status cut_short(const json_walk *w, rap_err *err)
{
    if (w->broken)
        return err_set(err, RAP_E_IO, "%s: reading failed after %.0f bytes", w->path, w->read);
    return json_walk_wrong(w, err, "the JSON ends early: is the file complete?");
}

static rap_status unexpected(const json_walk *w, int c, const char *wanted, rap_err *err)
{
    if (c < 0)
        return cut_short(w, err);
    return c >= 0x20 && c < 0x7f
               ? json_walk_wrong(w, err, "'%c' where %s is expected: not valid JSON", c, wanted)
               : json_walk_wrong(w, err, "the byte 0x%02X where %s is expected: not valid JSON", c,
                                 wanted);
}

/* ---- open, close ---- */

static rap_status skip_mark(json_walk *w, rap_err *err)
{
    int c = peek_byte(w);

    if (c == 0xFF || c == 0xFE || (c == 0 && w->filled > 1))
        return err_set(err, RAP_E_FORMAT, "%s: UTF-16 or UTF-32 text; save it as UTF-8", w->path);
    if (c == 0xEF && w->filled >= 3 && memcmp(w->window, "\xEF\xBB\xBF", 3) == 0)
        for (int i = 0; i < 3; i++)
            next_byte(w);
    return RAP_OK;
}

rap_status json_walk_open(json_walk **out, const char *path, rap_err *err)
{
    json_walk *w = mem_array(1, sizeof *w);
    struct stat info;
    rap_status status;

    *out = NULL;
    if (!w || !(w->path = mem_string(path))) {
        json_walk_close(w);
        return err_memory(err, "reading JSON");
    }
    w->line = 1;
    w->text = (buf)BUF_INIT;
    w->file = fopen(path, "rb");
    if (!w->file)
        status = err_set(err, errno == ENOENT ? RAP_E_NOT_FOUND : RAP_E_IO, "%s: %s", path,
                         errno == ENOENT ? "no such file" : strerror(errno));
    else if (fstat(fileno(w->file), &info) != 0)
        status = err_set(err, RAP_E_IO, "%s: %s", path, strerror(errno));
    else if (S_ISDIR(info.st_mode))
        status = err_set(err, RAP_E_ARGUMENT, "%s: a folder where a JSON file is expected", path);
    else {
        w->size = S_ISREG(info.st_mode) ? (double)info.st_size : 0;
        setvbuf(w->file, NULL, _IONBF, 0); /* the window is the buffer */
        status = skip_mark(w, err);
    }
    if (status == RAP_OK)
        *out = w;
    else
        json_walk_close(w);
    return status;
}

void json_walk_close(json_walk *w)
{
    if (!w)
        return;
    if (w->file)
        fclose(w->file);
    buf_release(&w->text);
    free(w->path);
    free(w);
}

long json_walk_line(const json_walk *w)
{
    return w->line;
}

double json_walk_share(const json_walk *w)
{
    return w->size > 0 && w->read < w->size ? w->read / w->size : w->size > 0;
}

/* ---- the scanner: finds the end of a value ---- */

/* keep: where the bytes go, or NULL. */
static rap_status keep_byte(json_walk *w, int c, buf *keep, rap_err *err)
{
    if (!keep)
        return RAP_OK;
    if (keep->len >= JSON_WALK_VALUE)
        return json_walk_wrong(w, err, "a value of more than %d MiB", JSON_WALK_VALUE >> 20);
    buf_putc(keep, (char)c);
    return buf_failed(keep) ? err_memory(err, "reading JSON") : RAP_OK;
}

/* From the opening quote to the closing one. */
static rap_status scan_string(json_walk *w, buf *keep, rap_err *err)
{
    rap_status status = keep_byte(w, next_byte(w), keep, err);
    int c = 0;

    while (status == RAP_OK && c != '"') {
        c = next_byte(w);
        if (c < 0x20)
            return unexpected(w, c, "the rest of a text", err);
        status = keep_byte(w, c, keep, err);
        if (status == RAP_OK && c == '\\') {
            int escaped = next_byte(w);

            if (escaped < 0)
                return cut_short(w, err);
            status = keep_byte(w, escaped, keep, err);
        }
    }
    return status;
}

/* A number or true, false, null, up to a character that can follow it. */
static rap_status scan_word(json_walk *w, buf *keep, rap_err *err)
{
    rap_status status = RAP_OK;
    int c = peek_byte(w), count = 0;

    while (status == RAP_OK && c > 0x20 && c < 0x7f && !strchr(",:]}[{\"", c)) {
        if (++count > 512)
            return json_walk_wrong(w, err, "a number or word of more than 512 characters");
        status = keep_byte(w, next_byte(w), keep, err);
        c = peek_byte(w);
    }
    return status == RAP_OK && count == 0 ? unexpected(w, c, "a value", err) : status;
}

static rap_status scan_value(json_walk *w, buf *keep, rap_err *err)
{
    char open[SKIP_DEPTH];
    int depth = 0;
    rap_status status = RAP_OK;

    do {
        int c = peek_text(w);

        if (c < 0)
            return cut_short(w, err);
        if (c == '"') {
            status = scan_string(w, keep, err);
        } else if (c == '{' || c == '[') {
            if (depth == SKIP_DEPTH)
                return json_walk_wrong(w, err, "nested more than %d deep", SKIP_DEPTH);
            open[depth++] = c == '{' ? '}' : ']';
            status = keep_byte(w, next_byte(w), keep, err);
        } else if (depth > 0 && c == open[depth - 1]) {
            depth--;
            status = keep_byte(w, next_byte(w), keep, err);
        } else if (depth > 0 && (c == ',' || c == ':')) {
            status = keep_byte(w, next_byte(w), keep, err);
        } else if (c == '}' || c == ']' || c == ',' || c == ':') {
            return unexpected(w, c, "a value", err);
        } else {
            status = scan_word(w, keep, err);
            if (status == RAP_OK && depth > 0) /* two words must not run together */
                status = keep_byte(w, ' ', keep, err);
        }
    } while (status == RAP_OK && depth > 0);
    return status;
}

/* ---- entering and stepping ---- */

rap_status json_walk_peek(char *out, json_walk *w, rap_err *err)
{
    int c = peek_text(w);

    if (c < 0 && w->broken)
        return cut_short(w, err);
    *out = c < 0 ? 0 : (char)c;
    return RAP_OK;
}

rap_status json_walk_enter(json_walk *w, char kind, rap_err *err)
{
    int c = peek_text(w);

    if (c != kind)
        return unexpected(w, c, kind == '{' ? "an object" : "a list", err);
    if (w->depth == JSON_WALK_DEPTH)
        return json_walk_wrong(w, err, "nested more than %d deep", JSON_WALK_DEPTH);
    next_byte(w);
    w->level[w->depth].kind = kind;
    w->level[w->depth++].first = true;
    return RAP_OK;
}

/* Skips the comma, or leaves the level at its end. */
static rap_status step(bool *out_more, json_walk *w, char kind, rap_err *err)
{
    char end = kind == '{' ? '}' : ']';
    int c = peek_text(w);

    *out_more = false;
    if (w->depth == 0 || w->level[w->depth - 1].kind != kind)
        return err_set(err, RAP_E_ARGUMENT, "%s: the walker is not in a value of this kind",
                       w->path);
    if (c == end) {
        next_byte(w);
        w->depth--;
        return RAP_OK;
    }
    if (!w->level[w->depth - 1].first) {
        if (c != ',')
            return unexpected(w, c, kind == '{' ? "',' or '}'" : "',' or ']'", err);
        next_byte(w);
        c = peek_text(w);
        if (c == end)
            return unexpected(w, c, "another value", err);
    }
    w->level[w->depth - 1].first = false;
    *out_more = true;
    return RAP_OK;
}

/* Parses the value in w->text with jansson. */
static rap_status parse_text(json_t **out, json_walk *w, rap_err *err)
{
    json_error_t why;

    *out =
        json_loadb(buf_text(&w->text), w->text.len, JSON_DECODE_ANY | JSON_REJECT_DUPLICATES, &why);
    if (*out)
        return RAP_OK;
    if (json_error_code(&why) == json_error_out_of_memory)
        return err_memory(err, "reading JSON");
    return json_walk_wrong(w, err, "not valid JSON: %s", why.text);
}

rap_status json_walk_key(const char **out, bool *out_more, json_walk *w, rap_err *err)
{
    json_t *key = NULL;
    int c;
    rap_status status = step(out_more, w, '{', err);

    *out = NULL;
    if (status != RAP_OK || !*out_more)
        return status;
    if ((c = peek_text(w)) != '"')
        return unexpected(w, c, "a key in quotes", err);
    buf_clear(&w->text);
    status = scan_string(w, &w->text, err);
    if (status == RAP_OK)
        status = parse_text(&key, w, err);
    if (status != RAP_OK)
        return status;
    buf_clear(&w->text);
    buf_puts(&w->text, json_string_value(key));
    json_decref(key);
    if (buf_failed(&w->text))
        return err_memory(err, "reading JSON");
    if ((c = peek_text(w)) != ':')
        return unexpected(w, c, "':'", err);
    next_byte(w);
    *out = buf_text(&w->text);
    return RAP_OK;
}

rap_status json_walk_item(bool *out_more, json_walk *w, rap_err *err)
{
    return step(out_more, w, '[', err);
}

/* ---- values ---- */

rap_status json_walk_skip(json_walk *w, rap_err *err)
{
    return scan_value(w, NULL, err);
}

rap_status json_walk_value(json_t **out, json_walk *w, rap_err *err)
{
    rap_status status;

    *out = NULL;
    buf_clear(&w->text);
    status = scan_value(w, &w->text, err);
    if (status == RAP_OK)
        status = parse_text(out, w, err);
    return status;
}

rap_status json_walk_end(json_walk *w, rap_err *err)
{
    int c = peek_text(w);

    if (c >= 0)
        return unexpected(w, c, "the end of the file", err);
    return w->broken ? cut_short(w, err) : RAP_OK;
}
