/* options.c: one table-driven parser for the flags of every command. */
#include "base/text.h"
#include "cli/cli.h"

#include <stdio.h>
#include <string.h>

const cli_option cli_global_options[] = {
    { "--profile", CLI_TEXT, NULL, "DIR", "the models: a profile folder or name" },
    { "--store", CLI_TEXT, NULL, "FILE", "the concept store" },
    { "--policy", CLI_TEXT, NULL, "NAME", "retrieval: default, or paper (the official rule)" },
    { "--threads", CLI_NUMBER, NULL, "N", "cores to use (default: all)" },
    { "--json", CLI_FLAG, NULL, NULL, "print results as JSON" },
    { "--quiet", CLI_FLAG, NULL, NULL, "print no progress and no remarks" },
    { "--help", CLI_FLAG, NULL, NULL, "print this help; also -h" },
    { "--version", CLI_FLAG, NULL, NULL, "print the version; also -V" },
    { NULL, CLI_FLAG, NULL, NULL, NULL },
};

static void *global_value(cli *c, const char *name)
{
    struct {
        const char *name;
        void *value;
    } table[] = {
        { "--profile", &c->profile }, { "--store", &c->store },     { "--policy", &c->policy },
        { "--threads", &c->threads }, { "--json", &c->json },       { "--quiet", &c->quiet },
        { "--help", &c->help },       { "--version", &c->version },
    };

    for (size_t i = 0; i < sizeof table / sizeof *table; i++)
        if (strcmp(table[i].name, name) == 0)
            return table[i].value;
    return NULL;
}

/* A global flag that has no effect on this command is an error. */
static bool is_refused(const cli_command *command, const char *name)
{
    static const struct {
        const char *name;
        cli_unused refused_by;
    } flags[] = { { "--store", CLI_NO_STORE },
                  { "--policy", CLI_NO_STORE },
                  { "--profile", CLI_NO_MODELS },
                  { "--threads", CLI_NO_MODELS } };

    for (size_t i = 0; i < sizeof flags / sizeof *flags; i++)
        if (strcmp(flags[i].name, name) == 0)
            return command->unused >= flags[i].refused_by;
    return false;
}

static void print_option(const cli_option *o)
{
    char left[64];

    snprintf(left, sizeof left, "%s%s%s", o->name, o->argument ? " " : "",
             o->argument ? o->argument : "");
    printf("  %-22s %s\n", left, o->help);
}

static void print_command_help(const cli_command *command, const cli_option *options)
{
    printf("usage: rap %s%s%s [FLAGS]\n\n%s.\n", command->name, *command->arguments ? " " : "",
           command->arguments, command->summary);
    if (command->details)
        printf("\n%s\n", command->details);
    if (options->name)
        puts("\nflags:");
    for (const cli_option *o = options; o->name; o++)
        print_option(o);
    puts("\nglobal flags:");
    for (const cli_option *o = cli_global_options; o->name; o++)
        if (!is_refused(command, o->name))
            print_option(o);
}

/* "x,y,w,h" in pixels. */
static bool parse_box(rap_box *out, const char *text)
{
    char copy[128];
    float *field[] = { &out->x, &out->y, &out->w, &out->h };
    char *rest = copy;
    double value;

    if (strlen(text) >= sizeof copy)
        return false;
    memcpy(copy, text, strlen(text) + 1);
    for (int i = 0; i < 4; i++) {
        char *comma = strchr(rest, ',');

        if ((comma == NULL) != (i == 3))
            return false;
        if (comma)
            *comma = '\0';
        if (!text_parse_double(&value, rest) || !(value >= 0 && value < 1e6))
            return false;
        *field[i] = (float)value;
        rest = comma ? comma + 1 : rest;
    }
    return out->w > 0 && out->h > 0;
}

static bool add_text(cli_list *list, const char *text)
{
    if (list->count + 1 >= (int)(sizeof list->item / sizeof *list->item))
        return false;
    list->item[list->count++] = text;
    list->item[list->count] = NULL;
    return true;
}

