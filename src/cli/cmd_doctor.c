/* cmd_doctor.c: rap doctor checks the installation; rap models prints the profile in use. */
#include "cli/cli.h"
#include "cli/interrupt.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int run_doctor(cli *c, int argc, char **argv);
static int run_models(cli *c, int argc, char **argv);

const cli_command cmd_doctor = {
    "doctor",
    "",
    "Describe this installation and check it",
    "Compares the files of the profile with the sha256 in profile.json, where it has one, and "
    "runs\n"
    "every model once. Prints each problem and what to do about it; the exit status is that of "
    "the\n"
    "first problem, 0 if there is none.",
    run_doctor,
    CLI_USES_ALL,
};
const cli_command cmd_models = {
    "models",   "",           "Print the profile in use and its model files", "No store is opened.",
    run_models, CLI_USES_ALL,
};

/* ---- printing ---- */

static void print_value(const json_t *value)
{
    char *text;

    if (json_is_string(value)) {
        cli_print_plain(json_string_value(value));
        return;
    }
    text = json_dumps(value, JSON_ENCODE_ANY | JSON_COMPACT | JSON_REAL_PRECISION(6));
    cli_print_plain(text ? text : "?");
    free(text);
}

/* One "key: value" line for each leaf, nested objects indented. */
static void print_object(const json_t *object, int indent)
{
    const char *key;
    json_t *value;

    json_object_foreach((json_t *)object, key, value)
    {
        printf("%*s", indent, "");
        cli_print_plain(key);
        putchar(':');
        if (json_is_object(value)) {
            putchar('\n');
            print_object(value, indent + 2);
            continue;
        }
        putchar(' ');
        print_value(value);
        putchar('\n');
    }
}

static rap_status describe(json_t **out, rap *r)
{
    char *text = NULL;
    rap_status status = rap_describe(&text, r);

    *out = status == RAP_OK ? json_loads(text, 0, NULL) : NULL;
    rap_free(text);
    return status == RAP_OK && !*out ? RAP_E_MEMORY : status;
}

/* ---- problems ---- */

typedef struct checkup {
    cli *c;
    json_t *document, *problems; /* texts */
    rap_status first;            /* of the problems: the exit code */
} checkup;

static void note(checkup *check, rap_status status, json_t *problem)
{
    json_array_append_new(check->problems, problem);
    if (check->first == RAP_OK)
        check->first = status;
}

static const json_t *file_of(const checkup *check, const char *role)
{
    return json_object_get(json_object_get(json_object_get(check->document, "profile"), "files"),
                           role);
}

static const char *state_of(const json_t *file)
{
    const char *state = json_string_value(json_object_get(file, "state"));

    return state ? state : "ok";
}

/* The profile has this file, and no problem was found with it. */
static bool is_usable(const checkup *check, const char *role)
{
    const json_t *file = file_of(check, role);

    return file && strcmp(state_of(file), "ok") == 0;
}

/* ... or does without it. */
static bool is_no_obstacle(const checkup *check, const char *role)
{
    return !file_of(check, role) || is_usable(check, role);
}

/* A language model behind an endpoint: it is not asked, because that may cost money. */
static bool is_remote(const checkup *check)
{
    return json_object_get(json_object_get(check->document, "profile"), "generator") != NULL;
}

static void check_files(checkup *check)
{
    static const char *const roles[] = { "encoder", "text_encoder", "detector",
                                         "llm",     "mmproj",       "lora" };
    const json_t *profile = json_object_get(check->document, "profile");
    const char *error = json_string_value(json_object_get(profile, "error"));

    if (error)
        note(check, RAP_E_NOT_FOUND, json_string(error));
    for (size_t i = 0; i < sizeof roles / sizeof *roles; i++) {
        const json_t *file = file_of(check, roles[i]);
        const char *state = state_of(file), *path;

        if (!file || strcmp(state, "ok") == 0)
            continue;
        path = json_string_value(json_object_get(file, "path"));
        note(check, strcmp(state, "missing") == 0 ? RAP_E_NOT_FOUND : RAP_E_FORMAT,
             json_sprintf("%s: the %s is %s; put the right file there, or make the profile again "
                          "(`rap pull NAME --force`)",
                          path ? path : "?", roles[i], state));
    }
}

/* ---- running every model once ---- */

/* A grey picture of 32 x 32 pixels. */
static const unsigned char grey_png[] = {
    0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a, 0x00, 0x00, 0x00, 0x0d, 0x49, 0x48, 0x44, 0x52,
    0x00, 0x00, 0x00, 0x20, 0x00, 0x00, 0x00, 0x20, 0x08, 0x00, 0x00, 0x00, 0x00, 0x56, 0x11, 0x25,
    0x28, 0x00, 0x00, 0x00, 0x16, 0x49, 0x44, 0x41, 0x54, 0x78, 0xda, 0x63, 0x68, 0x20, 0x00, 0x18,
    0x46, 0x15, 0x8c, 0x2a, 0x18, 0x55, 0x30, 0x52, 0x15, 0x00, 0x00, 0x42, 0x00, 0x00, 0x1f, 0x37,
    0x97, 0x36, 0x00, 0x00, 0x00, 0x00, 0x00, 0x49, 0x45, 0x4e, 0x44, 0xae, 0x42, 0x60, 0x82
};

