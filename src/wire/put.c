/* put.c: see put.h. */
#include "wire/put.h"

static void drop(json_t **document)
{
    json_decref(*document);
    *document = NULL;
}

void put_value(json_t **object, const char *key, json_t *value)
{
    if (!*object)
        json_decref(value);
    else if (json_object_set_new(*object, key, value) != 0)
        drop(object);
}

void put_next(json_t **list, json_t *value)
{
    if (!*list)
        json_decref(value);
    else if (json_array_append_new(*list, value) != 0)
        drop(list);
}

void put_text(json_t **object, const char *key, const char *text)
{
    put_value(object, key, json_any_text(text));
}

void put_number(json_t **object, const char *key, double value)
{
    put_value(object, key, json_any_number(value));
}

void put_count(json_t **object, const char *key, int64_t value)
{
    put_value(object, key, json_integer((json_int_t)value));
}
