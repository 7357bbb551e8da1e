/* main.c: the table of commands and the dispatch. */
#include "cli/cli.h"
#include "cli/interrupt.h"

#include <locale.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

extern const cli_command cmd_remember, cmd_edit, cmd_correct, cmd_forget, cmd_list, cmd_find,
    cmd_show, cmd_see, cmd_ask, cmd_chat, cmd_import, cmd_export, cmd_models, cmd_convert,
    cmd_doctor, cmd_eval, cmd_calibrate, cmd_embed, cmd_pull, cmd_dataset, cmd_train, cmd_lora,
    cmd_cache;

const cli_command *const cli_commands[] = {
    &cmd_remember, &cmd_edit,    &cmd_correct, &cmd_forget, &cmd_list,      &cmd_find,
    &cmd_show,     &cmd_see,     &cmd_ask,     &cmd_chat,   &cmd_import,    &cmd_export,
    &cmd_models,   &cmd_convert, &cmd_doctor,  &cmd_eval,   &cmd_calibrate, &cmd_embed,
    &cmd_pull,     &cmd_dataset, &cmd_train,   &cmd_lora,   &cmd_cache,     NULL,
};

static void print_help(FILE *out)
{
    fputs("rap: remember objects from one picture each, recognise them in photos, talk about them\n"
          "\nusage: rap COMMAND [ARGUMENTS] [FLAGS]\n\ncommands:\n",
          out);
    for (int i = 0; cli_commands[i]; i++)
        fprintf(out, "  %-10s %s\n", cli_commands[i]->name, cli_commands[i]->summary);
    fputs("\nglobal flags:\n", out);
    for (const cli_option *o = cli_global_options; o->name; o++)
        fprintf(out, "  %s%s%-*s %s\n", o->name, o->argument ? " " : "",
                (int)(20 - strlen(o->name) - (o->argument ? 1 : 0)), o->argument ? o->argument : "",
                o->help);
    fputs("\n`rap COMMAND --help` explains one command. A first try:\n"
          "  rap remember bo --image bo.png --category dog --info \"<bo> loves cheese.\"\n"
          "  rap ask park.jpg \"Who is in this picture?\"\n",
          out);
}

static const cli_command *find_command(const char *name)
{
    for (int i = 0; cli_commands[i]; i++)
        if (strcmp(cli_commands[i]->name, name) == 0)
            return cli_commands[i];
    return NULL;
}

/* The index of the command: the first argument that is neither a global flag nor its value. */
static int command_index(int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        if (argv[i][0] != '-' || argv[i][1] == '\0')
            return i;
        for (const cli_option *o = cli_global_options; o->name; o++)
            if (o->argument && strcmp(argv[i], o->name) == 0)
                i++;
    }
    return argc;
}

static bool is_one_of(const char *arg, const char *one, const char *other)
{
    return strcmp(arg, one) == 0 || strcmp(arg, other) == 0;
}

/* The first of the arguments that is no global flag; NULL: none. */
static const char *unknown_flag(int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        size_t len = strcspn(argv[i], "=");
        const cli_option *o = cli_global_options;

        while (o->name && (strncmp(argv[i], o->name, len) != 0 || o->name[len] != '\0'))
            o++;
        if (!o->name)
            return argv[i];
        i += o->argument && argv[i][len] == '\0';
    }
    return NULL;
}

/* Without a command, or "help" in its place. */
static int help(int argc, char **argv, int at)
{
    const cli_command *command;
    bool asked = at < argc;
    cli c = { .json = false };

    for (int i = 1; i < at && i < argc; i++) {
        if (is_one_of(argv[i], "--version", "-V")) {
            puts("rap " RAP_VERSION);
            return cli_flush();
        }
        asked |= is_one_of(argv[i], "--help", "-h");
    }
    if (at + 1 < argc && (command = find_command(argv[at + 1])) != NULL) {
        char *arguments[] = { argv[0], (char *)"--help", NULL };

        return command->run(&c, 2, arguments);
    }
    if (!asked && unknown_flag(argc, argv)) {
        cli_say("unknown flag '%s'; `rap --help` lists the flags", unknown_flag(argc, argv));
        return CLI_USAGE;
    }
    print_help(asked ? stdout : stderr);
    return asked ? cli_flush() : CLI_USAGE;
}

static int run(int argc, char **argv)
{
    cli c = { .json = false };
    const cli_command *command;
    int at = command_index(argc, argv), code;

    if (at >= argc || strcmp(argv[at], "help") == 0)
        return help(argc, argv, at);
    command = find_command(argv[at]);
    if (!command) {
        cli_say("unknown command '%s'; `rap --help` lists the commands", argv[at]);
        return CLI_USAGE;
    }
    for (int i = at; i > 0; i--) /* the command moves to the front, and is taken off below */
        argv[i] = argv[i - 1];
    code = command->run(&c, argc - 1, argv + 1);
    if (code == 0 && c.store_absent)
        cli_say("%s: no such store; it was treated as empty", c.store);
    rap_close(c.r);
    rap_free(c.piped);
    return code;
}

int main(int argc, char **argv)
{
    int code;

    setlocale(LC_CTYPE, "C.UTF-8");
    signal(SIGPIPE, SIG_IGN); /* a write fails instead, so that the command can clean up */
    signal(SIGXFSZ, SIG_IGN); /* the same for a file over the limit of `ulimit -f` */
    interrupt_install();
    code = run(argc, argv);
    interrupt_end();
    if (code == CLI_PIPE) {
        signal(SIGPIPE, SIG_DFL);
        raise(SIGPIPE);
    }
    return code;
}
