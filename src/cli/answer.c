/* answer.c: see answer.h. */
#include "cli/answer.h"

#include "base/buf.h"
#include "cli/interrupt.h"
#include "wire/wire.h"

#include <stdio.h>

/* ---- as it comes ---- */

static int print_plain(const char *text, size_t len, void *payload)
{
    answer_view *view = payload;

    plain_stream_put(&view->shown, stdout, text, len);
    fflush(stdout);
    return ferror(stdout) || interrupt_caught();
}

static int print_json(const char *text, size_t len, void *payload)
{
    answer_view *view = payload;

    view->shown.begun = true;
    if (cli_put_json(wire_token(text, len), JSON_COMPACT) != 0)
        return 1;
    putchar('\n');
    fflush(stdout);
    return ferror(stdout) || interrupt_caught();
}

static int stop(void *payload)
{
    (void)payload;
    return interrupt_caught();
}

static void on_wait(const char *why, double seconds, void *payload)
{
    const answer_view *view = payload;

    if (!view->c->quiet)
        cli_say("asking again in %.3g s: %s", seconds, why);
}

void answer_watch(answer_view *view, rap_query *query)
{
    view->shown = (plain_stream)PLAIN_STREAM_INIT;
    query->stop = stop;
    query->on_wait = on_wait;
}

rap_on_token *answer_listener(const answer_view *view)
{
    return !view->c->json ? print_plain : view->stream ? print_json : NULL;
}

void answer_end(answer_view *view, rap_status status)
{
    if (view->c->json)
        return;
    plain_stream_end(&view->shown, stdout);
    if (status != RAP_OK && view->shown.begun)
        putchar('\n');
}

int answer_check(const answer_view *view, const cli_command *command)
{
    if (!view->stream || view->c->json)
        return CLI_CONTINUE;
    cli_say("%s: --stream is for --json; text comes as it is generated in any case", command->name);
    return CLI_USAGE;
}

/* ---- remarks ---- */

/* One line: the names, what became of them (for one, for several), why. */
static void say_names(const char *const *names, const char *one, const char *several,
                      const char *why)
{
    buf list = BUF_INIT;

    if (!*names)
        return;
    for (size_t i = 0; names[i]; i++)
        buf_printf(&list, "%s<%s>", i ? ", " : "", names[i]);
    cli_say("%s %s %s", buf_text(&list), names[1] ? several : one, why);
    buf_release(&list);
}

void answer_remark(const cli *c, const rap_answer *a, bool same_photo)
{
    if (c->quiet || c->json)
        return;
    if (a->recognised == 0 && !same_photo)
        cli_say("nothing in the photo is recognised%s",
                a->matches->count == 0 ? "; the question was asked without concepts" : "");
    cli_say_denied(c, a->matches);
    say_names(a->without_picture, "is", "are",
              "given without a picture: the model's context is too short");
    say_names(a->dropped_names, "is", "are",
              "left out: the prompt does not fit into the model's context");
    say_names(a->edited, "was", "were", "edited meanwhile, and given again");
    say_names(a->forgotten, "was", "were",
              "forgotten meanwhile; this conversation still knows what it was told");
}

void answer_note(const cli *c)
{
    static bool said;

    if (said || c->quiet || !c->r || !*rap_note(c->r))
        return;
    said = true;
    cli_say("%s", rap_note(c->r));
}
