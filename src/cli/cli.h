/* cli.h: what every command shares: the global flags, the option table, opening, printing.
 *
 * Reading order: main.c (the table of commands), options.c (flags), output.c (text, JSON, progress), then
 * any cmd_*.c. A command is found by its file name. Results go to stdout, everything else to stderr. */
#ifndef RAP_CLI_CLI_H
#define RAP_CLI_CLI_H

#include "rap.h"

#include <jansson.h>
#include <stdbool.h>

enum { CLI_USAGE = 2, CLI_CONTINUE = -1 };

/* The global flags, and the handle once cli_open() made it. */
typedef struct cli {
    const char *profile; /* --profile */
    const char *store;   /* --store   */
    const char *policy;  /* --policy  */
    long threads;        /* --threads */
    bool json;           /* --json    */
    bool quiet;          /* --quiet   */
    bool help;           /* --help    */
    bool layers;         /* --profile-layers, of the commands that have it */
    rap *r;
} cli;

typedef struct cli_command {
    const char *name;
    const char *arguments; /* as the usage line shows them */
    const char *summary;   /* one line for the list        */
    const char *details;   /* paragraphs for its own help  */
    int (*run)(cli *c, int argc, char **argv);
} cli_command;

typedef enum cli_kind { CLI_FLAG, CLI_TEXT, CLI_NUMBER, CLI_REAL, CLI_BOX, CLI_LIST } cli_kind;

/* Repeated texts of one flag. */
typedef struct cli_list {
    const char *item[32]; /* ended by NULL */
    int count;
} cli_list;

typedef struct cli_option {
    const char *name; /* "--image" */
    cli_kind kind;
    void *value;          /* bool, const char *, long, double, rap_box or cli_list */
    const char *argument; /* "FILE"; NULL for a flag */
    const char *help;
} cli_option;

/* Parses flags (also the global ones) into their values and leaves the positional arguments in argv
 * (argc is rewritten). CLI_CONTINUE, or the exit code to return at once: 0 after --help, CLI_USAGE after a
 * mistake. `options` ends with a NULL name. */
int cli_parse(cli *c, const cli_command *command, const cli_option *options, int *argc, char **argv,
              int min_arguments, int max_arguments);

/* Opens the handle with the global flags. CLI_CONTINUE or an exit code, the reason printed. */
int cli_open(cli *c, bool read_only);

/* With --profile-layers: prints on stderr what the handle's layers took. `code` back, or another when that
 * failed. */
int cli_say_layers(cli *c, int code);

/* How often a command with --profile-layers does its work: best times are those of warm runs. */
enum { CLI_LAYER_RUNS = 5 };

/* Prints the handle's error and returns the exit code of `status`. */
int cli_failed(cli *c, rap_status status);

/* One line on stderr: "rap: …". */
void cli_say(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Prints and frees a JSON document; 0 or the exit code of a failed write. */
int cli_print_json(json_t *document);

/* Flushes stdout: 0, or the exit code of a failed write (a full disk, a closed pipe). */
int cli_flush(void);

/* Prints text for a terminal: control characters (which could move the cursor) become spaces. */
void cli_print_plain(const char *text);

/* A rap_on_token that prints as it comes; escape characters become spaces. */
int cli_print_token(const char *text, size_t len, void *payload);

void cli_print_matches(const rap_matches *matches);

/* A progress bar on stderr when it is a terminal and not --quiet. payload: the cli. */
int cli_progress(const char *what, uint64_t done, uint64_t total, void *payload);

extern const cli_command *const cli_commands[]; /* ended by NULL */
extern const cli_option cli_global_options[];

#endif
