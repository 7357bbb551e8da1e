/* cmd_edit.c: rap edit NAME: new name, category or info, further views, aliases. */
#include "cli/cli.h"
#include "wire/wire.h"

static int run(cli *c, int argc, char **argv);

const cli_command cmd_edit = {
    "edit",
    "NAME",
    "Change a concept: name, category, info, pictures, aliases",
    "--image replaces the main picture, --view adds a further one to recognise it by; give one of\n"
    "them. --box is the place of the concept in that picture. Everything else stays unchanged.\n"
    "All changes are made, or none.",
    run,
    CLI_USES_ALL,
};

typedef struct edits {
    rap_change change;
    const char *avatar, *view; /* paths of their pictures */
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
        { "--category", CLI_TEXT, &e.change.category, "WORD", "the word the detector looks for" },
        { "--info", CLI_TEXT, &e.change.info, "TEXT", "what is worth knowing about it" },
        { "--image", CLI_TEXT, &e.avatar, "FILE", "a new main picture" },
        { "--view", CLI_TEXT, &e.view, "FILE", "a further picture" },
        { "--box", CLI_BOX, &e.box, "X,Y,W,H", "its place in that picture, in pixels" },
        { "--alias", CLI_LIST, &e.add_alias, "NAME", "another name; may be repeated" },
        { "--unalias", CLI_LIST, &e.remove_alias, "NAME", "remove an alias; may be repeated" },
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
        cli_say("edit: give --image or --view, not both");
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
