/* propose.c: see propose.h. */
#include "cli/propose.h"

#include "cli/interrupt.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static bool wants_category(const proposal *p)
{
    return p->category && strcmp(p->category, PROPOSE_AUTO) == 0;
}

int propose_check(const proposal *p, const char *command, const char *info)
{
    if (p->describe && info) {
        cli_say("%s: give --info or --describe, not both", command);
        return CLI_USAGE;
    }
    if (!p->describe && !wants_category(p)) {
        if (!p->yes)
            return CLI_CONTINUE;
        cli_say("%s: --yes means nothing without --describe or --category auto", command);
        return CLI_USAGE;
    }
    if (p->yes || isatty(STDIN_FILENO))
        return CLI_CONTINUE;
    cli_say(
        "%s: nobody can be asked whether to keep what is proposed: this is no terminal; with --yes "
        "it is kept unasked",
        command);
    return CLI_USAGE;
}

/* The first letter of a line from the user; a line of its own for each question. */
static int answer(void)
{
    int first = 0, c;

    while ((c = getchar()) != EOF && c != '\n' && !interrupt_caught())
        if (!first && !isspace(c))
            first = tolower(c);
    return first;
}

static void show(const proposal *p, const char *name)
{
    if (p->word)
        cli_note("%s: category %s", name, p->word);
    if (p->info)
        cli_note("%s: %s", name, p->info);
}

static rap_status confirm(proposal *p, const cli *c, const char *name)
{
    if (!p->yes || !c->quiet)
        show(p, name);
    if (p->yes)
        return RAP_OK;
    fputs("keep it? [y/N] ", stderr);
    fflush(stderr);
    p->declined = answer() != 'y';
    return p->declined ? RAP_E_CANCELLED : RAP_OK;
}

rap_status propose(proposal *p, cli *c, const char *name, const char *known, const rap_image *image,
                   rap_box box)
{
    rap_status status = RAP_OK;

    if (!p->describe && !wants_category(p))
        return RAP_OK;
    if (wants_category(p))
        status = rap_propose_category(&p->word, c->r, name, image, box);
    if (status == RAP_OK && p->describe)
        status = rap_propose_info(&p->info, c->r, name,
                                  p->word       ? p->word
                                  : p->category ? p->category
                                                : known,
                                  image, box);
    return status == RAP_OK ? confirm(p, c, name) : status;
}

int propose_failed(const proposal *p, cli *c, const char *name, rap_status status)
{
    if (!p->declined)
        return cli_failed(c, status);
    cli_say("%s: not kept, nothing was stored", name);
    return PROPOSE_DECLINED;
}

const char *propose_category(const proposal *p)
{
    return wants_category(p) ? p->word : p->category;
}

int propose_automatic(const proposal *p)
{
    return (p->info ? RAP_AUTOMATIC_INFO : 0) | (p->word ? RAP_AUTOMATIC_CATEGORY : 0);
}

void propose_release(proposal *p)
{
    rap_free(p->info);
    rap_free(p->word);
    p->info = p->word = NULL;
}
