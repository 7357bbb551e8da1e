/* cmd_remember.c: rap remember NAME --image FILE: a new concept from one picture; FOLDER: one for each subfolder or
 * picture (remember_folder.c). */
#include "base/file.h"
#include "cli/cli.h"
#include "cli/propose.h"
#include "cli/remember_folder.h"
#include "wire/wire.h"

static int run(cli *c, int argc, char **argv);

const cli_command cmd_remember = {
    "remember",
    "NAME --image FILE | FOLDER",
    "Remember a concept from one picture, or a folder of concepts",
    "The concept should fill most of the picture; in a larger photo, mark it with --box. The\n"
    "category is the word the detector looks for (\"dog\", \"mug\"); the info is what the model "
    "is\n"
    "told about it. Add further pictures with `rap edit NAME --view FILE`.\n"
    "\n"
    "With --describe the language model writes the info, and with --category auto the encoder (or\n"
    "the detector) names the category. Both are shown first and kept if you say y; --yes keeps\n"
    "them unasked. `rap show` marks them as automatic until you give your own.\n"
    "\n"
    "FOLDER holds a folder for each concept, which gives the name: its first picture is the main\n"
    "one, the others are further views, info.txt and category.txt its texts. A picture directly "
    "in\n"
    "FOLDER is a concept too, called like the file. Names that are taken are passed over; what\n"
    "fails is said, and the others go on.",
    run,
    CLI_USES_ALL,
};

typedef struct wanted {
    rap_concept concept;
    proposal proposal;
    const char *picture;
    cli_list aliases;
} wanted;

/* The models need not look at what has a name that is taken. */
static int check_name(cli *c, const wanted *w)
{
    rap_record *taken = NULL;
    rap_status status = rap_find(&taken, c->r, w->concept.name);

    rap_record_free(taken);
    if (status == RAP_OK) {
        cli_say("'%s' is already remembered; see `rap edit`", w->concept.name);
        return rap_status_exit_code(RAP_E_EXISTS);
    }
    return status == RAP_E_NOT_FOUND ? CLI_CONTINUE : cli_failed(c, status);
}

static int remember(cli *c, wanted *w)
{
    rap_concept *concept = &w->concept;
    proposal *p = &w->proposal;
    int64_t id = 0;
    rap_status status;
    int code = CLI_CONTINUE;

    if (p->describe || propose_category(p) != p->category)
        code = check_name(c, w);
    if (code != CLI_CONTINUE)
        return code;
    status = propose(p, c, concept->name, NULL, &concept->image, concept->box);
    if (status != RAP_OK)
        return propose_failed(p, c, concept->name, status);
    concept->category = propose_category(p);
    if (p->info)
    concept->info = p->info;
    concept->automatic = propose_automatic(p);
    status = rap_remember(&id, c->r, concept);
    if (status != RAP_OK)
        return cli_failed(c, status);
    if (c->json)
        return cli_print_json(wire_remembered(id, concept->name, p->info, p->word));
    if (!c->quiet)
        cli_line("remembered %s", concept->name);
    return cli_flush();
}

/* Without --image the argument is a folder. */
static int remember_all(cli *c, const char *folder, wanted *w)
{
    const rap_concept *one = &w->concept;
    int code;

    if (!file_is_folder(folder)) {
        cli_say("remember: --image is missing; give a picture of %s, or a folder of concepts",
                folder);
        return CLI_USAGE;
    }
    if (one->info || w->aliases.count || one->box.w > 0) {
        cli_say("remember: --info, --alias and --box are of one concept; %s is a folder", folder);
        return CLI_USAGE;
    }
    code = cli_open(c, RAP_STORE_CHANGE);
    return code == CLI_CONTINUE ? remember_folder(c, folder, &w->proposal) : code;
}

static int run(cli *c, int argc, char **argv)
{
    wanted w = { .concept = RAP_CONCEPT_INIT };
    const cli_option options[] = {
        { "--image", CLI_TEXT, &w.picture, "FILE", "its picture (required for one concept)" },
        { "--category", CLI_TEXT, &w.proposal.category, "WORD",
          "the word the detector looks for; auto: proposed" },
        { "--info", CLI_TEXT, &w.concept.info, "TEXT", "what is worth knowing about it" },
        { "--describe", CLI_FLAG, &w.proposal.describe, NULL,
          "let the language model write the info from the picture" },
        { "--yes", CLI_FLAG, &w.proposal.yes, NULL, "keep what is proposed without asking" },
        { "--alias", CLI_LIST, &w.aliases, "NAME", "another name; may be repeated" },
        { "--box", CLI_BOX, &w.concept.box, "X,Y,W,H", "its place in the picture, in pixels" },
        CLI_LORA(c),
        { "--endpoint", CLI_TEXT, &c->endpoint, "URL",
          "let a server with an OpenAI-compatible API describe it" },
        { "--model", CLI_TEXT, &c->model, "NAME", "the model's name there" },
        { NULL, CLI_FLAG, NULL, NULL, NULL },
    };
    int code = cli_parse(c, &cmd_remember, options, &argc, argv, 1, 1);

    if (code != CLI_CONTINUE ||
        (code = propose_check(&w.proposal, "remember", w.concept.info)) != CLI_CONTINUE)
        return code;
    if (!w.picture)
        return remember_all(c, argv[0], &w);
    if ((code = cli_picture(c, &w.concept.image, w.picture)) != CLI_CONTINUE ||
        (code = cli_open(c, RAP_STORE_CHANGE)) != CLI_CONTINUE)
        return code;
    w.concept.name = argv[0];
    w.concept.aliases = w.aliases.item;
    code = remember(c, &w);
    propose_release(&w.proposal);
    return code;
}
