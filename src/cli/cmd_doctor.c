/* cmd_doctor.c: rap doctor, rap models: what this runs on, and whether it is whole. */
#include "cli/cli.h"

#include <stdio.h>

static int run_doctor(cli *c, int argc, char **argv);
static int run_models(cli *c, int argc, char **argv);

const cli_command cmd_doctor = {
    "doctor", "", "Tell what this installation runs on and check it", NULL, run_doctor,
};
const cli_command cmd_models = {
    "models", "", "Tell the profile in use and its model files", NULL, run_models,
};

static void print_value(const json_t *value)
{
    char *text;

    if (json_is_string(value)) {
        cli_print_plain(json_string_value(value));
        return;
    }
    text = json_dumps(value, JSON_ENCODE_ANY | JSON_COMPACT | JSON_REAL_PRECISION(6));
    fputs(text ? text : "?", stdout);
    rap_free(text);
}

/* One "key: value" line for each leaf, nested objects indented. */
static void print_object(const json_t *object, int indent)
{
    const char *key;
    json_t *value;

    json_object_foreach((json_t *)object, key, value)
    {
        printf("%*s%s:", indent, "", key);
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

static int describe(cli *c, const char *only)
{
    char *text = NULL;
    json_t *document, *part;
    rap_status status = rap_describe(&text, c->r);
    int code;

    if (status != RAP_OK)
        return cli_failed(c, status);
    document = json_loads(text, 0, NULL);
    rap_free(text);
    part = json_incref(only ? json_object_get(document, only) : document);
    json_decref(document);
    if (c->json)
        return cli_print_json(part);
    print_object(part, 0);
    code = cli_flush();
    json_decref(part);
    return code;
}

static int run_doctor(cli *c, int argc, char **argv)
{
    const cli_option options[] = { { NULL, CLI_FLAG, NULL, NULL, NULL } };
    int code = cli_parse(c, &cmd_doctor, options, &argc, argv, 0, 0);

    if (code != CLI_CONTINUE || (code = cli_open(c, false)) != CLI_CONTINUE)
        return code;
    return describe(c, NULL);
}

static int run_models(cli *c, int argc, char **argv)
{
    const cli_option options[] = { { NULL, CLI_FLAG, NULL, NULL, NULL } };
    int code = cli_parse(c, &cmd_models, options, &argc, argv, 0, 0);

    if (code != CLI_CONTINUE || (code = cli_open(c, false)) != CLI_CONTINUE)
        return code;
    return describe(c, "profile");
}
