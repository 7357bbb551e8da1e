/* memory.c: the store's packed rows (remember/rows.h) under a search index: those of the snapshot are lent
 * to it as they lie in the mapped file, the others are added. */
#include "retrieve/memory.h"

#include "base/mem.h"

#include <stdlib.h>

struct memory {
    store_rows rows;
    search_index *index;
};

static int pack(void *const part[STORE_PARTS], const float *vector, int dim)
{
    return search_pack(part[0], part[1], part[2], vector, dim);
}

static rap_status make_index(memory *m, int dim, rap_err *err)
{
    const store_rows *rows = &m->rows;
    const store_vectors *fresh = &rows->fresh;
    const search_rows lent = { rows->count,   rows->concept_id, rows->part[0],
                               rows->part[1], rows->part[2],    rows->last_sum };
    rap_status status = search_index_over(&m->index, &lent, dim, err);

    if (status == RAP_OK)
        status = search_index_add(m->index, fresh->data, fresh->concept_id, fresh->count, err);
    store_vectors_release(&m->rows.fresh); /* the index has its own */
    return status;
}

rap_status memory_load(memory **out, store *s, const char *encoder, int dim,
                       rap_on_progress *on_progress, void *payload, rap_err *err)
{
    size_t stride = (size_t)search_stride(dim);
    const store_packing packing = {
        SEARCH_PACKING, dim, { sizeof(search_bound), stride, stride * sizeof(float) }, pack
    };
    memory *m = mem_array(1, sizeof *m);
    rap_status status;

    *out = NULL;
    if (!m)
        return err_memory(err, "loading vectors");
    status = store_rows_load(&m->rows, s, encoder, &packing, on_progress, payload, err);
    if (status == RAP_OK)
        status = make_index(m, dim, err);
    if (status != RAP_OK) {
        memory_free(m);
        return status;
    }
    *out = m;
    return RAP_OK;
}

void memory_free(memory *m)
{
    if (!m)
        return;
    search_index_free(m->index);
    store_rows_release(&m->rows);
    free(m);
}

const search_index *memory_index(const memory *m)
{
    return m->index;
}
