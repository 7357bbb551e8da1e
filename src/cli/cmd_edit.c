/* cmd_edit.c: rap edit NAME: new name, category or info, further views, aliases. */
#include "cli/cli.h"
#include "cli/propose.h"
#include "wire/wire.h"

static int run(cli *c, int argc, char **argv);

const cli_command cmd_edit = {
    "edit",
    "NAME",
    "Change a concept: name, category, info, pictures, aliases",
    "--image replaces the main picture, --view adds a further one to recognise it by; give one of\n"
    "them. --box is the place of the concept in that picture. Everything else stays unchanged.\n"
    "All changes are made, or none.\n"
    "\n"
    "With --describe the language model writes the info anew from the main picture (that of "
    "--image,\n"
    "if given), and with --category auto the encoder or the detector names the category. Both are\n"
    "shown first and kept if you say y; --yes keeps them unasked.",
    run,
    CLI_USES_ALL,
};

typedef struct edits {
    rap_change change;
    const char *avatar, *view; /* paths of their pictures */
    rap_box box;
    proposal proposal;
    cli_list add_alias, remove_alias;
} edits;

static bool has_change(const edits *e)
{
    const rap_change *c = &e->change;

    return c->name || e->proposal.category || e->proposal.describe || c->info || e->avatar ||
           e->view || e->add_alias.count || e->remove_alias.count;
}

/* The texts that the models write. */
static rap_status add_proposals(edits *e, cli *c, const char *name)
{
    rap_record *before = NULL;
    rap_status status = rap_find(&before, c->r, name);

    if (status == RAP_OK)
        status = propose(&e->proposal, c, before->name, before->category,
                         e->avatar ? &e->change.avatar : NULL, e->box);
    rap_record_free(before);
    if (status != RAP_OK)
        return status;
    e->change.category = propose_category(&e->proposal);
    if (e->proposal.info)
        e->change.info = e->proposal.info;
    e->change.automatic = propose_automatic(&e->proposal);
    return RAP_OK;
}

static int change(edits *e, cli *c, const char *name)
{
    const char *now = e->change.name ? e->change.name : name;
    rap_status status = add_proposals(e, c, name);

    if (status != RAP_OK)
        return propose_failed(&e->proposal, c, name, status);
    status = rap_update(c->r, name, &e->change);
    if (status != RAP_OK)
        return cli_failed(c, status);
    if (*rap_note(c->r))
        cli_say("%s", rap_note(c->r));
    if (c->json)
        return cli_print_json(wire_changed(now, e->proposal.info, e->proposal.word));
    if (!c->quiet)
        cli_line("changed %s", now);
    return cli_flush();
}

static int run(cli *c, int argc, char **argv)
{
    edits e = { .change = RAP_CHANGE_INIT };
    const cli_option options[] = {
        { "--name", CLI_TEXT, &e.change.name, "NEW", "rename it" },
        { "--category", CLI_TEXT, &e.proposal.category, "WORD",
          "the word the detector looks for; auto: proposed" },
        { "--info", CLI_TEXT, &e.change.info, "TEXT", "what is worth knowing about it" },
        { "--describe", CLI_FLAG, &e.proposal.describe, NULL,
          "let the language model write the info from the picture" },
        { "--yes", CLI_FLAG, &e.proposal.yes, NULL, "keep what is proposed without asking" },
        { "--image", CLI_TEXT, &e.avatar, "FILE", "a new main picture" },
        { "--view", CLI_TEXT, &e.view, "FILE", "a further picture" },
        { "--box", CLI_BOX, &e.box, "X,Y,W,H", "its place in that picture, in pixels" },
        { "--alias", CLI_LIST, &e.add_alias, "NAME", "another name; may be repeated" },
        { "--unalias", CLI_LIST, &e.remove_alias, "NAME", "remove an alias; may be repeated" },
        CLI_LORA(c),
        { "--endpoint", CLI_TEXT, &c->endpoint, "URL",
          "let a server with an OpenAI-compatible API describe it" },
        { "--model", CLI_TEXT, &c->model, "NAME", "the model's name there" },
        { NULL, CLI_FLAG, NULL, NULL, NULL },
    };
    int code = cli_parse(c, &cmd_edit, options, &argc, argv, 1, 1);

    if (code != CLI_CONTINUE)
        return code;
    if (!has_change(&e)) {
        cli_say("edit: nothing to change; see `rap edit --help`");
        return CLI_USAGE;
    }
    if ((code = propose_check(&e.proposal, "edit", e.change.info)) != CLI_CONTINUE)
        return code;
    if (e.proposal.describe && e.change.name) {
        cli_say("edit: --describe uses the name: rename it first, by itself");
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
    code = change(&e, c, argv[0]);
    propose_release(&e.proposal);
    return code;
}
