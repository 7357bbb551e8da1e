/* fuzz_pickle.c: the pickle by itself, because the checksum of an archive would keep most changes from
 * reaching it; and the walks over what it holds. */
#include "formats/module_tree.h"
#include "formats/script_tree.h"
#include "fuzz/fuzz.h"

static rap_status visit(void *payload, const char *name, const pickle_tensor *tensor, rap_err *err)
{
    size_t *count = payload;
    *count += (size_t)(name[0] != '\0') + (size_t)tensor->dims;
    return RAP_OK;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    unpickled *u;
    rap_err err = { 0 };
    size_t count = 0;
    if (unpickle(&u, data, size, "fuzz", &err) != RAP_OK)
        return 0;
    const pickle_value *root = unpickle_root(u);
    (void)script_walk(root, "fuzz", visit, &count, &err);
    if (module_is(root)) {
        (void)module_walk(root, "fuzz", visit, &count, &err);
        (void)module_find(root, "model.0.conv");
    }
    unpickle_free(u);
    return 0;
}
