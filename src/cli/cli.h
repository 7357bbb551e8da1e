/* cli.h: what every command shares: the global flags, the option table, opening, printing.
 *
 * Reading order: main.c (the table of commands), options.c (flags), output.c (text, JSON, progress), plain.h (what a
 * terminal never sees), picture.c (files and pipes), interrupt.h (signals), then any cmd_*.c. A command is found by its file name. Results go to stdout, everything else to stderr. */
#ifndef RAP_CLI_CLI_H
#define RAP_CLI_CLI_H

#include "rap.h"

#include <jansson.h>
#include <stdbool.h>

enum {
    CLI_USAGE = 2,
    CLI_PIPE = 128 + 13, /* the reader of standard output has gone: dies of SIGPIPE, without a word */
    CLI_CONTINUE = -1
};

/* The global flags, and the handle once cli_open() made it. */
typedef struct cli {
    const char *profile; /* --profile */
    const char *store;   /* --store   */
    const char *policy;  /* --policy  */
    long threads;        /* --threads */
    bool json;           /* --json    */
    bool quiet;          /* --quiet   */
    bool help;           /* --help    */
    bool version;        /* --version */
    bool layers;         /* --profile-layers, of the commands that have it */
    bool stdin_used;     /* '-' was given */
    bool store_absent;   /* --store names one that is not there: said at the end, if all went well */
    void *piped;         /* the bytes of a picture that came through a pipe */
    rap *r;
} cli;

/* Global flags that mean nothing to a command, and are refused there. */
typedef enum cli_unused {
    CLI_USES_ALL = 0,
    CLI_NO_STORE = 1,  /* --store, --policy: it works on stores of its own */
    CLI_NO_MODELS = 2  /* --profile, --threads as well: it opens neither */
} cli_unused;

typedef struct cli_command {
    const char *name;
    const char *arguments; /* as the usage line shows them */
    const char *summary;   /* one line for the list        */
    const char *details;   /* paragraphs for its own help  */
    int (*run)(cli *c, int argc, char **argv);
    cli_unused unused;
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

/* Opens the handle with the global flags. CLI_CONTINUE or an exit code, the reason printed.
 *   RAP_STORE_CHANGE         remember, edit, correct, forget, import
 *   RAP_STORE_READ_OR_EMPTY  list, find, show, export, doctor
 *   RAP_STORE_CACHE          see, ask, chat: vectors and tokens are kept when the store may be written
 *   RAP_STORE_EMPTY          embed, models */
int cli_open(cli *c, rap_store_use use);

/* The picture that an argument names: a file, or a pipe, which is read here; '-' is standard input. CLI_CONTINUE or an
 * exit code, the reason printed. Bytes live as long as `c`; a command has one picture. */
int cli_picture(cli *c, rap_image *out, const char *path);

/* With --profile-layers: prints on stderr what the handle's layers took. `code` back, or another when that
 * failed. */
int cli_say_layers(cli *c, int code);

/* How often a command with --profile-layers does its work: best times are those of warm runs. */
enum { CLI_LAYER_RUNS = 5 };

/* Prints the handle's error and returns the exit code of `status`. */
int cli_failed(cli *c, rap_status status);

/* One line each, as plain.h wants it: "rap: …" on stderr, on stderr as it is, on stdout as it is. */
void cli_say(const char *format, ...) __attribute__((format(printf, 1, 2)));
void cli_note(const char *format, ...) __attribute__((format(printf, 1, 2)));
void cli_line(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Prints and frees a JSON document (NULL: memory ran out); 0 or the exit code of a failed write. */
int cli_print_json(json_t *document);
/* The same without the end of the line, and without flushing; `flags` are jansson's. */
int cli_put_json(json_t *document, size_t flags);

/* Flushes stdout: 0, CLI_PIPE, or the exit code of a failed write (a full disk). */
int cli_flush(void);

/* Prints a field as plain.h wants it. */
void cli_print_plain(const char *text);

/* A rap_on_token that prints as it comes. payload: a plain_stream, to be ended afterwards. */
int cli_print_token(const char *text, size_t len, void *payload);

void cli_print_matches(const rap_matches *matches);

/* A progress bar on stderr when it is a terminal and not --quiet; cancels after a signal. payload: the cli. */
int cli_progress(const char *what, uint64_t done, uint64_t total, void *payload);

extern const cli_command *const cli_commands[]; /* ended by NULL */
extern const cli_option cli_global_options[];

#endif
