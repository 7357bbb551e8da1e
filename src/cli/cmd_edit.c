/* cmd_edit.c: rap edit NAME: rename, new category or info, further views, aliases. */
#include "cli/cli.h"

#include <stdio.h>

static int run(cli *c, int argc, char **argv);

const cli_command cmd_edit = {
    "edit",
    "NAME",
    "Change what is known: name, category, info, pictures, aliases",
    "--image gives a new main picture, --view a further one that helps to recognise it. The box, "
    "if\n"
    "given, belongs to that picture. What is not named stays as it is. Give one of --image and "
    "--view.",
    run,
};

typedef struct edits {
    rap_concept change;
    rap_image view;
    cli_list add_alias, remove_alias;
} edits;

static bool has_change(const rap_concept *change)
{
    return change->name || change->category || change->info || change->image.path;
}

/* Each step is durable by itself; the rename comes last so that the others find the old name. */
static rap_status apply(rap *r, const char *name, const edits *e)
{
    rap_status status = RAP_OK;

    if (e->view.path)
        status = rap_add_view(r, name, &e->view, e->change.box);
    for (int i = 0; status == RAP_OK && i < e->add_alias.count; i++)
        status = rap_add_alias(r, name, e->add_alias.item[i]);
    for (int i = 0; status == RAP_OK && i < e->remove_alias.count; i++)
        status = rap_remove_alias(r, name, e->remove_alias.item[i]);
    if (status == RAP_OK && has_change(&e->change))
        status = rap_update(r, name, &e->change);
    return status;
}

static int run(cli *c, int argc, char **argv)
{
    edits e = { .change = RAP_CONCEPT_INIT };
    const cli_option options[] = {
        { "--name", CLI_TEXT, &e.change.name, "NEW", "rename it" },
        { "--category", CLI_TEXT, &e.change.category, "WORD", "what kind of thing it is" },
        { "--info", CLI_TEXT, &e.change.info, "TEXT", "what is worth knowing about it" },
        { "--image", CLI_TEXT, &e.change.image.path, "FILE", "a new main picture" },
        { "--view", CLI_TEXT, &e.view.path, "FILE", "a further picture" },
        { "--box", CLI_BOX, &e.change.box, "X,Y,W,H", "where it is in that picture" },
        { "--alias", CLI_LIST, &e.add_alias, "NAME", "a further name; may be repeated" },
        { "--unalias", CLI_LIST, &e.remove_alias, "NAME", "drop a further name" },
        { NULL, CLI_FLAG, NULL, NULL, NULL },
    };
    rap_status status;
    int code = cli_parse(c, &cmd_edit, options, &argc, argv, 1, 1);

    if (code != CLI_CONTINUE)
        return code;
    if (!has_change(&e.change) && !e.view.path && !e.add_alias.count && !e.remove_alias.count) {
        cli_say("edit: nothing to change; see `rap edit --help`");
        return CLI_USAGE;
    }
    if (e.view.path && e.change.image.path) {
        cli_say("edit: give --image or --view, not both at once");
        return CLI_USAGE;
    }
    if ((code = cli_open(c, false)) != CLI_CONTINUE)
        return code;
    status = apply(c->r, argv[0], &e);
    if (status != RAP_OK)
        return cli_failed(c, status);
    if (c->json)
        return cli_print_json(json_pack("{s:s}", "name", e.change.name ? e.change.name : argv[0]));
    if (!c->quiet) {
        fputs("changed ", stdout);
        cli_print_plain(e.change.name ? e.change.name : argv[0]);
        putchar('\n');
    }
    return cli_flush();
}
