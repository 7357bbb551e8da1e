/* cmd_pull.c: rap pull NAME: download a profile's models and convert them. */
#include "base/threads.h"
#include "cli/cli.h"
#include "cli/interrupt.h"
#include "cli/plain.h"
#include "pull/pull.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static int run(cli *c, int argc, char **argv);

const cli_command cmd_pull = {
    "pull",
    "NAME",
    "Download the models of a profile and convert them",
    "NAME is a profile from `rap pull --list`, or the path of a recipe (a .json file). Downloads\n"
    "go to the cache of the model hub (HF_HOME, HF_HUB_CACHE), which other tools share, and "
    "resume\n"
    "where they were interrupted. Use the profile with `--profile NAME`.\n"
    "\n"
    "HF_TOKEN is your token for models that need one; HF_ENDPOINT or RAP_MIRROR names another hub.",
    run,
    CLI_NO_MODELS,
};

static int is_interrupted(void *payload)
{
    (void)payload;
    return interrupt_caught() != 0;
}

/* ---- progress ---- */

typedef struct shown {
    const cli *c;
    bool terminal;
    double began, last; /* milliseconds */
    int64_t first;      /* bytes that were there when the transfer began */
    char file[128];
} shown;

static void clear_line(const shown *s)
{
    if (s->terminal)
        fputs("\r\033[K", stderr);
}

static void draw_bar(shown *s, const char *file, int64_t done, int64_t total)
{
    enum { WIDTH = 24 };
    char bar[WIDTH + 1], so_far[32], whole[32], rate[32];
    double now = clock_ms(), seconds;
    int filled = total > 0 ? (int)((double)done * WIDTH / (double)total) : 0;

    if (strncmp(s->file, file, sizeof s->file - 1) != 0) {
        snprintf(s->file, sizeof s->file, "%s", file);
        s->began = now;
        s->first = done;
        s->last = 0;
    }
    if (now - s->last < 100 && done != total)
        return;
    s->last = now;
    seconds = (now - s->began) / 1000;
    memset(bar, '.', WIDTH);
    memset(bar, '#', (size_t)(filled > WIDTH ? WIDTH : filled));
    bar[WIDTH] = '\0';
    fputs("\r\033[K", stderr);
    plain_put(stderr, file);
    fprintf(stderr, " [%s] %s of %s", bar, cli_size(so_far, done), cli_size(whole, total));
    if (seconds > 1)
        fprintf(stderr, ", %s/s", cli_size(rate, (int64_t)((double)(done - s->first) / seconds)));
    fflush(stderr);
}

static int on_event(pull_event event, const char *file, const char *text, int64_t done,
                    int64_t total, void *payload)
{
    shown *s = payload;
    char size[32];

    if (s->c->quiet)
        return 0;
    if (event == PULL_BYTES) {
        if (s->terminal)
            draw_bar(s, file, done, total);
        return 0;
    }
    clear_line(s);
    switch (event) {
    case PULL_FETCHED:
        cli_note("fetched %s (%s)", file, cli_size(size, total));
        break;
    case PULL_REUSED:
        cli_note("have %s (%s, from the cache)", file, cli_size(size, total));
        break;
    case PULL_RETRY:
        cli_note("retrying: %s", text);
        break;
    case PULL_WAIT:
        cli_note("waiting for %s: %s", file, text);
        break;
    default:
        cli_note("%s %s", text, file);
        break;
    }
    return 0;
}

/* ---- results ---- */

static const char *text_of(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));

    return text ? text : "";
}

static int64_t bytes_of(const json_t *object)
{
    const json_t *bytes = json_object_get(object, "bytes");

    return json_is_integer(bytes) ? (int64_t)json_integer_value(bytes) : -1;
}

static void say_broken(const char *why)
{
    cli_say("%s", why);
}