static bool set_value(const cli_option *o, void *value, const char *text)
{
    switch (o->kind) {
    case CLI_FLAG:
        *(bool *)value = true;
        return true;
    case CLI_TEXT:
        *(const char **)value = text;
        return true;
    case CLI_NUMBER:
        return text_parse_long(value, text) && *(long *)value >= 0 && *(long *)value <= 1000000000;
    case CLI_REAL:
        return text_parse_double(value, text);
    case CLI_BOX:
        return parse_box(value, text);
    case CLI_LIST:
        return add_text(value, text);
    }
    return false;
}

static const cli_option *find_option(const cli_option *options, const char *arg, size_t len)
{
    for (const cli_option *o = options; o->name; o++)
        if (strlen(o->name) == len && strncmp(o->name, arg, len) == 0)
            return o;
    return NULL;
}

static void note_given(cli *c, const char *name)
{
    for (int i = 0; i < c->given.count; i++)
        if (strcmp(c->given.item[i], name) == 0)
            return;
    add_text(&c->given, name);
}

/* Parses the flag at argv[*i] (moving *i over its value). CLI_CONTINUE or CLI_USAGE. */
static int parse_flag(cli *c, const cli_command *command, const cli_option *options, int argc,
                      char **argv, int *i)
{
    const char *arg = strcmp(argv[*i], "-h") == 0   ? "--help"
                      : strcmp(argv[*i], "-V") == 0 ? "--version"
                                                    : argv[*i];
    const char *equals = strchr(arg, '=');
    size_t len = equals ? (size_t)(equals - arg) : strlen(arg);
    const cli_option *o = find_option(options, arg, len);
    const char *text = equals ? equals + 1 : NULL;
    void *value = o ? o->value : NULL;

    if (!o && (o = find_option(cli_global_options, arg, len)) != NULL)
        value = global_value(c, o->name);
    if (!o) {
        cli_say("%s: unknown flag '%.*s'; see `rap %s --help`", command->name, (int)len, arg,
                command->name);
        return CLI_USAGE;
    }
    if (is_refused(command, o->name)) {
        cli_say("%s: %s has no effect on this command; leave it out (see `rap %s --help`)",
                command->name, o->name, command->name);
        return CLI_USAGE;
    }
    if (o->kind == CLI_FLAG && equals) {
        cli_say("%s: %s takes no value", command->name, o->name);
        return CLI_USAGE;
    }
    if (o->kind != CLI_FLAG && !text) {
        if (*i + 1 >= argc) {
            cli_say("%s: %s needs a value: %s %s", command->name, o->name, o->name, o->argument);
            return CLI_USAGE;
        }
        text = argv[++*i];
    }
    if (!set_value(o, value, text)) {
        cli_say("%s: %s: expected %s, got '%s'", command->name, o->name, o->argument, text);
        return CLI_USAGE;
    }
    note_given(c, o->name);
    return CLI_CONTINUE;
}

int cli_parse(cli *c, const cli_command *command, const cli_option *options, int *argc, char **argv,
              int min_arguments, int max_arguments)
{
    int count = 0;
    bool only_arguments = false;

    for (int i = 1; i < *argc; i++) {
        if (!only_arguments && strcmp(argv[i], "--") == 0) {
            only_arguments = true;
        } else if (!only_arguments && argv[i][0] == '-' && argv[i][1] != '\0') {
            int code = parse_flag(c, command, options, *argc, argv, &i);

            if (code != CLI_CONTINUE)
                return code;
        } else {
            argv[count++] = argv[i];
        }
    }
    *argc = count;
    if (c->help)
        print_command_help(command, options);
    else if (c->version)
        puts("rap " RAP_VERSION);
    if (c->help || c->version)
        return cli_flush();
    if (count < min_arguments || count > max_arguments) {
        cli_say("usage: rap %s%s%s; see `rap %s --help`", command->name,
                *command->arguments ? " " : "", command->arguments, command->name);
        return CLI_USAGE;
    }
    if (c->policy && strcmp(c->policy, "default") != 0 && strcmp(c->policy, "paper") != 0) {
        cli_say("--policy must be default or paper, got '%s'", c->policy);
        return CLI_USAGE;
    }
    return CLI_CONTINUE;
}