static void try_encoder(checkup *check, const rap_image *grey)
{
    rap_embedding *embedding = NULL;
    rap_status status = rap_embed(&embedding, check->c->r, grey, NULL);

    if (status != RAP_OK)
        note(check, status, json_string(rap_error(check->c->r)));
    rap_embedding_free(embedding);
}

static void try_detector(checkup *check, const rap_image *grey)
{
    rap_matches *matches = NULL;
    rap_status status = rap_retrieve(&matches, check->c->r, grey, NULL, 0);

    if (status != RAP_OK)
        note(check, status, json_string(rap_error(check->c->r)));
    rap_matches_free(matches);
}

static void try_language_model(checkup *check, const rap_image *grey)
{
    rap_query query = RAP_QUERY_INIT;
    rap_status status;

    if (file_of(check, "mmproj"))
        query.image = *grey;
    query.question = "What is this?";
    query.max_tokens = 1;
    query.no_memory = 1;
    status = rap_ask(NULL, check->c->r, &query, NULL, NULL);
    if (status != RAP_OK)
        note(check, status, json_string(rap_error(check->c->r)));
}

/* With an empty store, so that nothing is searched or embedded in the user's. */
static int check_models(checkup *check)
{
    const rap_image grey = { NULL, grey_png, sizeof grey_png };
    cli *c = check->c;
    bool sees = is_usable(check, "encoder") && is_no_obstacle(check, "text_encoder");
    int code;

    rap_close(c->r);
    c->r = NULL;
    if ((code = cli_open(c, RAP_STORE_EMPTY)) != CLI_CONTINUE)
        return code;
    if (sees && !interrupt_caught())
        try_encoder(check, &grey);
    if (sees && is_usable(check, "detector") && check->first == RAP_OK && !interrupt_caught())
        try_detector(check, &grey);
    if (!is_remote(check) && is_usable(check, "llm") && is_no_obstacle(check, "mmproj") &&
        is_no_obstacle(check, "lora") && !interrupt_caught())
        try_language_model(check, &grey);
    return CLI_CONTINUE;
}

/* ---- the commands ---- */

/* The store is a problem of its own, and none where there is no place for one (a service without HOME). */
static int open_store(checkup *check)
{
    cli *c = check->c;
    const char *set = getenv("RAP_STORE");
    rap_options options = RAP_OPTIONS_INIT;
    rap_status status;

    options.profile = c->profile;
    options.store = c->store;
    options.threads = (int)c->threads;
    options.store_use = RAP_STORE_READ_OR_EMPTY;
    status = rap_open(&c->r, &options);
    if (status == RAP_OK)
        return CLI_CONTINUE;
    if (c->store || (set && *set) || status != RAP_E_NOT_FOUND)
        note(check, status, json_string(c->r ? rap_error(c->r) : "out of memory"));
    rap_close(c->r);
    c->r = NULL;
    return cli_open(c, RAP_STORE_EMPTY);
}

static int report(checkup *check)
{
    size_t count = json_array_size(check->problems);
    int code = rap_status_exit_code(check->first), printed;

    if (check->c->json) {
        json_object_set(check->document, "problems", check->problems);
        printed = cli_print_json(json_incref(check->document));
    } else {
        print_object(check->document, 0);
        puts(count ? "problems:" : "problems: none");
        for (size_t i = 0; i < count; i++)
            cli_line("  %s", json_string_value(json_array_get(check->problems, i)));
        printed = cli_flush();
    }
    if (count && printed == 0)
        cli_say("doctor: %zu problem%s", count, count == 1 ? "" : "s");
    return printed ? printed : code;
}

static int check_all(checkup *check)
{
    rap_status status;
    int code = open_store(check);

    if (code != CLI_CONTINUE)
        return code;
    status = describe(&check->document, check->c->r);
    if (status != RAP_OK)
        return cli_failed(check->c, status);
    check_files(check);
    code = check_models(check);
    return code == CLI_CONTINUE ? report(check) : code;
}

static int run_doctor(cli *c, int argc, char **argv)
{
    const cli_option options[] = { { NULL, CLI_FLAG, NULL, NULL, NULL } };
    checkup check = { .c = c };
    int code = cli_parse(c, &cmd_doctor, options, &argc, argv, 0, 0);

    if (code != CLI_CONTINUE)
        return code;
    check.problems = json_array();
    code = check_all(&check);
    json_decref(check.document);
    json_decref(check.problems);
    return code;
}

static int run_models(cli *c, int argc, char **argv)
{
    const cli_option options[] = { { NULL, CLI_FLAG, NULL, NULL, NULL } };
    json_t *document = NULL, *profile;
    rap_status status;
    int code = cli_parse(c, &cmd_models, options, &argc, argv, 0, 0);

    if (code != CLI_CONTINUE || (code = cli_open(c, RAP_STORE_EMPTY)) != CLI_CONTINUE)
        return code;
    status = describe(&document, c->r);
    if (status != RAP_OK)
        return cli_failed(c, status);
    profile = json_object_get(document, "profile");
    if (c->json) {
        code = cli_print_json(json_incref(profile));
    } else {
        print_object(profile, 0);
        code = cli_flush();
    }
    json_decref(document);
    return code;
}
