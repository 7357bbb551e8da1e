/* handle.c: rap_error(), rap_note() and the check that starts every call. */
#include "rap/handle.h"

#include <stdlib.h>

const char *rap_error(const rap *r)
{
    return r ? r->err.text : "out of memory";
}

const char *rap_note(const rap *r)
{
    const char *of_store = r && r->store ? store_note(r->store) : "";

    return *of_store || !r ? of_store : r->note;
}

int rap_ready(rap *r)
{
    if (!r || !r->store) /* keeps the reason why opening failed */
        return 0;
    err_clear(&r->err);
    *r->note = '\0';
    store_clear_note(r->store);
    return 1;
}

rap_status handle_changed(rap *r, rap_status status)
{
    if (status == RAP_OK)
        engine_forget(r->engine);
    return status;
}

void rap_free(void *memory)
{
    free(memory);
}
