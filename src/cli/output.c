/* output.c: opening the handle, and everything that is printed. */
#include "cli/cli.h"

#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

void cli_say(const char *format, ...)
{
    va_list args;

    fputs("rap: ", stderr);
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fputc('\n', stderr);
}

int cli_open(cli *c, bool read_only)
{
    rap_options options = RAP_OPTIONS_INIT;
    rap_status status;

    options.profile = c->profile;
    options.store = c->store;
    options.threads = (int)c->threads;
    options.read_only = read_only;
    options.policy =
        c->policy && strcmp(c->policy, "paper") == 0 ? RAP_POLICY_PAPER : RAP_POLICY_DEFAULT;
    options.on_progress = cli_progress;
    options.payload = c;
    options.profile_layers = c->layers;
    status = rap_open(&c->r, &options);
    return status == RAP_OK ? CLI_CONTINUE : cli_failed(c, status);
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
    fputs(text, stderr);
    rap_free(text);
    return code;
}

int cli_failed(cli *c, rap_status status)
{
    const char *line = c->r ? rap_error(c->r) : "";

    cli_say("%s", *line ? line : rap_status_text(status));
    return rap_status_exit_code(status);
}

int cli_flush(void)
{
    if (fflush(stdout) == 0 && !ferror(stdout))
        return 0;
    cli_say("cannot write to standard output: %s", strerror(errno));
    return rap_status_exit_code(RAP_E_IO);
}

int cli_print_json(json_t *document)
{
    int failed = !document || json_dumpf(document, stdout, JSON_INDENT(2) | JSON_REAL_PRECISION(9));

    json_decref(document);
    if (failed) {
        cli_say("cannot print the result as JSON");
        return rap_status_exit_code(RAP_E_IO);
    }
    putchar('\n');
    return cli_flush();
}

void cli_print_plain(const char *text)
{
    for (const unsigned char *p = (const unsigned char *)text; *p; p++)
        putchar(*p < 0x20 || *p == 0x7f ? ' ' : *p);
}

int cli_print_token(const char *text, size_t len, void *payload)
{
    for (size_t i = 0; i < len; i++)
        putchar(text[i] == '\033' ? ' ' : text[i]);
    fflush(stdout);
    return ferror(stdout);
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

int cli_progress(const char *what, uint64_t done, uint64_t total, void *payload)
{
    const cli *c = payload;
    enum { WIDTH = 30 };
    char bar[WIDTH + 1];
    int filled = total ? (int)((double)done * WIDTH / (double)total) : 0;

    if (c->quiet || !isatty(STDERR_FILENO))
        return 0;
    filled = filled > WIDTH ? WIDTH : filled;
    memset(bar, '.', WIDTH);
    memset(bar, '#', (size_t)filled);
    bar[WIDTH] = '\0';
    fprintf(stderr, "\r%s [%s] %llu/%llu", what, bar, (unsigned long long)done,
            (unsigned long long)total);
    if (done >= total)
        fputs("\r\033[K", stderr);
    fflush(stderr);
    return 0;
}
