/* fuzz_plan.c: configurations of data sets. A first byte of 't' makes the rest a file of templates instead. */
#include "dataset/plan.h"
#include "dataset/templates.h"
#include "fuzz/fuzz.h"

#include <string.h>

static rap_status try_templates(const char *path, rap_err *err)
{
    const template_values v = { "<bo>", "{info}", "dog", "[0, 0, 1, 1]", "{name}" };
    draw d = draw_for(1, "fuzz", "templates");
    templates *t = NULL;
    buf out = BUF_INIT;
    rap_status status = templates_open(&t, path, err);

    for (int i = 0; status == RAP_OK && i < 8; i++)
        if (templates_fill(&out, t, "grounding.question", &d, &v, err) != RAP_OK)
            abort();
    templates_free(t);
    buf_release(&out);
    return status;
}

static rap_status try_plan(const char *path, rap_err *err)
{
    dataset_plan *p = NULL;
    rap_status status = plan_read(&p, path, err);

    if (status == RAP_OK && (p->sources < 1 || p->noise.least > p->noise.most ||
                             p->max_concepts < 1 || !(p->margin >= 0 && p->margin <= 2)))
        abort();
    plan_free(p);
    return status;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    bool wording = size > 0 && data[0] == 't';
    char path[32];
    int fd = fuzz_file(path, data + wording, size - wording);
    rap_err err = { 0 };
    rap_status status = wording ? try_templates(path, &err) : try_plan(path, &err);

    if (status != RAP_OK && (!*err.text || strchr(err.text, '\n')))
        abort();
    close(fd);
    return 0;
}
