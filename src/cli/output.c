/* output.c: opens the handle, and prints lines, JSON and progress. Foreign text goes through plain.c. */
#include "base/buf.h"
#include "base/text.h"
#include "cli/cli.h"
#include "cli/interrupt.h"
#include "cli/plain.h"

#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- lines -------------------------------------------------------------------------------- */

static void put_line(FILE *out, const char *start, const char *format, va_list args)
{
    char *text = NULL;

    if (vasprintf(&text, format, args) < 0)
        text = NULL;
    fputs(start, out);
    plain_put(out, text ? text : "out of memory");
    putc('\n', out);
    free(text);
}

void cli_say(const char *format, ...)
{
    va_list args;

    va_start(args, format);
    put_line(stderr, "rap: ", format, args);
    va_end(args);
}

void cli_note(const char *format, ...)
{
    va_list args;

    va_start(args, format);
    put_line(stderr, "", format, args);
    va_end(args);
}

void cli_line(const char *format, ...)
{
    va_list args;

    va_start(args, format);
    put_line(stdout, "", format, args);
    va_end(args);
}

void cli_print_plain(const char *text)
{
    plain_put(stdout, text);
}

void cli_say_unknown(cli *c, const char *question)
{
    const char **names = NULL;

    if (!c->quiet && rap_unknown(&names, c->r, question) == RAP_OK)
        for (size_t i = 0; names[i]; i++)
            cli_say("<%s> is not in the store; the answer knows nothing of it", names[i]);
    rap_free(names);
}

/* ---- the end of standard output ----------------------------------------------------------- */

/* Was the pipe closed by its reader? The errno of the write that failed may be lost by now. */
static bool reader_is_gone(int reason)
{
    struct pollfd end = { .fd = STDOUT_FILENO };

    return reason == EPIPE || (poll(&end, 1, 0) == 1 && (end.revents & POLLERR));
}

int cli_flush(void)
{
    int reason;

    errno = 0;
    if (fflush(stdout) == 0 && !ferror(stdout))
        return 0;
    reason = errno;
    if (reader_is_gone(reason))
        return CLI_PIPE;
    cli_say("cannot write to standard output: %s",
            reason ? strerror(reason) : "an earlier write failed");
    return rap_status_exit_code(RAP_E_IO);
}

/* ---- JSON --------------------------------------------------------------------------------- */

/* jansson escapes what JSON requires; characters that are unsafe on a terminal are escaped here. They occur only inside
 * strings and are all below U+10000. */
static char *escape(const char *json)
{
    buf out = BUF_INIT;

    while (*json) {
        unsigned code = 0;
        size_t used = text_decode(&code, json);

        if (code >= 0x7F && plain_kind_of(code) != PLAIN_SHOWN)
            buf_printf(&out, "\\u%04x", code);
        else
            buf_add(&out, json, used ? used : 1);
        json += used ? used : 1;
    }
    return buf_detach(&out);
}

int cli_put_json(json_t *document, size_t flags)
{
    char *text = document ? json_dumps(document, flags | JSON_REAL_PRECISION(9)) : NULL;
    char *escaped = text ? escape(text) : NULL;

    if (escaped)
        fputs(escaped, stdout);
    else
        cli_say("out of memory while printing the result as JSON");
    free(text);
    free(escaped);
    json_decref(document);
    return escaped ? 0 : rap_status_exit_code(RAP_E_MEMORY);
}

int cli_print_json(json_t *document)
{
    int code = cli_put_json(document, JSON_INDENT(2));

    if (code != 0)
        return code;
    putchar('\n');
    return cli_flush();
}

const char *cli_size(char out[32], int64_t bytes)
{
    static const char *const units[] = { "B", "kB", "MB", "GB", "TB" };
    double value = (double)bytes;
    int unit = 0;

    while (value >= 999.5 && unit < 4) {
        value /= 1000;
        unit++;
    }
    if (bytes < 0)
        snprintf(out, 32, "?");
    else
        snprintf(out, 32, unit ? "%.1f %s" : "%.0f %s", value, units[unit]);
    return out;
}

/* ---- the handle --------------------------------------------------------------------------- */

/* As rap_options.prefix_cache_mib. False: not a number. */
static bool read_prefix_cache(int *out, const cli *c)
{
    long mib = 0;
    bool good =
        !c->prefix_cache || (text_parse_long(&mib, c->prefix_cache) && mib >= 0 && mib <= 1 << 20);

    *out = !c->prefix_cache ? 0 : mib > 0 ? (int)mib : -1;
    return good;
}

