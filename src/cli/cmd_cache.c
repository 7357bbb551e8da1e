/* cmd_cache.c: rap cache: what is kept to save time, and away with it. */
#include "cli/cli.h"
#include "pull/downloads.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int run(cli *c, int argc, char **argv);

const cli_command cmd_cache = {
    "cache",
    "[clear [KIND]]",
    "Show what is kept to save time, or clear it",
    "KIND is one of\n"
    "  weights    packed weights of encoders, detectors and towers, for the next start\n"
    "  tokens     image tokens of the concepts' pictures, in the store\n"
    "  prefixes   evaluated concepts in files beside the store: `rap ask --prefix-cache`\n"
    "  downloads  what `rap pull` downloaded, in the model hub's cache, which other tools share\n"
    "Without KIND all but the downloads are cleared. What is needed again is made, or downloaded,\n"
    "again. Downloads that a profile links to stay.",
    run,
    CLI_USES_ALL,
};

static const char downloads_text[] = "downloads";

/* ---- showing ---- */

typedef struct shown {
    const char *kind, *place; /* place NULL: nowhere */
    int64_t items, bytes;
} shown;

static void show(const cli *c, json_t *list, const shown *s)
{
    char size[32];

    if (c->json) {
        json_array_append_new(list, json_pack("{s:s, s:I, s:I, s:s?}", "kind", s->kind, "items",
                                              (json_int_t)s->items, "bytes", (json_int_t)s->bytes,
                                              "place", s->place));
    } else {
        printf("%s\t%lld\t%s\t", s->kind, (long long)s->items, cli_size(size, s->bytes));
        cli_print_plain(s->place ? s->place : "-");
        putchar('\n');
    }
}

static int show_downloads(const cli *c, json_t *list)
{
    pull_downloads found;
    rap_err err = { 0 };
    rap_status status = pull_downloads_look(&found, 0, &err);

    if (status == RAP_OK)
        show(c, list, &(shown){ downloads_text, found.folder, found.files, found.bytes });
    else
        cli_say("%s", err.text);
    free(found.folder);
    return rap_status_exit_code(status);
}

static int show_all(cli *c)
{
    json_t *list = json_array();
    int code = 0, printed;

    for (int kind = 0; code == 0 && kind < RAP_CACHE_COUNT; kind++) {
        rap_cache_use use;
        rap_status status = rap_cache_look(&use, c->r, (rap_cache)kind);

        if (status == RAP_OK)
            show(c, list,
                 &(shown){ rap_cache_text((rap_cache)kind), use.place, use.items, use.bytes });
        else
            code = cli_failed(c, status);
        rap_free(use.place);
    }
    if (code == 0)
        code = show_downloads(c, list);
    printed =
        c->json && code == 0 ? cli_print_json(json_pack("{s:O}", "caches", list)) : cli_flush();
    json_decref(list);
    return code ? code : printed;
}

/* ---- clearing ---- */

static int clear_downloads(const cli *c)
{
    pull_downloads found;
    rap_err err = { 0 };
    rap_status status = pull_downloads_look(&found, 1, &err);

    if (status != RAP_OK)
        cli_say("%s", err.text);
    else if (found.used > 0 && !c->quiet)
        cli_say("%lld downloaded file%s stay: a profile links to them", (long long)found.used,
                found.used == 1 ? "" : "s");
    free(found.folder);
    return rap_status_exit_code(status);
}

static int clear(cli *c, const char *wanted)
{
    bool known = !wanted || strcmp(wanted, downloads_text) == 0;

    for (int kind = 0; kind < RAP_CACHE_COUNT; kind++) {
        rap_status status;

        if (wanted && strcmp(wanted, rap_cache_text((rap_cache)kind)) != 0)
            continue;
        known = true;
        status = rap_cache_clear(c->r, (rap_cache)kind);
        if (status != RAP_OK)
            return cli_failed(c, status);
    }
    if (!known) {
        cli_say("cache: there is no cache '%s'; the kinds are weights, tokens, prefixes and "
                "downloads",
                wanted);
        return CLI_USAGE;
    }
    return wanted && strcmp(wanted, downloads_text) == 0 ? clear_downloads(c) : 0;
}

static int run(cli *c, int argc, char **argv)
{
    const cli_option options[] = { { NULL, CLI_FLAG, NULL, NULL, NULL } };
    int code = cli_parse(c, &cmd_cache, options, &argc, argv, 0, 2);

    if (code != CLI_CONTINUE)
        return code;
    if (argc > 0 && strcmp(argv[0], "clear") != 0) {
        cli_say("cache: '%s': expected clear, or nothing to show the caches", argv[0]);
        return CLI_USAGE;
    }
    code = cli_open(c, argc > 0 ? RAP_STORE_CACHE : RAP_STORE_READ_OR_EMPTY);
    if (code == CLI_CONTINUE && argc > 0)
        code = clear(c, argc > 1 ? argv[1] : NULL);
    return code == CLI_CONTINUE || code == 0 ? show_all(c) : code;
}
