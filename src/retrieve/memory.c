/* memory.c: a search index over the store's packed rows (remember/rows.h). Rows of the snapshot are used in place in
 * the mapped file; the others are added. */
#include "retrieve/memory.h"

#include "base/mem.h"

#include <stdlib.h>

struct memory {
    store_rows rows;
    search_index *index;
};

_Static_assert(STORE_SAMPLE >= SKETCH_SAMPLE, "a basis needs that many");

/* The parts of a row in a snapshot are its bound, code, sketch (two lines) and unit vector; all rows share a basis. */
static int pack(void *const part[STORE_PARTS], const void *shared, const float *vector, int dim)
{
    if (!search_pack(part[0], part[1], part[4], vector, dim))
        return 0;
    if (sketch_useful(dim))
        sketch_pack((sketch_line *const[]){ part[2], part[3] }, shared, part[4], dim);
    return 1;
}

/* Too few vectors, or out of memory: a basis of zeros, which means no sketches. */
static void prepare(void *shared, const float *sample, size_t count, int dim)
{
    sketch_basis_make(shared, sample, count, dim);
}

static store_packing packing_of(int dim)
{
    size_t stride = (size_t)search_stride(dim), sketch = sketch_useful(dim) ? SKETCH_BYTES : 0;

    return (store_packing){
        .version = SEARCH_PACKING,
        .dim = dim,
        .size = { sizeof(search_bound), stride, sketch, sketch, stride * sizeof(float) },
        .shared_size = sketch ? SKETCH_LINES * SKETCH_DIMS * (size_t)dim * sizeof(float) : 0,
        .prepare = prepare,
        .pack = pack
    };
}

static rap_status make_index(memory *m, int dim, rap_err *err)
{
    const store_rows *rows = &m->rows;
    const store_vectors *fresh = &rows->fresh;
    const search_rows lent = { .count = rows->count,
                               .id = rows->concept_id,
                               .bound = rows->part[0],
                               .code = rows->part[1],
                               .unit = rows->part[4],
                               .sum = rows->last_sum,
                               .sketch = { rows->part[2], rows->part[3] },
                               .basis = sketch_useful(dim) ? rows->shared : NULL };
    rap_status status = search_index_over(&m->index, &lent, dim, err);

    if (status == RAP_OK)
        status = search_index_add(m->index, fresh->data, fresh->concept_id, fresh->count, err);
    store_vectors_release(&m->rows.fresh); /* the index has copies */
    return status;
}

rap_status memory_load(memory **out, store *s, const char *encoder, int dim,
                       rap_on_progress *on_progress, void *payload, rap_err *err)
{
    const store_packing packing = packing_of(dim);
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

int memory_is_outdated(const memory *m)
{
    return store_rows_outdated(&m->rows);
}

const search_index *memory_index(const memory *m)
{
    return m->index;
}
