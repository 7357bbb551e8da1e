/* cli.h: what every command shares: the global flags, the option table, opening, printing.
 *
 * Reading order: main.c (the table of commands), options.c (flags), output.c (text, JSON, progress), plain.h (text that
 * is safe on a terminal), picture.c (files and pipes), interrupt.h (signals), answer.h (an answer as it comes), then any
 * cmd_*.c. Command X is in
 * cmd_X.c; list and find, import and export, doctor and models share a file. Results go to stdout, everything else to
 * stderr. */
#ifndef RAP_CLI_CLI_H
#define RAP_CLI_CLI_H

#include "rap.h"

#include <jansson.h>
#include <stdbool.h>

enum {
    CLI_USAGE = 2,
    CLI_PIPE = 128 + 13, /* standard output was closed by its reader: end with SIGPIPE, without a message */
    CLI_CONTINUE = -1
};

/* Texts, of a flag that may be repeated say. */
typedef struct cli_list {
    const char *item[32]; /* ended by NULL */
    int count;
} cli_list;

/* The global flags, and the handle after cli_open(). */
typedef struct cli {
    const char *profile; /* --profile */
    const char *store;   /* --store   */
    const char *policy;  /* --policy  */
    long threads;        /* --threads */
    bool json;           /* --json    */
    bool quiet;          /* --quiet   */
    bool help;           /* --help    */
    bool version;        /* --version */
    bool layers;         /* --profile-layers, for the commands that have it */
    const char *vision;  /* --vision, likewise */
    const char *endpoint, *model; /* --endpoint, --model, likewise */
    cli_list lora;       /* --lora, likewise: cli_lora() */
    bool verify;         /* --verify, likewise */
    const char *prefix_cache;     /* --prefix-cache, likewise: a number of MiB */
    cli_list given;      /* the flags of the command line, each once, so far as there is room */
    bool stdin_used;     /* '-' was given */
    bool store_absent;   /* the file of --store does not exist: reported at the end, after success */
    void *piped;         /* the bytes of a picture read from a pipe */
    rap *r;
} cli;

/* The global flags that have no effect on a command, and are refused there. */
typedef enum cli_unused {
    CLI_USES_ALL = 0,
    CLI_NO_STORE = 1,  /* --store, --policy: it uses temporary stores or none */
    CLI_NO_MODELS = 2  /* --profile, --threads as well: it opens neither store nor profile */
} cli_unused;

typedef struct cli_command {
    const char *name;
    const char *arguments; /* for the usage line            */
    const char *summary;   /* one line for the command list */
    const char *details;   /* paragraphs for its own help   */
    int (*run)(cli *c, int argc, char **argv);
    cli_unused unused;
} cli_command;

typedef enum cli_kind { CLI_FLAG, CLI_TEXT, CLI_NUMBER, CLI_REAL, CLI_BOX, CLI_LIST } cli_kind;

typedef struct cli_option {
    const char *name; /* "--image" */
    cli_kind kind;
    void *value;          /* bool, const char *, long, double, rap_box or cli_list */
    const char *argument; /* "FILE"; NULL for a flag */
    const char *help;
} cli_option;

/* Parses flags (the global ones too) into their values and leaves the positional arguments in argv
 * (argc is rewritten). Returns CLI_CONTINUE, or the exit code to return at once: 0 after --help, CLI_USAGE after a
 * mistake. `options` ends with a NULL name. */
int cli_parse(cli *c, const cli_command *command, const cli_option *options, int *argc, char **argv,
              int min_arguments, int max_arguments);

/* Opens the handle with the global flags. Returns CLI_CONTINUE, or an exit code after printing the reason.
 *   RAP_STORE_CHANGE         remember, edit, correct, forget, import
 *   RAP_STORE_READ           export
 *   RAP_STORE_READ_OR_EMPTY  list, find, show, doctor, cache
 *   RAP_STORE_CACHE          cache clear; see, ask, chat: vectors and tokens are cached in the store if it is writable
 *   RAP_STORE_EMPTY          embed, models */
int cli_open(cli *c, rap_store_use use);

/* The picture of an argument: a file, or a pipe, which is read here; '-' is standard input. Returns like cli_open().
 * The bytes live as long as `c`; a command has one picture. */
int cli_picture(cli *c, rap_image *out, const char *path);

/* With --profile-layers: prints the layer times on stderr. Returns `code`, or the exit code of a failure here. */
int cli_say_layers(cli *c, int code);

/* Runs of a command with --profile-layers, so that the best times are those of warm runs. */
enum { CLI_LAYER_RUNS = 5 };

/* The option --lora, for the tables of the commands that have it. */
#define CLI_LORA(c)                                                                               \
    {                                                                                             \
        "--lora", CLI_LIST, &(c)->lora, "FILE",                                                   \
            "this adapter, not the profile's; may be repeated; none: the base"                    \
    }
/* Its adapters, as rap_options.lora takes them; "none": an empty list. */
const char *const *cli_lora(const cli *c);

/* Prints the handle's error and returns the exit code of `status`. */
int cli_failed(cli *c, rap_status status);

/* Prints one line, made safe by plain.h: on stderr after "rap: "; on stderr; on stdout. */
void cli_say(const char *format, ...) __attribute__((format(printf, 1, 2)));
void cli_note(const char *format, ...) __attribute__((format(printf, 1, 2)));
void cli_line(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Prints and frees a JSON document (NULL: memory ran out); 0 or the exit code of a failed write. */
int cli_print_json(json_t *document);
/* The same without the final newline and the flush; `flags` are jansson's. */
int cli_put_json(json_t *document, size_t flags);

/* Flushes stdout: 0, CLI_PIPE, or the exit code of a failed write (a full disk). */
int cli_flush(void);

/* Prints a field, made safe by plain.h. */
void cli_print_plain(const char *text);

/* Bytes as a person reads them, "605.2 MB"; negative: "?". Returns out. */
const char *cli_size(char out[32], int64_t bytes);

/* Says which names in <brackets> in the question nobody remembered, before a model invents. */
void cli_say_unknown(cli *c, const char *question);

void cli_print_matches(const rap_matches *matches);
/* Says which matches the language model denied (--verify). */
void cli_say_denied(const cli *c, const rap_matches *matches);

/* A progress bar on stderr when it is a terminal and not --quiet; cancels after a signal. payload: the cli. */
int cli_progress(const char *what, uint64_t done, uint64_t total, void *payload);

extern const cli_command *const cli_commands[]; /* ended by NULL */
extern const cli_option cli_global_options[];

#endif
