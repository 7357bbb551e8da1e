/* fuzz_pickle.c: the pickle by itself, because the checksum of an archive would keep most changes from
 * reaching it; and the walks over what it holds. */
#include "formats/module_tree.h"
#include "formats/script_tree.h"
#include "formats/state_choose.h"
#include "fuzz/fuzz.h"

static rap_status visit(void *payload, const char *name, const pickle_tensor *tensor, rap_err *err)
{
    size_t *count = payload;
    *count += (size_t)(name[0] != '\0') + (size_t)tensor->dims;
    return RAP_OK;
}

/* A list of records, as annotations are. */
static size_t read_records(const pickle_value *root)
{
    size_t found = 0;
    for (size_t i = 0; root->kind == PICKLE_LIST && i < root->as.list.count; i++) {
        const pickle_value *id = pickle_get(root->as.list.items[i], "ref_id");
        found += id && id->kind == PICKLE_INT;
    }
    return found;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    unpickled *u;
    rap_err err = { 0 };
    size_t count = 0;
    state_choice choice;
    if (unpickle(&u, data, size, "fuzz", &err) != RAP_OK)
        return 0;
    const pickle_value *root = unpickle_root(u);
    count += read_records(root);
    (void)state_choose(&choice, root, "fuzz", &err);
    (void)script_walk(root, "fuzz", visit, &count, &err);
    if (module_is(root)) {
        (void)module_walk(root, "fuzz", visit, &count, &err);
        (void)module_find(root, "model.0.conv");
    }
    for (const pickle_storage *s = unpickle_storages(u); s; s = s->next)
        count += s->key->as.text.len;
    unpickle_free(u);
    return 0;
}
