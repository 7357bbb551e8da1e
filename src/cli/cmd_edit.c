/* cmd_edit.c: rap edit NAME: rename, new category or info, further views, aliases. */
#include "cli/cli.h"
#include "wire/wire.h"

static int run(cli *c, int argc, char **argv);

const cli_command cmd_edit = {
    "edit",
    "NAME",
    "Change what is known: name, category, info, pictures, aliases",
    "--image gives a new main picture, --view a further one that helps to recognise it. The box, "
    "if\n"
    "given, belongs to that picture. What is not named stays as it is. Give one of --image and "
    "--view.\n"
    "All of it is done, or nothing.",
    run,
    CLI_USES_ALL,
};

typedef struct edits {
    rap_change change;
    const char *avatar, *view; /* where their pictures are */
    rap_box box;
    cli_list add_alias, remove_alias;
} edits;

static bool has_change(const edits *e)
{
    const rap_change *c = &e->change;

    return c->name || c->category || c->info || e->avatar || e->view || e->add_alias.count ||
           e->remove_alias.count;
}

static int run(cli *c, int argc, char **argv)
{
    edits e = { .change = RAP_CHANGE_INIT };
    const cli_option options[] = {
        { "--name", CLI_TEXT, &e.change.name, "NEW", "rename it" },
        { "--category", CLI_TEXT, &e.change.category, "WORD", "what kind of thing it is" },
        { "--info", CLI_TEXT, &e.change.info, "TEXT", "what is worth knowing about it" },
        { "--image", CLI_TEXT, &e.avatar, "FILE", "a new main picture" },
        { "--view", CLI_TEXT, &e.view, "FILE", "a further picture" },
        { "--box", CLI_BOX, &e.box, "X,Y,W,H", "where it is in that picture" },
        { "--alias", CLI_LIST, &e.add_alias, "NAME", "a further name; may be repeated" },
        { "--unalias", CLI_LIST, &e.remove_alias, "NAME", "drop a further name" },
        { NULL, CLI_FLAG, NULL, NULL, NULL },
    };
    rap_status status;
    int code = cli_parse(c, &cmd_edit, options, &argc, argv, 1, 1);

    if (code != CLI_CONTINUE)
        return code;
    if (!has_change(&e)) {
        cli_say("edit: nothing to change; see `rap edit --help`");
        return CLI_USAGE;
    }
    if (e.view && e.avatar) {
        cli_say("edit: give --image or --view, not both at once");
        return CLI_USAGE;
    }
    if ((e.avatar && (code = cli_picture(c, &e.change.avatar, e.avatar)) != CLI_CONTINUE) ||
        (e.view && (code = cli_picture(c, &e.change.view, e.view)) != CLI_CONTINUE) ||
        (code = cli_open(c, RAP_STORE_CHANGE)) != CLI_CONTINUE)
        return code;
    e.change.avatar_box = e.change.view_box = e.box;
    e.change.add_aliases = e.add_alias.item;
    e.change.remove_aliases = e.remove_alias.item;
    status = rap_update(c->r, argv[0], &e.change);
    if (status != RAP_OK)
        return cli_failed(c, status);
    if (*rap_note(c->r))
        cli_say("%s", rap_note(c->r));
    if (c->json)
        return cli_print_json(wire_changed(e.change.name ? e.change.name : argv[0]));
    if (!c->quiet)
        cli_line("changed %s", e.change.name ? e.change.name : argv[0]);
    return cli_flush();
}
