/* fuzz_annotate.c: what a model wrote, through the three checks: what passes is one line, keeps its names and uses no
 * other. */
#include "fuzz/fuzz.h"

#include "dataset/annotate_check.h"

#include <string.h>

static const annotate_names names = {
    .must = { "bo", "bo junior" }, .musts = 2, .must_not = { "luna" }, .must_nots = 1
};

static void check_line(const char *text)
{
    if (!*text || strlen(text) > ANNOTATE_LONGEST || strchr(text, '\n') || strstr(text, "<luna>"))
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = malloc(size + 1);
    buf line = BUF_INIT;
    json_t *pairs = NULL;
    int same = 0;

    memcpy(text, data, size);
    text[size] = '\0';
    if (annotate_check_text(&line, text, &names) == FAULT_NONE) {
        check_line(buf_text(&line));
        if (!strstr(buf_text(&line), "<bo>") || !strstr(buf_text(&line), "<bo junior>"))
            abort();
    }
    if (annotate_check_pairs(&pairs, text, &names) == FAULT_NONE) {
        if (json_array_size(pairs) == 0 || json_array_size(pairs) > ANNOTATE_PAIRS)
            abort();
        for (size_t i = 0; i < json_array_size(pairs); i++)
            for (size_t j = 0; j < 2; j++)
                check_line(json_string_value(json_array_get(json_array_get(pairs, i), j)));
    } else if (pairs) {
        abort();
    }
    if (annotate_check_verdict(&same, text) != FAULT_NONE && same)
        abort();
    json_decref(pairs);
    buf_release(&line);
    free(text);
    return 0;
}
