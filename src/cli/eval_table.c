/* eval_table.c: see eval_table.h. */
#include "cli/eval_table.h"

#include "base/file.h"
#include "eval/paper.h"

#include <stdlib.h>
#include <string.h>

static rap_status write_json(const paper *p, const char *path, rap_err *err)
{
    json_t *json = paper_json(p);
    char *text = json ? json_dumps(json, JSON_INDENT(1)) : NULL;
    rap_status status =
        text ? file_write(path, text, strlen(text), err) : err_memory(err, "writing results");

    free(text);
    json_decref(json);
    return status;
}

int cli_eval_table(cli *c, const char *folder)
{
    char *png = path_join(folder, "growth.png"), *json = path_join(folder, "tables.json");
    paper p = { .row = NULL };
    rap_err err = { RAP_OK, "" };
    int drawn = 0, code;
    rap_status status =
        png && json ? paper_read(&p, folder, &err) : err_memory(&err, "reading results");

    if (status == RAP_OK)
        status = write_json(&p, json, &err);
    if (status == RAP_OK)
        status = paper_draw(&drawn, &p, png, &err);
    code = rap_status_exit_code(status);
    if (status != RAP_OK) {
        cli_say("%s", err.text);
    } else if (c->json) {
        code = cli_print_json(paper_json(&p));
    } else {
        paper_print(stdout, &p);
        if (drawn)
            cli_note("(drawn: %s)", png);
        code = cli_flush();
    }
    paper_release(&p);
    free(png);
    free(json);
    return code;
}
