/* test_items.c: the lists of an evaluation set (src/eval/items.c): a wrong field is named with file and item. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/file.h"
#include "base/temp.h"
#include "eval/items.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct wrong {
    const char *task, *text, *line; /* line: a part of the error, NULL: it is right */
} wrong;

static const wrong lists[] = {
    { "caption", "[{\"image\":\"a.jpg\",\"names\":[\"bo\"]}]", NULL },
    { "caption", "\xef\xbb\xbf[{\"image\":\"a.jpg\",\"names\":[]}]", NULL }, /* byte-order mark */
    { "caption", "[{\"image\":\"a.jpg\",\"names\":[1]}]",
      "captions.json: item 0: \"names\" must be a list of texts" },
    { "caption", "[{\"image\":\"a.jpg\",\"names\":\"bo\"}]", "\"names\" must be a list of texts" },
    { "caption", "[{\"image\":\"a.jpg\",\"names\":[]},{\"image\":\"a.jpg\"}]",
      "captions.json: item 1 has no \"names\"" },
    { "caption", "[{\"image\":null,\"names\":[]}]", "item 0: \"image\" must be a text" },
    { "caption", "[{\"image\":\"a.jpg\",\"names\":[],\"question\":7}]",
      "\"question\" must be a text" },
    { "caption", "[[]]", "item 0 is not an object" },
    { "caption", "{}", "must be a JSON array of items" },
    { "caption", "[", "captions.json" },
    { "recognition", "[{\"image\":\"a\",\"question\":\"q\",\"correct_answer\":true}]", NULL },
    { "recognition", "[{\"image\":\"a\",\"question\":\"q\",\"correct_answer\":\"no\"}]", NULL },
    { "recognition", "[{\"image\":\"a\",\"question\":\"q\",\"correct_answer\":1}]",
      "\"correct_answer\" must be true, false" },
    { "recognition", "[{\"image\":\"a\",\"question\":\"\",\"correct_answer\":true}]",
      "\"question\" must be a text" },
    { "vqa", "[{\"image\":\"a\",\"question\":\"q\",\"answer\":\"x\",\"options\":[\"x\"]}]", NULL },
    { "vqa", "[{\"image\":\"a\",\"question\":\"q\",\"answer\":\"x\",\"options\":[null]}]",
      "\"options\" must be a list of texts" },
    { "mine", "[{\"image\":\"i\",\"names\":[\"n\"],\"question\":\"q\",\"answer\":\"2\"}]", NULL },
    { "mine", "[{\"image\":\"i\",\"question\":\"q\",\"answer\":\"2\"}]", "no \"names\"" },
    { "text_qa", "[{\"question\":\"q\",\"answer\":\"x\"}]", NULL },
    { "text_qa", "[{\"question\":\"q\",\"answer\":[]}]", "\"answer\" must be a text" },
    { "retrieval", "[{\"image\":\"a\",\"box\":[1,2,3,4],\"name\":\"\"}]", NULL },
    { "retrieval", "[{\"image\":\"a\",\"box\":[1,2,3],\"name\":\"bo\"}]",
      "\"box\" must be four numbers" },
    { "retrieval", "[{\"image\":\"a\",\"box\":[1,2,\"3\",4],\"name\":\"bo\"}]",
      "\"box\" must be four numbers" },
    { "retrieval", "[{\"image\":\"a\",\"box\":[1,2,3,4],\"name\":{}}]", "\"name\" must be a text" },
    { "detection", "[{\"image\":\"a\",\"boxes\":[]}]", NULL },
    { "detection", "[{\"image\":\"a\",\"boxes\":[[1,2,3,4],5]}]",
      "\"boxes\" must be a list of boxes" },
    { "trust", "[]", "unknown task" },
};

static void each_list_is_checked(void **state)
{
    temp folder = TEMP_INIT;

    assert_int_equal(temp_folder_anywhere(&folder, "rap-items", NULL), RAP_OK);
    for (size_t i = 0; i < sizeof lists / sizeof *lists; i++) {
        const wrong *w = &lists[i];
        const char *file = items_file(w->task);
        char *path = path_join(folder.path, file ? file : "x.json");
        rap_err err = { RAP_OK, "" };
        json_t *items = NULL;
        rap_status status;

        assert_int_equal(file_write(path, w->text, strlen(w->text), NULL), RAP_OK);
        status = items_load(&items, folder.path, w->task, &err);
        if ((status == RAP_OK) != !w->line || (w->line && !strstr(err.text, w->line)))
            fail_msg("%s %s: status %d, \"%s\"", w->task, w->text, (int)status, err.text);
        assert_int_equal(items != NULL, status == RAP_OK);
        json_decref(items);
        free(path);
    }
    temp_remove(&folder);
}

static void a_missing_list_is_named(void **state)
{
    rap_err err = { RAP_OK, "" };
    json_t *items;

    assert_int_equal(items_load(&items, "/nowhere", "vqa", &err), RAP_E_NOT_FOUND);
    assert_non_null(strstr(err.text, "/nowhere/vqa.json: no such file"));
    assert_null(items_file("nothing"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_list_is_checked),
        cmocka_unit_test(a_missing_list_is_named),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
