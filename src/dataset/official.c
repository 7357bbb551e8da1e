/* official.c: "concept_dict" maps "<name>" to {"name", "info", "category"}. */
#include "dataset/official.h"

#include "formats/json.h"

#include <stdio.h>

rap_status official_open(json_t **out, const char *path, rap_err *err)
{
    if (path)
        return json_read(out, path, 256u << 20, err);
    *out = json_object();
    return *out ? RAP_OK : err_memory(err, "reading concepts");
}

const char *official_field(const json_t *database, const char *name, const char *field)
{
    const json_t *concepts = json_object_get(database, "concept_dict"), *found;
    char bracketed[300];
    const char *text;

    snprintf(bracketed, sizeof bracketed, "<%.280s>", name);
    found = json_object_get(concepts, bracketed);
    if (!found)
        found = json_object_get(concepts, name);
    text = json_string_value(json_object_get(found, field));
    return text ? text : "";
}
