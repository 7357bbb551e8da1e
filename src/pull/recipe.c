/* recipe.c: a recipe's fields, each checked as it is read. Finding recipes is in recipe_find.c. */
#include "pull/recipe.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/text.h"
#include "formats/json.h"

#include <stdlib.h>
#include <string.h>

enum { SOURCES = 16, FILES = 64, SHARDS = 256, STEPS = 8, TEXT = 2000, NAME = 96, PATH = 256 };
#define RECIPE_LIMIT ((size_t)256 << 10) /* bytes of a recipe */
#define INDEX_LIMIT ((size_t)16 << 20)

typedef struct reader {
    recipe *r;
    const char *file;
    rap_err *err;
} reader;

static rap_status complain(const reader *in, const char *where, const char *what)
{
    return err_set(in->err, RAP_E_FORMAT, "%s: \"%.*s\" %s", in->file, 200, where, what);
}

/* ---- names that become paths and URLs ---- */

/* Letters, digits, '.', '_', '-'; no leading dot or dash. */
static bool is_word(const char *text, size_t len)
{
    static const char allowed[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-";

    if (len == 0 || len > NAME || *text == '.' || *text == '-')
        return false;
    for (size_t i = 0; i < len; i++)
        if (!text[i] || !strchr(allowed, text[i]))
            return false;
    return true;
}

/* Words with a slash between them, at most `words` of them. */
static bool is_path(const char *text, int words)
{
    int count = 0;

    if (strlen(text) > PATH)
        return false;
    for (;;) {
        size_t len = strcspn(text, "/");

        if (!is_word(text, len) || ++count > words)
            return false;
        if (!text[len])
            return true;
        text += len + 1;
    }
}

static bool is_hex(const char *text, size_t len)
{
    return strlen(text) == len && strspn(text, "0123456789abcdef") == len;
}

static bool ends_in(const char *text, const char *end)
{
    size_t len = strlen(text), tail = strlen(end);

    return len > tail && strcmp(text + len - tail, end) == 0;
}

/* ---- fields ---- */

/* A text of bounded length without control characters; `fallback` NULL: it is required. */
static rap_status read_text(const reader *in, const json_t *object, const char *field,
                            const char *fallback, const char **out)
{
    rap_status status;

    *out = fallback;
    status = json_get_string(out, object, field, in->file, in->err);
    if (status != RAP_OK)
        return status;
    if (!*out)
        return complain(in, field, "is missing");
    if (strlen(*out) > TEXT || text_has_control(*out))
        return complain(in, field, "is too long or has control characters");
    return RAP_OK;
}

static rap_status read_file(const reader *in, const json_t *value, recipe_file *out)
{
    const json_t *bytes = json_object_get(value, "bytes");
    rap_status status = read_text(in, value, "path", NULL, &out->path);

    out->shards = false;
    if (status == RAP_OK)
        status = read_text(in, value, "sha256", "", &out->sha256);
    if (status == RAP_OK)
        status = json_get_bool(&out->shards, value, "shards", in->file, in->err);
    if (status != RAP_OK)
        return status;
    if (out->shards && (!ends_in(out->path, ".index.json") || strchr(out->path, '/')))
        return complain(in, out->path, "is not an index of shards (NAME.index.json)");
    if (!is_path(out->path, 8))
        return complain(in, out->path, "is not a path inside a repository");
    if (*out->sha256 && !is_hex(out->sha256, 64))
        return complain(in, out->path, "has an invalid sha256: expected 64 lower-case hex digits");
    out->bytes = bytes ? (int64_t)json_integer_value(bytes) : -1;
    if (bytes && (!json_is_integer(bytes) || out->bytes < 0 || out->bytes > RECIPE_FILE_LIMIT))
        return complain(in, out->path, "has an invalid number of bytes");
    return RAP_OK;
}

static int find_file(const recipe_source *s, const char *path)
{
    for (int i = 0; i < s->file_count; i++)
        if (strcmp(s->file[i].path, path) == 0)
            return i;
    return -1;
}

static rap_status read_source(const reader *in, const char *name, const json_t *value,
                              recipe_source *out)
{
    const json_t *files = json_object_get(value, "files");
    size_t count = json_array_size(files);
    rap_status status = read_text(in, value, "hub", NULL, &out->hub);

    out->name = name;
    if (status == RAP_OK)
        status = read_text(in, value, "revision", "main", &out->revision);
    if (status != RAP_OK)
        return status;
    if (!is_word(name, strlen(name)))
        return complain(in, name, "is not a valid name of a source");
    if (!is_path(out->hub, 2))
        return complain(in, out->hub, "is not a repository (OWNER/NAME)");
    if (!is_word(out->revision, strlen(out->revision)))
        return complain(in, out->revision, "is not a valid revision");
    if (count < 1 || count > FILES)
        return complain(in, name, "needs \"files\": a list of 1 to 64 files");
    out->file = mem_array(count, sizeof *out->file);
    if (!out->file)
        return err_memory(in->err, "reading a recipe");
    for (size_t i = 0; status == RAP_OK && i < count; i++) {
        recipe_file file;

        status = read_file(in, json_array_get(files, i), &file);
        if (status == RAP_OK && find_file(out, file.path) >= 0)
            status = complain(in, file.path, "is listed twice");
        if (status == RAP_OK)
            out->file[out->file_count++] = file;
    }
    return status;
}

static rap_status read_sources(const reader *in)
{
    json_t *sources = json_object_get(in->r->json, "sources"), *value;
    size_t count = json_object_size(sources);
    const char *name;

    if (count < 1 || count > SOURCES)
        return complain(in, "sources", "must be an object of 1 to 16 repositories");
    in->r->source = mem_array(count, sizeof *in->r->source);
    if (!in->r->source)
        return err_memory(in->err, "reading a recipe");
    json_object_foreach(sources, name, value)
    {
        rap_status status = read_source(in, name, value, &in->r->source[in->r->source_count++]);

        if (status != RAP_OK)
            return status;
    }
    return RAP_OK;
}

/* "clip" or "clip/model.safetensors": the source, and the file in it. */
static rap_status read_place(const reader *in, const char *place, recipe_step *out)
{
    size_t len = strcspn(place, "/");

    for (int i = 0; i < in->r->source_count; i++) {
        const recipe_source *s = &in->r->source[i];

        if (strlen(s->name) != len || strncmp(s->name, place, len) != 0)
            continue;
        out->source = i;
        out->from = place[len] ? place + len + 1 : NULL;
        if (out->from && find_file(s, out->from) < 0)
            break;
        return RAP_OK;
    }
    return complain(in, place, "is neither a source of this recipe nor a file of one");
}

static rap_status read_vocab(const reader *in, recipe_step *out)
{
    recipe_step place = { 0 };
    rap_status status;

    if (!*out->vocab) {
        out->vocab = NULL;
        return RAP_OK;
    }
    status = read_place(in, out->vocab, &place);
    if (status != RAP_OK)
        return status;
    if (place.source != out->source || !place.from)
        return complain(in, out->vocab, "must be a file of the same source");
    out->vocab = place.from;
    return RAP_OK;
}

static rap_status read_tower(const reader *in, const char *place, recipe_step *out)
{
    recipe_step found = { 0 };
    rap_status status;

    out->tower = -1;
    if (!*place)
        return RAP_OK;
    status = read_place(in, place, &found);
    if (status == RAP_OK && found.from)
        status = complain(in, place, "must be a source, not a file");
    out->tower = found.source;
    return status;
}

static bool is_role(const char *text)
{
    static const char *const roles[] = { "encoder", "text_encoder", "detector",
                                         "llm",     "mmproj",       "lora" };

    for (size_t i = 0; i < sizeof roles / sizeof *roles; i++)
        if (strcmp(roles[i], text) == 0)
            return true;
    return false;
}

static rap_status read_step(const reader *in, const char *role, const json_t *value,
                            recipe_step *out)
{
    const char *convert = NULL, *take = NULL, *tower = NULL;
    rap_status status = read_text(in, value, "file", NULL, &out->as);

    out->role = role;
    if (status == RAP_OK)
        status = read_text(in, value, "convert", "", &convert);
    if (status == RAP_OK)
        status = read_text(in, value, "take", "", &take);
    if (status == RAP_OK)
        status = read_text(in, value, "vocab", "", &out->vocab);
    if (status == RAP_OK)
        status = read_text(in, value, "type", "", &out->type);
    if (status == RAP_OK)
        status = read_text(in, value, "tower", "", &tower);
    if (status == RAP_OK)
        status = json_get_int(&out->image_size, value, "image_size", 1, 1024, in->file, in->err);
    if (status != RAP_OK)
        return status;
    if (!is_role(role))
        return complain(in, role, "is not a file of a profile");
    if (!is_word(out->as, strlen(out->as)) || !ends_in(out->as, ".gguf"))
        return complain(in, out->as, "is not a valid name of a model file (NAME.gguf)");
    for (int i = 0; i + 1 < in->r->step_count; i++)
        if (strcmp(in->r->step[i].as, out->as) == 0)
            return complain(in, out->as, "is made twice");
    if (!*convert == !*take)
        return complain(in, role, "needs either \"convert\" or \"take\"");
    out->convert = *convert != '\0';
    status = read_place(in, out->convert ? convert : take, out);
    if (status == RAP_OK && !out->convert && !out->from)
        return complain(in, take, "names a repository, not one of its files");
    if (status == RAP_OK)
        status = read_tower(in, tower, out);
    return status == RAP_OK ? read_vocab(in, out) : status;
}

static rap_status read_steps(const reader *in)
{
    json_t *make = json_object_get(in->r->json, "make"), *value;
    size_t count = json_object_size(make);
    const char *role;
    bool encoder = false;

    if (count < 1 || count > STEPS)
        return complain(in, "make", "must be an object of 1 to 8 model files");
    in->r->step = mem_array(count, sizeof *in->r->step);
    if (!in->r->step)
        return err_memory(in->err, "reading a recipe");
    json_object_foreach(make, role, value)
    {
        rap_status status = read_step(in, role, value, &in->r->step[in->r->step_count++]);

        if (status != RAP_OK)
            return status;
        encoder = encoder || strcmp(role, "encoder") == 0;
    }
    return encoder ? RAP_OK : complain(in, "make.encoder", "is missing");
}

static rap_status read_profile(const reader *in)
{
    static const char *const written[] = { "files", "recipe", "name", "description", "license" };
    const json_t *profile = json_object_get(in->r->json, "profile");

    in->r->profile = profile;
    if (profile && !json_is_object(profile))
        return complain(in, "profile", "must be an object");
    for (size_t i = 0; i < sizeof written / sizeof *written; i++)
        if (json_object_get(profile, written[i]))
            return complain(in, written[i], "is not allowed in \"profile\": rap pull writes it");
    return RAP_OK;
}

static rap_status read_head(const reader *in)
{
    recipe *r = in->r;
    int version = 0;
    rap_status status = json_get_int(&version, r->json, "recipe", 0, 1 << 20, in->file, in->err);

    if (status != RAP_OK)
        return status;
    if (version < 1)
        return complain(in, "recipe", "is missing: this is not a recipe");
    if (version > 1)
        return err_set(in->err, RAP_E_VERSION, "%s: this recipe needs a newer version of rap",
                       in->file);
    status = read_text(in, r->json, "name", NULL, &r->name);
    if (status == RAP_OK)
        status = read_text(in, r->json, "description", "", &r->description);
    if (status == RAP_OK)
        status = read_text(in, r->json, "license", "", &r->license);
    if (status == RAP_OK && (!is_word(r->name, strlen(r->name)) || !strcmp(r->name, "default")))
        status = complain(in, r->name, "is not a valid name of a profile");
    return status;
}

/* The digest of the content, independent of the layout of the JSON. */
static rap_status digest(const reader *in)
{
    char *text = json_dumps(in->r->json, JSON_COMPACT);

    if (!text)
        return err_memory(in->err, "reading a recipe");
    sha256_hex(in->r->digest, text, strlen(text));
    free(text);
    return RAP_OK;
}

rap_status recipe_parse(recipe **out, const char *text, size_t len, const char *file, rap_err *err)
{
    recipe *r = mem_array(1, sizeof *r);
    reader in = { r, file, err };
    rap_status status;

    *out = NULL;
    if (!r)
        return err_memory(err, "reading a recipe");
    status = json_parse(&r->json, text, len, file, err);
    if (status == RAP_OK)
        status = read_head(&in);
    if (status == RAP_OK)
        status = read_sources(&in);
    if (status == RAP_OK)
        status = read_steps(&in);
    if (status == RAP_OK)
        status = read_profile(&in);
    if (status == RAP_OK)
        status = digest(&in);
    if (status == RAP_OK)
        *out = r;
    else
        recipe_free(r);
    return status;
}

rap_status recipe_read(recipe **out, const char *path, rap_err *err)
{
    char *text = NULL;
    size_t size = 0;
    rap_status status;

    *out = NULL;
    status = file_read(&text, &size, path, RECIPE_LIMIT, err);
    if (status == RAP_OK)
        status = recipe_parse(out, text, size, path, err);
    free(text);
    return status;
}

/* ---- shards ---- */

static rap_status add_shard(recipe_source *s, const char *index, const char *name, rap_err *err)
{
    if (!name || !is_word(name, strlen(name)))
        return err_set(err, RAP_E_FORMAT, "%s: does not list proper names of shards", index);
    if (find_file(s, name) >= 0)
        return RAP_OK;
    if (s->file_count >= SHARDS)
        return err_set(err, RAP_E_LIMIT, "%s: lists more than %d shards", index, SHARDS);
    recipe_file *grown = realloc(s->file, ((size_t)s->file_count + 1) * sizeof *grown);

    if (!grown)
        return err_memory(err, "reading an index of shards");
    s->file = grown;
    s->file[s->file_count++] = (recipe_file){ .path = name, .bytes = -1, .sha256 = "" };
    return RAP_OK;
}

rap_status recipe_add_shards(recipe *r, recipe_source *s, int file, const char *path, rap_err *err)
{
    json_t *index = NULL, *map, *shard;
    const char *tensor;
    rap_status status = json_read(&index, path, INDEX_LIMIT, err);

    if (status != RAP_OK)
        return status;
    r->indexes = r->indexes ? r->indexes : json_array();
    map = json_object_get(index, "weight_map");
    if (!r->indexes ||
        json_array_append_new(r->indexes, index) != 0) /* owned even after a failure */
        return err_memory(err, "reading an index of shards");
    if (json_object_size(map) == 0)
        return err_set(err, RAP_E_FORMAT, "%s: lists no shards", path);
    s->file[file].shards = false;
    json_object_foreach(map, tensor, shard)
    {
        status = add_shard(s, path, json_string_value(shard), err);
        if (status != RAP_OK)
            return status;
    }
    return RAP_OK;
}

void recipe_free(recipe *r)
{
    if (!r)
        return;
    for (int i = 0; i < r->source_count; i++)
        free(r->source[i].file);
    free(r->source);
    free(r->step);
    json_decref(r->indexes);
    json_decref(r->json);
    free(r);
}

int64_t recipe_bytes(const recipe *r, bool *all)
{
    int64_t sum = 0;

    *all = true;
    for (int i = 0; i < r->source_count; i++)
        for (int k = 0; k < r->source[i].file_count; k++) {
            int64_t bytes = r->source[i].file[k].bytes;

            *all = *all && bytes >= 0;
            sum += bytes > 0 ? bytes : 0;
        }
    return sum;
}