static int print_list(const cli *c)
{
    rap_err err = { RAP_OK, "" };
    json_t *list, *row;
    size_t i;
    char size[32];
    rap_status status = pull_list(&list, say_broken, &err);

    if (status != RAP_OK) {
        cli_say("%s", err.text);
        return rap_status_exit_code(status);
    }
    if (c->json)
        return cli_print_json(list);
    json_array_foreach(list, i, row)
    {
        cli_line("%-16s %c%8s  %s  %s", text_of(row, "name"),
                 json_is_true(json_object_get(row, "at_least")) ? '>' : ' ',
                 cli_size(size, bytes_of(row)),
                 json_is_null(json_object_get(row, "profile")) ? "    " : "here",
                 text_of(row, "description"));
    }
    json_decref(list);
    return cli_flush();
}

static void print_plan(const json_t *plan)
{
    const json_t *file;
    size_t i;
    char size[32];

    json_array_foreach(json_object_get(plan, "files"), i, file)
        cli_line("%s %9s  %s", json_is_true(json_object_get(file, "here")) ? "have " : "fetch",
                 cli_size(size, bytes_of(file)), text_of(file, "url"));
    cli_line("download: %s, to %s",
             cli_size(size, json_integer_value(json_object_get(plan, "download"))),
             text_of(plan, "cache"));
    cli_line("profile: %s", text_of(plan, "profile"));
    cli_line("license: %s", text_of(plan, "license"));
}

static int print_result(const cli *c, json_t *result, bool dry_run)
{
    bool done = strcmp(text_of(result, "state"), "done") == 0;

    if (c->json)
        return cli_print_json(result);
    if (done)
        cli_line("%s is already there: %s", text_of(result, "name"), text_of(result, "profile"));
    else if (dry_run)
        print_plan(result);
    else
        cli_line("made %s: use it with --profile %s", text_of(result, "profile"),
                 text_of(result, "name"));
    json_decref(result);
    return cli_flush();
}

static int pull(const cli *c, pull_options *o, bool dry_run)
{
    shown progress = { .c = c, .terminal = isatty(STDERR_FILENO) };
    rap_err err = { RAP_OK, "" };
    json_t *result;
    rap_status status;

    o->on_event = on_event;
    o->cancelled = is_interrupted;
    o->payload = &progress;
    status = pull_run(&result, o, dry_run, &err);
    if (status == RAP_OK)
        return print_result(c, result, dry_run);
    if (!c->quiet)
        clear_line(&progress);
    cli_say("%s", err.text);
    return rap_status_exit_code(status);
}

static int run(cli *c, int argc, char **argv)
{
    bool list = false, dry_run = false;
    long retries = 5;
    pull_options o = PULL_OPTIONS_INIT;
    const cli_option options[] = {
        { "--list", CLI_FLAG, &list, NULL, "list the profiles that can be downloaded" },
        { "--dry-run", CLI_FLAG, &dry_run, NULL, "print what would be downloaded; no network" },
        { "--offline", CLI_FLAG, &o.offline, NULL, "use only what is in the cache" },
        { "--force", CLI_FLAG, &o.force, NULL, "check the hub and make the profile again" },
        { "--timeout", CLI_NUMBER, &o.stall_seconds, "SECONDS",
          "give up a transfer after so long without data (default 30)" },
        { "--retries", CLI_NUMBER, &retries, "N", "give up after N failures in a row (default 5)" },
        { NULL, CLI_FLAG, NULL, NULL, NULL },
    };
    int code = cli_parse(c, &cmd_pull, options, &argc, argv, 0, 1);

    if (code != CLI_CONTINUE)
        return code;
    if (list)
        return print_list(c);
    if (argc < 1) {
        cli_say("pull: the NAME of a profile is missing; `rap pull --list` lists them");
        return CLI_USAGE;
    }
    if (strcmp(argv[0], "tiny") == 0) {
        puts("tiny is built in: nothing to download");
        return cli_flush();
    }
    o.recipe = argv[0];
    o.stall_seconds = o.stall_seconds < 1 ? 1 : o.stall_seconds > 3600 ? 3600 : o.stall_seconds;
    o.retries = retries > 100 ? 100 : (int)retries;
    return pull(c, &o, dry_run);
}