const char *const *cli_lora(const cli *c)
{
    static const char *const none[] = { NULL };

    if (c->lora.count == 0)
        return NULL;
    return c->lora.count == 1 && strcmp(c->lora.item[0], "none") == 0 ? none : c->lora.item;
}

static rap_status open_handle(cli *c, rap_store_use use)
{
    rap_options options = RAP_OPTIONS_INIT;

    options.profile = c->profile;
    options.store = c->store;
    options.threads = (int)c->threads;
    options.store_use = (int)use;
    options.policy =
        c->policy && strcmp(c->policy, "paper") == 0 ? RAP_POLICY_PAPER : RAP_POLICY_DEFAULT;
    options.on_progress = cli_progress;
    options.payload = c;
    options.profile_layers = c->layers;
    options.vision = c->vision;
    options.endpoint = c->endpoint;
    options.model = c->model;
    options.lora = cli_lora(c);
    options.verify = c->verify;
    read_prefix_cache(&options.prefix_cache_mib, c);
    return rap_open(&c->r, &options);
}

int cli_open(cli *c, rap_store_use use)
{
    bool may_be_absent = use == RAP_STORE_READ_OR_EMPTY || use == RAP_STORE_CACHE;
    rap_status status;
    int mib;

    if (!read_prefix_cache(&mib, c)) {
        cli_say("--prefix-cache: expected a number of MiB up to 1048576, or 0 for none, got '%s'",
                c->prefix_cache);
        return CLI_USAGE;
    }
    status = open_handle(c, use);
    c->store_absent = c->store && may_be_absent && !c->quiet && access(c->store, F_OK) != 0;
    return status == RAP_OK ? CLI_CONTINUE : cli_failed(c, status);
}

int cli_failed(cli *c, rap_status status)
{
    const char *line = c->r ? rap_error(c->r) : "";

    cli_say("%s", *line ? line : rap_status_text(status));
    return rap_status_exit_code(status);
}

/* ---- results ------------------------------------------------------------------------------ */

/* Prints a table of several lines; the paths and model names in it go through plain.c, the line breaks stay. */
static void put_table(FILE *out, const char *text)
{
    while (*text) {
        size_t len = strcspn(text, "\n");
        plain_stream s = PLAIN_STREAM_INIT;

        plain_stream_put(&s, out, text, len);
        plain_stream_end(&s, out);
        text += len;
        if (*text) {
            putc('\n', out);
            text++;
        }
    }
}

int cli_say_layers(cli *c, int code)
{
    char *text = NULL;
    rap_status status;

    if (!c->layers || code != 0)
        return code;
    status = rap_layers(&text, c->r);
    if (status != RAP_OK)
        return cli_failed(c, status);
    put_table(stderr, text);
    rap_free(text);
    return code;
}

void cli_print_matches(const rap_matches *matches)
{
    for (size_t i = 0; i < matches->count; i++) {
        const rap_match *m = &matches->match[i];

        cli_print_plain(m->name);
        printf("\t%s\t%.2f", rap_reason_text(m->reason), (double)m->score);
        if (m->box.w > 0)
            printf("\t%.0f,%.0f,%.0f,%.0f", (double)m->box.x, (double)m->box.y, (double)m->box.w,
                   (double)m->box.h);
        if (m->ambiguous)
            printf("\tambiguous %d", m->ambiguous);
        putchar('\n');
    }
}

void cli_say_denied(const cli *c, const rap_matches *matches)
{
    for (size_t i = 0; i < matches->denied_count && !c->quiet; i++)
        cli_say("%s is left out: the language model denies that it is there (%.2f)",
                matches->denied[i].name, (double)matches->denied[i].verified);
}

int cli_progress(const char *what, uint64_t done, uint64_t total, void *payload)
{
    const cli *c = payload;
    enum { WIDTH = 30 };
    char bar[WIDTH + 1];
    int filled = total ? (int)((double)done * WIDTH / (double)total) : 0;

    if (c->quiet || !isatty(STDERR_FILENO))
        return interrupt_caught();
    filled = filled > WIDTH ? WIDTH : filled;
    memset(bar, '.', WIDTH);
    memset(bar, '#', (size_t)filled);
    bar[WIDTH] = '\0';
    putc('\r', stderr);
    plain_put(stderr, what);
    fprintf(stderr, " [%s] %llu/%llu", bar, (unsigned long long)done, (unsigned long long)total);
    if (done >= total || interrupt_caught())
        fputs("\r\033[K", stderr);
    fflush(stderr);
    return interrupt_caught();
}
